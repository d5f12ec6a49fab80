"""What goes in and out besides plain JSON: XML, pretty printing, gzip, parts, Binary content."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from fhirserver.rest.sending import PACK_FROM
from fhirserver.wire import fhir_json, fhir_xml
from tests.unit.rest.conftest import Server

JSON = "application/fhir+json"
XML = "application/fhir+xml"


def issue(answer: httpx.Response) -> dict[str, str]:
    found: dict[str, str] = answer.json()["issue"][0]
    return found


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (XML, XML),
        ("application/json", "application/json"),
        ("application/xml", "application/xml"),
        ("text/json", "text/json"),
        ("text/xml", "text/xml"),
        ("text/*", "text/json"),
        ("application/xml+fhir", XML),
        (f"{JSON};q=0.5, {XML}", XML),
        (f"{XML};q=0.5, {JSON};q=0.9", JSON),
        (f"*/*, {XML}", XML),
        (f"{XML};q=0.1, */*;q=0", XML),
        (f"{JSON};q=0, */*", XML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
        (f"{JSON};fhirVersion=4.0", JSON),
        (f"{JSON};fhirVersion=3.0, {XML};fhirVersion=4.0.1", XML),
        (f"{JSON};charset=utf-8", JSON),
        (f"{JSON};q=nonsense", JSON),
    ],
)
async def test_accept_decides_the_form(
    client: httpx.AsyncClient, accept: str, expected: str
) -> None:
    answer = await client.get("Patient/ann", headers={"accept": accept})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == expected
    read = fhir_xml.read if "xml" in expected else fhir_json.read
    assert read(answer.content)["gender"] == "female"
    assert "accept" in answer.headers["vary"]


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/png",
        f"{JSON};q=0",
        f"{JSON};fhirVersion=3.0",
        "nonsense",
        ";;;",
        "*/*;q=0",
    ],
)
async def test_nothing_that_is_accepted_is_406(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("Patient/ann", headers={"accept": accept})

    assert answer.status_code == 406
    assert answer.headers["content-type"] == JSON
    assert issue(answer)["code"] == "not-supported"


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("json", JSON),
        ("xml", XML),
        ("text/xml", XML),
        ("application/xml", XML),
        ("application/fhir+xml", XML),
        ("application/fhir%2Bxml", XML),
        ("application/json", JSON),
        ("application/fhir%2Bjson;fhirVersion=4.0", JSON),
    ],
)
async def test_format_overrides_accept(
    client: httpx.AsyncClient, format_: str, expected: str
) -> None:
    for accept in (JSON, XML, "text/html"):
        answer = await client.get(f"Patient/ann?_format={format_}", headers={"accept": accept})
        assert answer.headers["content-type"] == expected


@pytest.mark.parametrize("format_", ["html", "ttl", "", "text/turtle", "xml;fhirVersion=3.0"])
async def test_an_unknown_format_is_406(client: httpx.AsyncClient, format_: str) -> None:
    assert (await client.get("Patient/ann", params={"_format": format_})).status_code == 406


@pytest.mark.parametrize("format_", ["json", "xml"])
async def test_pretty_is_the_same_on_more_lines(client: httpx.AsyncClient, format_: str) -> None:
    plain = await client.get(f"Patient/ann?_format={format_}")
    pretty = await client.get(f"Patient/ann?_format={format_}&_pretty=true")
    read = fhir_xml.read if format_ == "xml" else fhir_json.read

    assert read(plain.content) == read(pretty.content)
    assert plain.content.count(b"\n") == 0
    assert pretty.content.count(b"\n") > 3
    assert (await client.get("Patient/ann?_pretty=false")).content.count(b"\n") == 0
    assert (await client.get("Patient/ann?_pretty=1")).status_code == 400


async def test_refusals_come_in_the_form_that_was_asked_for(client: httpx.AsyncClient) -> None:
    answer = await client.get("Patient/nobody", headers={"accept": XML})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == XML
    assert fhir_xml.read(answer.content)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("media_type", [XML, "application/xml", "text/xml; charset=UTF-8"])
async def test_a_body_may_be_xml(
    client: httpx.AsyncClient, server: Server, media_type: str
) -> None:
    content = fhir_xml.write({"resourceType": "Patient", "birthDate": "1961-04-02"})

    answer = await client.post("Patient", content=content, headers={"content-type": media_type})

    assert answer.status_code == 201
    assert answer.json()["birthDate"] == "1961-04-02"


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "application/fhir+json; charset=latin-1",
        "application/fhir+json;fhirVersion=5.0",
    ],
)
async def test_another_body_is_415(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.post("Patient", content=b"{}", headers={"content-type": media_type})

    assert answer.status_code == 415


async def test_a_body_may_be_packed(client: httpx.AsyncClient) -> None:
    content = gzip.compress(b'{"resourceType":"Patient","gender":"other"}')
    for name in ("gzip", "x-gzip", "GZIP"):
        headers = {"content-type": JSON, "content-encoding": name}
        answer = await client.post("Patient", content=content, headers=headers)
        assert (answer.status_code, answer.json()["gender"]) == (201, "other")


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (gzip.compress(b" " * 100_000_000, mtime=0), "gzip", 413),
        (gzip.compress(b"{}", mtime=0)[:-2], "gzip", 400),
        (b"{}", "gzip", 400),
        (b"{}", "br", 415),
        (b"{}", "gzip, gzip", 415),
    ],
)
async def test_a_packed_body_that_cannot_be_used(
    client: httpx.AsyncClient, content: bytes, encoding: str, status: int
) -> None:
    headers = {"content-type": JSON, "content-encoding": encoding}

    answer = await client.post("Patient", content=content, headers=headers)

    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("wish", "packed"),
    [("gzip", True), ("*", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False)],
)
async def test_a_large_answer_is_packed_for_who_takes_it(
    client: httpx.AsyncClient, server: Server, wish: str, packed: bool
) -> None:
    large = [{"text": "x" * 50} for _ in range(PACK_FROM // 50)]
    server.record.add({"resourceType": "Patient", "id": "large", "name": large})
    headers = {"accept-encoding": wish}

    answer = await client.get("Patient/large", headers=headers)
    head = await client.head("Patient/large", headers=headers)

    assert ("content-encoding" in answer.headers) == packed
    assert answer.json()["name"] == large
    assert int(head.headers["content-length"]) < PACK_FROM or not packed
    assert head.content == b""
    small = await client.get("Patient/ann", headers=headers)
    assert "content-encoding" not in small.headers


async def test_head_tells_what_get_would(client: httpx.AsyncClient) -> None:
    for url in ("Patient/ann", "Patient/ann?_format=xml", "Patient/nobody", "metadata"):
        get, head = await client.get(url), await client.head(url)
        assert head.status_code == get.status_code
        assert head.content == b""
        assert dict(head.headers) == dict(get.headers)


@pytest.mark.parametrize("shape", ["_summary=true", "_elements=gender", "_summary=data"])
async def test_a_read_may_ask_for_parts(
    client: httpx.AsyncClient, server: Server, shape: str
) -> None:
    server.record.add(
        {
            "resourceType": "Patient",
            "id": "more",
            "text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
            "gender": "male",
            "photo": [{"url": "http://example.org/x"}],
        }
    )

    answer = (await client.get(f"Patient/more?{shape}")).json()

    assert "text" not in answer
    assert ("photo" in answer) == (shape == "_summary=data")
    assert answer["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert (await client.get(f"Patient/more?{shape}&_format=xml")).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["_summary=some", "_summary=count", "_elements=", "_elements=gendr", "_elements=Observation.x",
     "_summary=true&_elements=gender", "_summary=true&_summary=true", "name=x", "_elements=" + "a," * 300],
)  # fmt: skip
async def test_other_parts_are_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"Patient/ann?{query}")).status_code == 400


async def test_a_version_the_caller_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("Patient/ann")
    modified = first.headers["last-modified"]

    async def status(**headers: str) -> int:
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await client.get("Patient/ann", headers=wanted)).status_code

    assert await status(if_none_match=first.headers["etag"]) == 304
    assert await status(if_none_match='W/"7"') == 200
    assert await status(if_modified_since=modified) == 304
    assert await status(if_modified_since="Wed, 01 Jan 2020 00:00:00 GMT") == 200
    assert await status(if_modified_since="no date") == 200
    # If-None-Match is the better question where both are asked.
    assert await status(if_none_match='W/"7"', if_modified_since=modified) == 200


async def test_a_binary_travels_as_itself(client: httpx.AsyncClient) -> None:
    made = await client.post("Binary", content=b"\x89PNG", headers={"content-type": "image/png"})
    assert made.status_code == 201
    assert made.json()["contentType"] == "image/png"
    url = f"Binary/{made.json()['id']}"

    native = await client.get(url, headers={"accept": "image/png"})
    resource = await client.get(url)

    assert native.content == b"\x89PNG"
    assert native.headers["content-type"] == "image/png"
    assert native.headers["content-disposition"] == "attachment"
    assert "sandbox" in native.headers["content-security-policy"]
    assert resource.json()["data"] == "iVBORw=="
    refused = await client.get("Binary/nobody", headers={"accept": "image/png"})
    assert refused.status_code == 404
    assert refused.headers["content-type"] == JSON


async def test_a_body_in_pieces_is_bounded_while_it_comes(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * 1024 * 1024:
            sent += 65536
            yield b" " * 65536

    answer = await client.post("Patient", content=endless(), headers={"content-type": JSON})

    assert answer.status_code == 413
