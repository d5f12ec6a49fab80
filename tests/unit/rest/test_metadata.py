"""The documents that need no token: capabilities in three modes, and the OpenAPI description."""

import asyncio
from typing import Any

import httpx
import pytest

from fhirserver.definitions import load
from fhirserver.validation import validate
from fhirserver.wire import fhir_xml
from tests.unit.rest.conftest import token


@pytest.mark.parametrize("url", ["metadata", "metadata?mode=full", "metadata?mode=normative"])
async def test_the_capability_statement(client: httpx.AsyncClient, url: str) -> None:
    del client.headers["authorization"]

    answer = await client.get(url)

    assert answer.json()["resourceType"] == "CapabilityStatement"
    assert [one for one in validate(answer.json()) if one.severity == "error"] == []


async def test_normative_leaves_out_what_is_on_trial(client: httpx.AsyncClient) -> None:
    statement = (await client.get("metadata?mode=normative")).json()
    types = {one["type"] for one in statement["rest"][0]["resource"]}

    assert "Patient" in types
    assert "Flag" not in types


async def test_terminology_lists_code_systems(client: httpx.AsyncClient) -> None:
    statement = (await client.get("metadata?mode=terminology")).json()

    assert statement["resourceType"] == "TerminologyCapabilities"
    assert "http://hl7.org/fhir/administrative-gender" in {
        one["uri"] for one in statement["codeSystem"]
    }
    assert [one for one in validate(statement) if one.severity == "error"] == []


async def test_it_is_also_xml_and_shorter(client: httpx.AsyncClient) -> None:
    xml = await client.get("metadata?_format=xml")
    short = (await client.get("metadata?_summary=true")).json()

    assert fhir_xml.read(xml.content)["resourceType"] == "CapabilityStatement"
    assert short["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert short["fhirVersion"] == "4.0.1"


@pytest.mark.parametrize("url", ["metadata", "openapi.json"])
async def test_who_has_it_is_not_sent_it_again(client: httpx.AsyncClient, url: str) -> None:
    first = await client.get(url)

    again = await client.get(url, headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get(url, headers={"if-none-match": 'W/"x"'})).status_code == 200


@pytest.mark.parametrize(
    "url",
    ["metadata?mode=other", "metadata?mode=full&mode=full", "metadata?x=y", "openapi.json?x=y",
     "openapi.json?type=Nothing", "openapi.json?type=" + ",".join(load().resource_types[:11])],
)  # fmt: skip
async def test_other_questions_are_refused(client: httpx.AsyncClient, url: str) -> None:
    assert (await client.get(url)).status_code == 400


@pytest.mark.parametrize("url", ["metadata", "openapi.json"])
async def test_a_bad_token_is_told_even_here(client: httpx.AsyncClient, url: str) -> None:
    assert (await client.get(url, headers=token("who"))).status_code == 401
    assert (await client.get(url, headers=token("nurse"))).status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await client.request(method, url)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if "$ref" in value else set()
        return found.union(*[references(one) for one in value.values()])
    if isinstance(value, list):
        return set().union(*[references(one) for one in value])
    return set()


@pytest.mark.parametrize("query", ["", "?type=Patient,Observation"])
async def test_the_openapi_document_holds_together(client: httpx.AsyncClient, query: str) -> None:
    del client.headers["authorization"]
    document = (await client.get(f"openapi.json{query}")).json()

    assert document["openapi"].startswith("3.1")
    for reference in references(document):
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for about in methods.values():
            listed = about["parameters"]
            resolved = [
                document["components"]["parameters"][one["$ref"].rpartition("/")[2]]
                if "$ref" in one
                else one
                for one in listed
            ]
            in_path = {one["name"] for one in resolved if one["in"] == "path"}
            assert in_path == {
                name for name in ("type", "inner", "id", "vid") if f"{{{name}}}" in path
            }
            keys = [(one["in"], one["name"]) for one in resolved]
            assert len(keys) == len(set(keys)), path


async def test_tools_find_the_openapi_document_at_the_root(client: httpx.AsyncClient) -> None:
    at_root = await client.get("http://test/openapi.json")

    assert at_root.json() == (await client.get("openapi.json")).json()


async def test_documents_are_made_once_for_many_who_ask(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*[client.get("metadata?mode=normative") for _ in range(5)])

    assert len({answer.content for answer in answers}) == 1


async def test_types_that_are_named_have_their_search_parameters(client: httpx.AsyncClient) -> None:
    document = (await client.get("openapi.json?type=Observation")).json()
    names = {one.get("name") for one in document["paths"]["/Observation"]["get"]["parameters"]}

    assert {"code", "date", "value-quantity", "patient"} <= names
    assert "/Observation/{id}" in document["paths"]
