"""Work that was handed in goes on, and its outcome is given out, as far as the rights of the moment reach."""

from typing import Any

import httpx

from fhirserver.kernel.resource import Json
from tests.integration.operations.conftest import House
from tests.integration.rest.conftest import JSON, put

LATER = {"prefer": "respond-async", "content-type": JSON}


def team(*members: str) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": "team-ann",
        "status": "active",
        "subject": {"reference": "Patient/ann"},
        "participant": [{"member": {"reference": one}} for one in members],
    }


async def only(house: House, *members: str) -> None:
    """Make `members` the only ones in every team of Ann's."""
    found = (await house.admin.get("CareTeam?subject=Patient/ann")).json()
    for one in found.get("entry", ()):
        assert (await house.admin.delete(f"CareTeam/{one['resource']['id']}")).is_success
    assert (await put(house.admin, team(*members))).is_success


def reads(*urls: str) -> Json:
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def statuses(answer: httpx.Response) -> list[str]:
    bundle: Any = answer.json()["entry"][0]["resource"]
    return [one["response"]["status"][:3] for one in bundle["entry"]]


async def test_who_has_left_the_team_before_the_work_begins_gets_nothing(house: House) -> None:
    await only(house, "Practitioner/nina")
    handed = await house.nurse.post("", json=reads("Patient/ann", "Patient/ann"), headers=LATER)
    await only(house, "Practitioner/olga")

    assert statuses(await house.outcome(handed)) == ["404", "404"]


async def test_who_leaves_the_team_meanwhile_gets_nothing_from_then_on(house: House) -> None:
    """The second of three entries is what ends it."""
    await only(house, "Practitioner/nina")
    genuine, asked = house.record.read, []

    async def read(access: Any, type_: str, id_: str) -> Any:
        found = await genuine(access, type_, id_)
        asked.append(id_)
        if len(asked) == 2:
            await house.record.write(house.tenant, lambda tx: tx.delete("CareTeam", "team-ann"))
        return found

    house.record.read = read  # type: ignore[method-assign]
    handed = await house.nurse.post(
        "", json=reads("Patient/ann", "Patient/ann", "Patient/ann"), headers=LATER
    )

    assert statuses(await house.outcome(handed)) == ["200", "200", "404"]


async def test_an_outcome_is_not_given_to_who_may_not_see_it_any_more(house: House) -> None:
    await only(house, "Practitioner/nina")
    handed = await house.nurse.get("Patient/ann", headers=LATER)
    assert (await house.outcome(handed)).status_code == 200
    place = handed.headers["content-location"]
    assert (await house.nurse.get(place)).json()["entry"][0]["resource"]["id"] == "ann"

    await only(house, "Practitioner/olga")

    refused = await house.nurse.get(place)
    assert refused.status_code == 403, refused.text
    assert "female" not in refused.text
    assert (await house.admin.get(place)).status_code == 200


async def test_a_change_that_leaves_what_is_in_it_visible_takes_nothing_away(house: House) -> None:
    await only(house, "Practitioner/nina")
    handed = await house.nurse.get("Patient?_id=ann", headers=LATER)
    await house.outcome(handed)

    await only(house, "Practitioner/nina", "Practitioner/olga")
    other = {**team("Practitioner/nina"), "id": "joes", "subject": {"reference": "Patient/joe"}}
    assert (await put(house.admin, other)).is_success

    given = await house.nurse.get(handed.headers["content-location"])
    assert given.status_code == 200, given.text
    assert given.json()["entry"][0]["resource"]["entry"][0]["resource"]["id"] == "ann"


async def test_what_cannot_be_told_apart_is_not_given_after_a_change(house: House) -> None:
    await only(house, "Practitioner/nina")
    handed = await house.nurse.get("Patient/ann?_elements=gender", headers=LATER)
    await house.outcome(handed)
    place = handed.headers["content-location"]
    assert (await house.nurse.get(place)).status_code == 200
    await only(house, "Practitioner/olga")
    assert (await house.nurse.get(place)).status_code == 403
