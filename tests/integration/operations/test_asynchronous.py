"""Requests that are answered later: carried out with the rights their owner has then."""

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
