"""What history answers: https://hl7.org/fhir/R4/http.html#history."""

import httpx
import pytest

from tests.unit.rest.conftest import BASE, FHIR, PATIENT


async def test_instance_history(client: httpx.AsyncClient) -> None:
    await client.put("Patient/ann", json={**PATIENT, "id": "ann"}, headers=FHIR)
    await client.delete("Patient/ann")

    bundle = (await client.get("Patient/ann/_history")).json()

    assert bundle["type"] == "history"
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "PUT"]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert [entry["response"]["status"] for entry in bundle["entry"]] == ["204", "200", "201"]
    assert ["resource" in entry for entry in bundle["entry"]] == [False, True, True]
    assert bundle["entry"][0]["fullUrl"] == f"{BASE}/Patient/ann"
    assert bundle["entry"][0]["response"]["lastModified"].endswith("Z")


async def test_history_pages(client: httpx.AsyncClient) -> None:
    for _ in range(4):
        await client.put("Patient/ann", json={**PATIENT, "id": "ann"}, headers=FHIR)

    seen: list[str] = []
    url: str | None = "Patient/ann/_history?_count=2"
    while url is not None:
        bundle = (await client.get(url)).json()
        seen += [entry["resource"]["meta"]["versionId"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links.get("next")

    assert seen == ["5", "4", "3", "2", "1"]


@pytest.mark.parametrize(
    "query",
    ["_since=99999", "_count=0", "_count=x", "_count=-1", "_count=9999999999999", "name=x"],
)
async def test_history_refuses_what_it_cannot_do(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"Patient/ann/_history?{query}")).status_code == 400


async def test_history_of_what_is_not_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("Patient/nobody/_history")).status_code == 404
