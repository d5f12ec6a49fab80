"""Requests that are answered later: carried out with the rights their owner has then."""

from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House, store
from tests.integration.rest.conftest import JSON, care_team, patient

LATER = {"prefer": "respond-async", "content-type": JSON}


async def test_a_search_is_answered_later(house: House) -> None:
    accepted = await house.nurse.get("Patient?_id=ann", headers=LATER)
    assert accepted.status_code == 202, accepted.text
    place = accepted.headers["content-location"]
    assert (await house.nurse.get(place)).status_code == 202
    assert (await house.partner.get(place)).status_code == 404

    assert await house.work() == 1

    answer = await house.nurse.get(place)
    assert (answer.status_code, answer.json()["type"]) == (200, "batch-response")
    (entry,) = answer.json()["entry"]
    assert entry["response"]["status"].startswith("200")
    assert entry["resource"]["entry"][0]["resource"]["id"] == "ann"


async def test_who_lost_access_meanwhile_gets_nothing(house: House) -> None:
    accepted = await house.nurse.get("Patient/ann", headers=LATER)
    await store(house.admin, care_team("ann", "RelatedPerson/bob"))

    await house.work()

    answer = await house.nurse.get(accepted.headers["content-location"])
    assert answer.json()["entry"][0]["response"]["status"].startswith("404")
    assert "Ann" not in answer.text


async def test_a_write_is_done_once(house: House) -> None:
    accepted = await house.admin.post("Patient", json=patient("x"), headers=LATER)

    await house.work()
    await house.work()

    answer = await house.admin.get(accepted.headers["content-location"])
    assert answer.json()["entry"][0]["response"]["status"].startswith("201")
    found = await house.admin.get("Patient?family=x&_total=accurate")
    assert found.json()["total"] == 1


async def test_a_request_that_is_taken_back_is_not_carried_out(house: House) -> None:
    accepted = await house.admin.put("Patient/kim", json=patient("kim"), headers=LATER)
    assert (await house.admin.delete(accepted.headers["content-location"])).status_code == 202

    assert await house.work() == 0
    assert (await house.admin.get("Patient/kim")).status_code == 404


async def test_a_transaction_is_carried_out_later(house: House) -> None:
    def bundle(kind: str, *family: str) -> Json:
        entries = [
            {
                "request": {"method": "POST", "url": "Patient"},
                "resource": {"resourceType": "Patient", "name": [{"family": one}]},
            }
            for one in family
        ]
        return {"resourceType": "Bundle", "type": kind, "entry": entries}

    async def later(body: Json) -> Json:
        accepted = await house.admin.post("", json=body, headers=LATER)
        assert accepted.status_code == 202, accepted.text
        assert (await house.admin.get("Patient?family=later&_total=accurate")).json()["total"] == 0
        await house.work()
        answer = await house.admin.get(accepted.headers["content-location"])
        (entry,) = answer.json()["entry"]
        found: Json = entry
        return found

    refused = await later({**bundle("transaction", "Later"), "entry": [
        *bundle("transaction", "Later")["entry"],
        {"request": {"method": "PUT", "url": "Patient/ann", "ifMatch": 'W/"9"'},
         "resource": patient("ann")},
    ]})  # fmt: skip
    assert refused["response"]["status"].startswith("412")
    assert refused["response"]["outcome"]["resourceType"] == "OperationOutcome"
    done = await later(bundle("transaction", "Later", "Later"))
    assert done["response"]["status"].startswith("200")
    statuses = [one["response"]["status"][:3] for one in done["resource"]["entry"]]
    assert (done["resource"]["type"], statuses) == ("transaction-response", ["201", "201"])
    found = await house.admin.get("Patient?family=later&_total=accurate")
    assert found.json()["total"] == 2


async def test_a_batch_and_an_operation_are_carried_out_later(house: House) -> None:
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": "Patient/ann"}},
            {"request": {"method": "GET", "url": "Patient/joe"}},
        ],
    }
    answers = [
        await house.nurse.post("", json=batch, headers=LATER),
        await house.nurse.get("Patient/ann/$everything", headers=LATER),
        await house.nurse.get("Patient/joe/$everything", headers=LATER),
    ]
    await house.work()
    found = [await house.nurse.get(one.headers["content-location"]) for one in answers]
    (first,), (second,), (third,) = (one.json()["entry"] for one in found)
    inside = [one["response"]["status"][:3] for one in first["resource"]["entry"]]
    assert inside == ["200", "404"]
    assert second["resource"]["type"] == "searchset"
    assert third["response"]["status"].startswith("404")
