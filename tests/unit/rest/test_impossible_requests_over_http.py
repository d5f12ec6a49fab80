"""Requests that no interaction answers: their method, operation, parameters, size or role."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.rest.conftest import FHIR, PATIENT, Server, issues, token


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "Patient/ann", "_pretty=yes"),
        ("GET", "Patient/ann", "_summary=some"),
        ("GET", "Patient/ann/_history/1", "x=1"),
        ("POST", "Patient", "x=1"),
        ("PUT", "Patient/ann", "x=1"),
        ("DELETE", "Patient/ann", "x=1"),
        ("GET", "metadata", "mode=something"),
    ],
)
async def test_parameters_nobody_understands_are_refused(
    client: httpx.AsyncClient, method: str, path: str, query: str
) -> None:
    answer = await client.request(
        method, f"{path}?{query}", json={**PATIENT, "id": "ann"}, headers=FHIR
    )

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("BREW", "Patient/ann", "GET, HEAD, PUT, PATCH, DELETE"),
        ("POST", "Patient/ann", "GET, HEAD, PUT, PATCH, DELETE"),
        ("POST", "Patient/_history", "GET, HEAD"),
        ("PUT", "Patient/ann/_history/1", "GET, HEAD"),
        ("GET", "Patient/_search", "POST"),
        ("GET", "Device/cuff/$enroll", "POST"),
        ("POST", "metadata", "GET, HEAD"),
        ("GET", "$issue-token", "POST"),
    ],
)
async def test_methods_that_are_not_possible(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert issues(answer)[0]["code"] == "not-supported"


@pytest.mark.parametrize(
    "path", ["Patient/ann/$enroll", "$unknown", "Patient/$match", "Patient/_unknown"]
)
async def test_operations_that_are_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path)).status_code == 404


async def test_a_body_beyond_the_bound(client: httpx.AsyncClient) -> None:
    big = b'{"resourceType":"Patient","x":"' + b"a" * (5 * 1024 * 1024) + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    declared = await client.post("Patient", content=big, headers=FHIR)
    streamed = await client.post("Patient", content=pieces(), headers=FHIR)

    for answer in (declared, streamed):
        assert answer.status_code == 413
        assert issues(answer)[0]["code"] == "too-long"


async def test_a_write_by_a_role_that_never_may_is_refused_before_anything_else(
    client: httpx.AsyncClient, server: Server
) -> None:
    answer = await client.delete("Patient/ann", headers=token("nurse"))

    assert answer.status_code == 403
    assert server.record.current("Patient", "ann") is not None
