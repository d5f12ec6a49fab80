"""Nothing gets into a record it does not belong to, however it is named, and no part replaces the whole."""

import base64
import json
from typing import Any

import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import JSON, Clients, observation, patient, put
from tests.integration.rest.test_bundles import entry, post, statuses, urn

FHIR = {"content-type": JSON}
JOE = "Patient?_id=joe"


@pytest.mark.parametrize("shortened", ["_summary=true", "_elements=status,code"])
async def test_a_shortened_resource_does_not_replace_the_whole(
    clients: Clients, shortened: str
) -> None:
    await put(clients.admin, observation("o", "ann", note=[{"text": "by hand"}]))
    part = (await clients.admin.get(f"Observation/o?{shortened}")).json()

    answer = await put(clients.admin, part)

    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Observation.meta.tag"]
    for kind, status in (("batch", ["422"]), ("transaction", None)):
        answer = await post(clients.admin, kind, entry("PUT", "Observation/o", part))
        assert (statuses(answer) if status else answer.status_code) == (status or 422)
    searched = (await clients.admin.get(f"Observation?{shortened}")).json()["entry"][0]["resource"]
    assert (await put(clients.admin, searched)).status_code == 422
    kept = await clients.admin.get("Observation/o")
    assert kept.headers["etag"] == 'W/"1"'
    assert kept.json()["note"] == [{"text": "by hand"}]
    other: Json = {**kept.json(), "meta": {"tag": [{"system": "urn:x", "code": "SUBSETTED"}]}}
    assert (await put(clients.admin, other)).status_code == 200


def _of(subject: str) -> Json:
    return observation("x", None, subject={"reference": subject})


def _link(subject: str, *others: Json) -> tuple[Json, ...]:
    """An update that would make Ann's reading another patient's, with the `others` it links to."""
    return (entry("PUT", "Observation/anns", {**_of(subject), "id": "anns"}), *others)


def _moved(subject: str) -> Json:
    """A patch that makes a resource another patient's."""
    patch = json.dumps({"subject": {"reference": subject}}).encode()
    return {
        "resourceType": "Binary",
        "contentType": "application/merge-patch+json",
        "data": base64.b64encode(patch).decode(),
    }


async def _joes(clients: Clients) -> list[Any]:
    found = await clients.admin.get("Observation?subject=Patient/joe")
    return [one["resource"]["id"] for one in found.json().get("entry", ())]


@pytest.mark.parametrize("role", ["nurse", "patient", "partner"])
async def test_nobody_writes_into_the_record_of_a_stranger(clients: Clients, role: str) -> None:
    await put(clients.admin, observation("anns", "ann"))
    await put(clients.admin, observation("joes", "joe"))
    client, who = clients.by_role(role), urn()
    tries: tuple[tuple[Json, ...], ...] = (
        (entry("POST", "Observation", _of("Patient/joe")),),
        (entry("POST", "Observation", _of(JOE)),),
        (entry("POST", "Observation", _of("Patient?gender=male")),),
        _link("Patient/joe"),
        _link(JOE),
        _link(who, entry("PUT", "Patient/joe", patient("joe"), full_url=who)),
        _link(who, entry("PUT", "Patient?_id=joe", patient("joe"), full_url=who)),
        _link(who, entry("POST", "Patient", {"resourceType": "Patient"}, full_url=who, ifNoneExist="_id=joe")),
        (entry("POST", "Observation", _of(who), full_url=urn()),
         entry("PUT", "Patient/joe", patient("joe"), full_url=who)),
        (entry("POST", "Observation", _of("Patient/joe"), full_url="https://elsewhere.example/fhir/Observation/1"),
         entry("PUT", "Patient/joe", patient("joe"), full_url="https://elsewhere.example/fhir/Patient/joe")),
        (entry("PUT", "Observation/joes", {**_of("Patient/ann"), "id": "joes"}),),
        (entry("PATCH", "Observation/anns", _moved("Patient/joe")),),
        (entry("PATCH", "Observation?subject=Patient/ann", _moved("Patient/joe")),),
        (entry("PATCH", "Observation?subject=Patient/joe", _moved("Patient/ann")),),
        (entry("PATCH", "Observation/joes", _moved("Patient/ann")),),
        (entry("DELETE", "Observation/joes"),),
    )  # fmt: skip
    for entries in tries:
        answer = await post(client, "transaction", *entries)
        assert answer.status_code in (403, 404, 412), (entries, answer.text)
        assert await _joes(clients) == ["joes"]
    assert (await clients.admin.get("Observation/anns")).headers["etag"] == 'W/"1"'
    assert (await clients.admin.get("Observation/joes")).headers["etag"] == 'W/"1"'
    assert (await clients.admin.get("Patient/joe")).headers["etag"] == 'W/"1"'
    created = await clients.admin.get("Observation?_total=accurate")
    assert created.json()["total"] == 2


async def test_a_conditional_create_that_finds_a_stranger_is_not_told(clients: Clients) -> None:
    await put(clients.admin, patient("joe", identifier=[{"system": "urn:x", "value": "1"}]))
    created = await clients.nurse.post(
        "Observation", json=_of("Patient/ann"), headers={**FHIR, "if-none-exist": "subject=Patient/joe"}
    )  # fmt: skip
    assert created.status_code == 201


async def test_a_delete_by_condition_does_not_reach_strangers(clients: Clients) -> None:
    await put(clients.admin, observation("joes", "joe"))

    answer = await clients.nurse.delete("Observation?subject=Patient/joe")

    assert answer.status_code in (204, 403, 404)
    assert (await clients.admin.get("Observation/joes")).status_code == 200


async def test_a_reference_that_several_meet_is_refused(clients: Clients) -> None:
    name = {"name": [{"family": "Twin"}]}
    for id_ in ("one", "two"):
        await put(clients.admin, patient(id_, **name))
    twin = "Patient?family=twin"

    answer = await post(clients.admin, "transaction", entry("POST", "Observation", _of(twin)))

    assert answer.status_code == 412
    assert "Several" in answer.text
    assert (await clients.admin.get("Observation?_total=accurate")).json()["total"] == 0
    await clients.admin.delete("Patient/two")
    answer = await post(clients.admin, "transaction", entry("POST", "Observation", _of(twin)))
    assert statuses(answer) == ["201"]
    found = await clients.admin.get("Observation?subject=Patient/one&_total=accurate")
    assert found.json()["total"] == 1


async def test_the_entry_of_a_bundle_lists_its_warnings(clients: Clients) -> None:
    claimed = observation("x", "ann", meta={"profile": ["http://example.org/unheard"]})
    put_one = {**claimed, "id": "w"}
    for kind in ("batch", "transaction"):
        answer = await post(
            clients.admin,
            kind,
            entry("POST", "Observation", claimed),
            entry("PUT", "Observation/w", put_one),
            entry("POST", "Observation", observation("x", "ann")),
            prefer="return=OperationOutcome",
        )
        outcomes = [one["response"]["outcome"]["issue"] for one in answer.json()["entry"]]
        severities = [[issue["severity"] for issue in one] for one in outcomes]
        assert [len(one) for one in outcomes] == [2, 2, 1], severities
        assert "profile is not loaded" in outcomes[0][1]["diagnostics"]
        assert severities[2] == ["information"]
