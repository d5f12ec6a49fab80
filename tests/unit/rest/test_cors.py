"""Browser apps of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol"""

from dataclasses import replace

import httpx
import pytest

from fhirserver.rest import application
from tests.unit.rest.conftest import BASE, Server

ORIGIN = "https://app.example.org"
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "PUT"}


def client_of(server: Server, *origins: str) -> httpx.AsyncClient:
    services = replace(server.services(), origins=origins)
    transport = httpx.ASGITransport(application(services))
    return httpx.AsyncClient(transport=transport, base_url=BASE + "/")


async def test_a_preflight_needs_no_token(client: httpx.AsyncClient) -> None:
    del client.headers["authorization"]

    answer = await client.options("Patient/ann", headers=PREFLIGHT)

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "If-Match" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_answers_and_refusals_may_be_read(client: httpx.AsyncClient) -> None:
    for url in ("Patient/ann", "Patient/nobody", "metadata"):
        answer = await client.get(url, headers={"origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "ETag" in answer.headers["access-control-expose-headers"]


async def test_who_sends_no_origin_is_told_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("Patient/ann")

    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "origin" in answer.headers["vary"]


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, True), ("https://evil.example", False)])
async def test_the_list_of_origins_is_kept(server: Server, origin: str, allowed: bool) -> None:
    async with client_of(server, ORIGIN + "/") as client:
        for answer in (
            await client.get("Patient/ann", headers={"origin": origin}),
            await client.options("Patient/ann", headers={**PREFLIGHT, "origin": origin}),
        ):
            found = answer.headers.get("access-control-allow-origin")
            assert found == (origin if allowed else None)


async def test_origins_of_registered_apps_are_allowed_too(server: Server) -> None:
    services = replace(
        server.services(), origins=(), registered_origins=lambda: frozenset({ORIGIN.encode()})
    )
    transport = httpx.ASGITransport(application(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/fhir/Patient/ann", "/auth/token"):
            answer = await client.options(path, headers=PREFLIGHT)
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            stranger = {**PREFLIGHT, "origin": "https://evil.example"}
            answer = await client.options(path, headers=stranger)
            assert "access-control-allow-origin" not in answer.headers


async def test_pages_of_any_origin_may_read_what_apps_need_first(server: Server) -> None:
    async with client_of(server) as client:
        for path in (
            "/fhir/metadata",
            "/fhir/.well-known/smart-configuration",
            "/.well-known/openid-configuration",
            "/auth/jwks",
        ):
            answer = await client.options(f"http://test{path}", headers=PREFLIGHT)
            assert answer.headers["access-control-allow-origin"] == "*", path


async def test_pages_of_other_origins_may_not_read_pages_for_people(server: Server) -> None:
    async with client_of(server, "*") as client:
        for path in ("/auth/login", "/auth/authorize", "/auth/account"):
            answer = await client.get(f"http://test{path}", headers={"origin": ORIGIN})
            assert "access-control-allow-origin" not in answer.headers, path


async def test_without_origins_nobody_may(server: Server) -> None:
    async with client_of(server) as client:
        answer = await client.options("Patient", headers=PREFLIGHT)
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_only_the_fhir_api_is_shared(client: httpx.AsyncClient) -> None:
    answer = await client.get("http://test/health/live", headers={"origin": ORIGIN})

    assert "access-control-allow-origin" not in answer.headers


async def test_options_of_no_browser_is_not_possible_here(client: httpx.AsyncClient) -> None:
    assert (await client.options("Patient/ann")).status_code == 405
