"""No request of any shape gets a 5xx: every answer is a resource or an OperationOutcome."""

import asyncio
import gzip
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.rest import application
from fhirserver.wire import fhir_json, fhir_xml
from tests.unit.rest.asgi_call import Answered, call
from tests.unit.rest.conftest import Server, filled

words = st.sampled_from(
    ["Patient", "ann", "_history", "1", "_search", "metadata", "$issue-token", "$enroll", "Device",
     "Observation", "openapi.json", "$validate", "$everything", "$meta", "*", "Binary", ""]
)  # fmt: skip
segments = st.lists(st.one_of(words, st.text(max_size=5)), max_size=6)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
queries = st.one_of(
    st.just(b""),
    st.binary(max_size=20),
    st.lists(
        st.sampled_from(
            [b"_format=json", b"_format=xml", b"_pretty=true", b"_count=1", b"_id=ann", b"_sort=x",
             b"=&=&&", b"_summary=true", b"_summary=count", b"_elements=gender", b"_total=accurate",
             b"gender=male,", b"name:exact=%2C", b"_has:Observation:patient:code=x", b"%", b"%00",
             b"_lastUpdated=gt2026", b"_include=*", b"_type=Patient", b"_since=2026", b"mode=full"]
        ),
        max_size=4,
    ).map(b"&".join),
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [
            b"application/fhir+json",
            b"application/fhir+xml",
            b"application/json-patch+json",
            b"application/merge-patch+json",
            b"gzip",
            b"handling=lenient",
            b"respond-async",
            b"identifier=x|y",
            b"image/png",
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
     b"content-length", b"x-request-id", b"accept-encoding", b"content-encoding", b"origin",
     b"if-modified-since", b"access-control-request-method"]
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
xml_parts = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"<Patient>",
                b'<Patient xmlns="http://hl7.org/fhir">',
                b"</Patient>",
                b"<id/>",
                b'<id value="ann"/>',
                b"<name>",
                b"</name>",
                b"<!DOCTYPE x>",
                b"&amp;",
                b"&x;",
                b"<![CDATA[x]]>",
                b"<text><status/>",
                b"</text>",
                b"<contained>",
                b"</contained>",
            ]
        ),
        st.binary(max_size=5),
    ),
    max_size=8,
).map(b"".join)
bodies = st.one_of(
    st.binary(max_size=40),
    resources,
    xml_parts,
    resources.map(gzip.compress),
    json_values.map(lambda v: json.dumps(v).encode()),
)


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
    answered = asyncio.run(
        call(
            application(filled(Server()).services()),
            method,
            "/".join(path),
            query=query,
            headers=[*headers, (b"authorization", b"Bearer " + who)],
            body=body,
        )
    )

    assert 200 <= answered.status < 500, answered
    if answered.body:
        resource = read(answered)
        if answered.status >= 400 and method != "HEAD":
            assert resource["resourceType"] == "OperationOutcome"


def read(answered: Answered) -> dict[str, Any]:
    """The resource in an answer, whichever form it has."""
    body = answered.body
    if answered.headers.get(b"content-encoding") == b"gzip":
        body = gzip.decompress(body)
    if b"xml" in answered.headers[b"content-type"]:
        return fhir_xml.read(body)
    return fhir_json.read(body)
