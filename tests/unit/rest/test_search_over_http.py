"""How a search is asked and answered over HTTP: https://hl7.org/fhir/R4/http.html#search."""

import httpx
import pytest

from tests.unit.rest.conftest import BASE, Server, issues


async def test_search_by_get_and_by_form(client: httpx.AsyncClient, server: Server) -> None:
    server.record.next_cursor = "a+b/c=="

    by_get = await client.get("Patient", params={"_count": "2", "_format": "json"})
    by_form = await client.post("Patient/_search", data={"_count": "2", "_format": "json"})

    bundle = by_get.json()
    assert by_get.status_code == by_form.status_code == 200
    assert bundle == by_form.json()
    assert bundle["type"] == "searchset"
    assert "total" not in bundle
    assert [entry["fullUrl"] for entry in bundle["entry"]] == [
        f"{BASE}/Patient/ann",
        f"{BASE}/Patient/joe",
    ]
    assert {entry["search"]["mode"] for entry in bundle["entry"]} == {"match"}
    links = {link["relation"]: link["url"] for link in bundle["link"]}
    assert links["self"] == f"{BASE}/Patient?_count=2"
    assert links["next"] == f"{BASE}/Patient?_count=2&_cursor=a%2Bb/c%3D%3D"


async def test_an_empty_search_has_no_entry(client: httpx.AsyncClient) -> None:
    bundle = (await client.get("Encounter")).json()

    assert "entry" not in bundle
    assert [link["relation"] for link in bundle["link"]] == ["self"]


async def test_an_unknown_search_parameter_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("Patient", params={"nonsense": "1"})

    assert answer.status_code == 400
    assert "nonsense" in str(issues(answer)[0]["diagnostics"])


@pytest.mark.parametrize("query", ["_id=%ff", "&".join(f"_id={n}" for n in range(2000))])
async def test_a_query_string_that_is_not_one(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"Patient?{query}")).status_code == 400


async def test_a_search_body_that_is_no_form(client: httpx.AsyncClient) -> None:
    assert (await client.post("Patient/_search", json={"_id": "ann"})).status_code == 415
