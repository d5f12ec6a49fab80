"""The CapabilityStatement claims nothing that is not there, and nothing that is there goes unsaid."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirserver.definitions import load
from fhirserver.interactions.operations import OPERATIONS
from fhirserver.rest import application
from fhirserver.rest.routes import ROUTES
from fhirserver.search.query import parse
from fhirserver.wire import fhir_json
from tests.unit.rest.asgi_call import call
from tests.unit.rest.conftest import Server

FHIR = {"content-type": "application/fhir+json"}
NOWHERE = "There is nothing at this URL."
TYPES = ["Patient", "Observation", "Flag", "Device", "ValueSet", "Binary", "Bundle"]
SAMPLES = {
    "token": "a|b",
    "string": "a",
    "reference": "Patient/ann",
    "date": "ge2026-01-01",
    "number": "1",
    "quantity": "1",
    "uri": "http://example.org/a",
    "special": "1",
}

NAMED = {"_id": "ann", "near": "1|2|3|km", "_text": "word", "_content": "word"}

# By interaction: method, path and body. {type} is a resource type.
ASKED: dict[str, tuple[str, str, bytes]] = {
    "read": ("GET", "{type}/ann", b""),
    "vread": ("GET", "{type}/ann/_history/1", b""),
    "update": ("PUT", "{type}/ann", b"{}"),
    "patch": ("PATCH", "{type}/ann", b"{}"),
    "delete": ("DELETE", "{type}/ann", b""),
    "history-instance": ("GET", "{type}/ann/_history", b""),
    "history-type": ("GET", "{type}/_history", b""),
    "create": ("POST", "{type}", b"{}"),
    "search-type": ("GET", "{type}", b""),
    "transaction": ("POST", "", b"{}"),
    "batch": ("POST", "", b"{}"),
    "search-system": ("GET", "", b""),
    "history-system": ("GET", "_history", b""),
}


@pytest.fixture
async def claimed(client: httpx.AsyncClient) -> dict[str, Any]:
    statement: dict[str, Any] = (await client.get("metadata")).json()
    rest: dict[str, Any] = statement["rest"][0]
    return {"statement": statement, "system": rest} | {one["type"]: one for one in rest["resource"]}


def is_there(answer: httpx.Response) -> bool:
    return answer.status_code != 405 and NOWHERE not in answer.text


async def test_every_type_is_claimed_once(claimed: dict[str, Any]) -> None:
    types = [one["type"] for one in claimed["system"]["resource"]]

    assert sorted(types) == sorted(load().resource_types)


@pytest.mark.parametrize("type_", ["system", *TYPES])
async def test_interactions_are_there(
    client: httpx.AsyncClient, claimed: dict[str, Any], type_: str
) -> None:
    codes = [one["code"] for one in claimed[type_]["interaction"]]
    assert len(codes) >= 4
    for code in codes:
        method, path, body = ASKED[code]
        answer = await client.request(
            method, path.format(type=type_), content=body, headers=FHIR if body else {}
        )
        assert is_there(answer), code
        assert answer.status_code < 500, code


async def test_every_route_is_claimed(claimed: dict[str, Any]) -> None:
    codes = {one["code"] for one in claimed["system"]["interaction"]}
    codes |= {one["code"] for one in claimed["Patient"]["interaction"]}

    assert {one.code for one in ROUTES if not one.operation} <= codes
    operations = {one["name"] for one in claimed["system"].get("operation", ())}
    for type_ in load().resource_types:
        operations |= {one["name"] for one in claimed[type_].get("operation", ())}
    assert {one.code for one in ROUTES if one.operation} == operations


@pytest.mark.parametrize("type_", ["system", *TYPES, "Group", "CodeSystem", "ConceptMap"])
async def test_operations_are_there(
    client: httpx.AsyncClient, claimed: dict[str, Any], type_: str
) -> None:
    paths = [""] if type_ == "system" else [f"{type_}/", f"{type_}/ann/"]
    for operation in claimed[type_].get("operation", ()):
        assert operation["definition"].startswith("http")
        answers = [await client.post(f"{path}${operation['name']}") for path in paths]
        assert any(is_there(answer) for answer in answers), operation


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    answered = asyncio.run(call(application(Server().services()), "GET", "metadata"))
    rest = fhir_json.read(answered.body)["rest"][0]
    return {one["type"]: one for one in rest["resource"]}


@pytest.mark.parametrize("type_", load().resource_types)
def test_search_parameters_and_includes_are_taken(resources: dict[str, Any], type_: str) -> None:
    about = resources[type_]
    definitions = load()
    known = definitions.search_parameters(type_)
    for one in about["searchParam"]:
        code = one["name"]
        if one["type"] == "composite":
            value = "$".join(SAMPLES[part.type] for part in known[code].components)
        else:
            value = NAMED.get(code) or SAMPLES[one["type"]]
        assert parse(type_, [(code, value)], definitions).wanted
    for name in ("searchInclude", "searchRevInclude"):
        parameter = "_include" if name == "searchInclude" else "_revinclude"
        for value in about.get(name, ()):
            query = parse(type_, [(parameter, value)], definitions)
            assert query.includes, value


async def test_formats_and_patches_are_taken(
    client: httpx.AsyncClient, claimed: dict[str, Any]
) -> None:
    for format_ in claimed["statement"]["format"]:
        answer = await client.get("Patient/ann", params={"_format": format_})
        assert answer.status_code == 200
    assert claimed["statement"]["patchFormat"]
    for media_type in claimed["statement"]["patchFormat"]:
        headers = {"content-type": media_type}
        answer = await client.patch("Patient/ann", content=b"nonsense", headers=headers)
        assert answer.status_code == 400, media_type


async def test_it_says_that_nothing_is_ignored(claimed: dict[str, Any]) -> None:
    assert "handling=lenient" in claimed["system"]["documentation"]


def test_the_document_lists_every_operation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    section = page.partition("## Operations")[2].partition("## ")[0]

    codes = {one.code for one in OPERATIONS} | {
        "armed",
        "check-in",
        "events",
        "evidence",
        "get-ws-binding-token",
        "launch",
        "monitoring-rules",
        "preview-rules",
        "status",
        "test-page",
        "why",
        "why-not",
    }
    assert set(re.findall(r"`\$([a-z-]+)`", section)) == codes
