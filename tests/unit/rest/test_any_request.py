"""No request of any shape gets a 5xx: every answer is a resource or an OperationOutcome."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.rest import application
from fhirserver.rest.envelope import Envelope
from tests.unit.rest.conftest import Server, filled

words = st.sampled_from(
    ["Patient", "ann", "_history", "1", "_search", "metadata", "$issue-token", "$enroll", "Device"]
)
segments = st.lists(st.one_of(words, st.text(max_size=5)), max_size=6)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
queries = st.one_of(
    st.just(b""),
    st.binary(max_size=20),
    st.sampled_from(
        [b"_format=json", b"_format=xml", b"_count=1", b"_id=ann", b"_sort=x", b"=&=&&"]
    ),
)
values = st.one_of(
    st.sampled_from(
        [
            b"application/fhir+json",
            b"application/x-www-form-urlencoded",
            b'W/"1"',
            b"*",
            b"return=minimal",
        ]
    ),
    st.binary(max_size=30).filter(lambda value: b"\n" not in value and b"\r" not in value),
)
names = st.sampled_from(
    [b"accept", b"content-type", b"if-match", b"if-none-match", b"if-none-exist", b"prefer",
     b"content-length", b"x-request-id"]
)  # fmt: skip
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
resources = st.builds(
    lambda type_, id_, more: json.dumps({**more, "resourceType": type_, "id": id_}).encode(),
    st.sampled_from(["Patient", "Parameters", "Observation", "Nothing"]),
    st.sampled_from(["ann", "x", "", "ä"]),
    st.dictionaries(
        st.sampled_from(["meta", "name", "gender", "parameter", "subject", "contained", "status"]),
        json_values,
        max_size=3,
    ),
)
bodies = st.one_of(
    st.binary(max_size=40), resources, json_values.map(lambda v: json.dumps(v).encode())
)


async def ask(app: Envelope, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    status, content = 0, b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, content
        status = message.get("status", status)
        content += message.get("body", b"")

    await app(scope, receive, send)
    return status, content


@settings(max_examples=400, deadline=None)
@given(
    method=methods,
    path=segments,
    query=queries,
    headers=st.lists(st.tuples(names, values), max_size=4),
    body=bodies,
    who=st.sampled_from([b"admin", b"nurse", b"device"]),
)
def test_every_request_is_answered(
    method: str,
    path: list[str],
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    who: bytes,
) -> None:
    scope = {
        "type": "http",
        "method": method,
        "path": "/fhir/" + "/".join(path),
        "root_path": "",
        "query_string": query,
        "headers": [*headers, (b"authorization", b"Bearer " + who)],
    }

    status, content = asyncio.run(ask(application(filled(Server()).services()), scope, body))

    assert 200 <= status < 500, (status, content)
    if content:
        assert json.loads(content)["resourceType"]
    if status >= 400 and method != "HEAD":
        assert json.loads(content)["resourceType"] == "OperationOutcome"
