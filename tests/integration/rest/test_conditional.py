"""Conditional interactions over a real database: found by search, race-free, and no oracle."""

import asyncio
from collections import Counter

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import JSON, Clients, observation, patient, put

FHIR = {"content-type": JSON}
MERGE = {"content-type": "application/merge-patch+json"}


def known_as(value: str, **more: object) -> Json:
    """A Patient with an identifier and no id."""
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": value}]}
    return {**resource, **more}


async def make(client: httpx.AsyncClient, value: str, **more: object) -> httpx.Response:
    headers = {**FHIR, "if-none-exist": f"identifier=urn:x|{value}"}
    return await client.post("Patient", json=known_as(value, **more), headers=headers)


async def count(client: httpx.AsyncClient, query: str) -> int:
    bundle = (await client.get(query)).json()
    return len(bundle.get("entry", ()))


async def test_a_hundred_identical_conditional_creates_make_one_resource(clients: Clients) -> None:
    answers = await asyncio.gather(*(make(clients.admin, "storm") for _ in range(100)))

    assert Counter(one.status_code for one in answers) == {201: 1, 200: 99}
    assert len({one.json()["id"] for one in answers}) == 1
    assert await count(clients.admin, "Patient?identifier=urn:x|storm") == 1


async def test_a_conditional_create_with_several_matches_stores_nothing(clients: Clients) -> None:
    for id_ in ("one", "two"):
        await put(clients.admin, {**known_as("twice"), "id": id_})

    assert (await make(clients.admin, "twice")).status_code == 412
    assert await count(clients.admin, "Patient?identifier=urn:x|twice") == 2


@pytest.mark.parametrize(
    "condition", ["", "_sort=birthdate", "nonsense=1", "identifier=a&_count=1"]
)
async def test_a_condition_that_cannot_be_one_is_refused(clients: Clients, condition: str) -> None:
    headers = {**FHIR, "if-none-exist": condition}
    answer = await clients.admin.post("Patient", json=known_as("x"), headers=headers)

    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_conditional_update_creates_then_updates(clients: Clients) -> None:
    url = "Patient?identifier=urn:x|upsert"

    first = await clients.admin.put(url, json=known_as("upsert"), headers=FHIR)
    second = await clients.admin.put(url, json=known_as("upsert", active=True), headers=FHIR)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["etag"] == 'W/"2"'
    wrong = {**known_as("upsert"), "id": "another"}
    assert (await clients.admin.put(url, json=wrong, headers=FHIR)).status_code == 400
    taken = {**known_as("unheard"), "id": "ann"}
    other = "Patient?identifier=urn:x|unheard"
    assert (await clients.admin.put(other, json=taken, headers=FHIR)).status_code == 409
    fresh = {**known_as("unheard"), "id": "fresh"}
    made = await clients.admin.put(other, json=fresh, headers=FHIR)
    assert (made.status_code, made.json()["id"]) == (201, "fresh")


async def test_parallel_conditional_updates_make_one_resource(clients: Clients) -> None:
    async def attempt(number: int) -> int:
        answer = await clients.admin.put(
            "Patient?identifier=urn:x|race",
            json=known_as("race", multipleBirthInteger=number),
            headers=FHIR,
        )
        return answer.status_code

    statuses = await asyncio.gather(*(attempt(number) for number in range(20)))

    assert Counter(statuses) == {201: 1, 200: 19}
    assert await count(clients.admin, "Patient?identifier=urn:x|race") == 1


async def test_a_conditional_update_keeps_to_the_expected_version(clients: Clients) -> None:
    url = "Patient?identifier=urn:x|versions"
    await clients.admin.put(url, json=known_as("versions"), headers=FHIR)

    stale = {**FHIR, "if-match": 'W/"7"'}
    answer = await clients.admin.put(url, json=known_as("versions", active=True), headers=stale)

    assert answer.status_code == 412


async def test_a_conditional_delete_takes_one_and_refuses_several(clients: Clients) -> None:
    for id_ in ("one", "two"):
        await put(clients.admin, observation(id_, "ann", status="preliminary"))
    await put(clients.admin, observation("alone", "ann", status="amended"))

    assert (await clients.admin.delete("Observation?status=preliminary")).status_code == 412
    assert (await clients.admin.delete("Observation?status=amended")).status_code == 204
    assert (await clients.admin.delete("Observation?status=amended")).status_code == 204
    assert (await clients.admin.delete("Observation")).status_code == 400
    assert (await clients.admin.get("Observation/alone")).status_code == 410
    assert (await clients.admin.get("Observation/one")).status_code == 200


async def test_a_conditional_patch_needs_exactly_one_match(clients: Clients) -> None:
    await make(clients.admin, "patched")
    url = "Patient?identifier=urn:x|patched"

    answer = await clients.admin.patch(url, content=b'{"active":true}', headers=MERGE)

    assert (answer.status_code, answer.json()["active"]) == (200, True)
    missing = await clients.admin.patch(
        "Patient?identifier=urn:x|nobody", content=b'{"active":true}', headers=MERGE
    )
    assert missing.status_code == 404
    several = await clients.admin.patch("Patient?_lastUpdated=gt2000", content=b"{}", headers=MERGE)
    assert several.status_code == 412


async def test_a_condition_tells_nothing_about_what_the_caller_cannot_see(clients: Clients) -> None:
    await put(clients.admin, observation("joes", "joe", status="corrected"))
    await put(clients.admin, observation("anns", "ann", status="corrected"))

    found = await clients.nurse.patch(
        "Observation?status=corrected", content=b'{"status":"final"}', headers=MERGE
    )

    # To the nurse there is one, to the administrator there were two.
    assert (found.status_code, found.json()["id"]) == (200, "anns")
    nothing = await clients.nurse.patch(
        "Observation?status=corrected", content=b'{"status":"final"}', headers=MERGE
    )
    assert nothing.status_code == 404
    assert (await clients.admin.get("Observation/joes")).json()["status"] == "corrected"
    assert (await clients.nurse.delete("Patient?_id=joe")).status_code == 403


async def test_a_conditional_create_by_a_nurse_does_not_return_anothers(clients: Clients) -> None:
    marked = {"identifier": [{"system": "urn:x", "value": "same"}]}
    await put(clients.admin, observation("hidden", "joe", **marked))
    headers = {**FHIR, "if-none-exist": "identifier=urn:x|same"}
    body = {**observation("ignored", "ann"), **marked}

    first = await clients.nurse.post("Observation", json=body, headers=headers)
    second = await clients.nurse.post("Observation", json=body, headers=headers)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


async def test_conditional_reads(clients: Clients) -> None:
    stored = await clients.admin.get("Patient/ann")

    same = await clients.admin.get("Patient/ann", headers={"if-none-match": stored.headers["etag"]})
    since = {"if-modified-since": stored.headers["last-modified"]}
    unmodified = await clients.admin.get("Patient/ann", headers=since)
    await put(clients.admin, patient("ann", active=True))
    changed = await clients.admin.get(
        "Patient/ann", headers={"if-none-match": stored.headers["etag"]}
    )

    assert (same.status_code, unmodified.status_code, changed.status_code) == (304, 304, 200)
