"""Who is on duty is called: rotations, handovers, overrides, machines of nobody."""

from dataclasses import replace
from datetime import UTC, datetime

from subscriptions.response.rosters import roster_of
from tests.integration.response.conftest import BOB, NINA, Place, team
from tests.integration.response.on_call import OLGA, on_call, operator_reasons, rotation, with_olga


async def test_whoever_is_on_duty_is_called_and_handed_over_in_mid_incident(place: Place) -> None:
    await with_olga(place)
    await place.put(
        on_call(extension=[rotation("Practitioner/nina", "Practitioner/olga", handover="21:00:02")])
    )
    # 9:00 is Nina's hour until 9:00:02, then Olga's.
    await place.put(
        team(("RelatedPerson/bob", 1), ("CareTeam/duty", 2)),
    )
    await place.verify(OLGA)
    async with place.record.transaction(place.tenant) as tx:
        now = await roster_of(tx, "ann")
    assert [contact.member for contact in now] == ["RelatedPerson/bob", "Practitioner/nina"]
    assert now.until == datetime(2026, 8, 1, 9, 0, 2, tzinfo=UTC)
    await place.alarm()
    await place.after(50)
    assert place.pages(NINA) == []
    assert (place.pages(OLGA, "sms")[0].at - place.now).total_seconds() == -5


async def test_a_handover_while_the_nurse_is_being_called_calls_the_next_nurse(
    place: Place,
) -> None:
    await with_olga(place)
    schedule = rotation("Practitioner/nina", "Practitioner/olga", handover="21:01:00")
    await place.put(on_call(extension=[schedule]))
    await place.put(team(("RelatedPerson/bob", 1), ("CareTeam/duty", 2)))
    await place.verify(OLGA)
    await place.alarm()
    await place.after(70)
    assert [s.at.second for s in place.pages(NINA, "sms")] == [45]
    (handed_over,) = place.pages(OLGA, "sms")
    assert handed_over.at == datetime(2026, 8, 1, 9, 1, tzinfo=UTC)
    tasks = [t for t in await place.all("Task") if "owner" in t]
    ended = {t["owner"]["reference"]: t["status"] for t in tasks}
    assert ended["Practitioner/nina"] == "cancelled"
    assert ended["Practitioner/olga"] == "requested"


async def test_an_override_put_in_mid_incident_counts_at_once(place: Place) -> None:
    await with_olga(place)
    schedule = rotation("Practitioner/nina")
    await place.put(on_call("Practitioner/olga", extension=[schedule]))
    await place.put(team(("RelatedPerson/bob", 1), ("CareTeam/duty", 2)))
    await place.verify(OLGA)
    await place.alarm()
    await place.after(50)
    assert place.pages(NINA, "sms") != []
    override = {
        "url": "override",
        "extension": [
            {"url": "period", "valuePeriod": {"start": "2026-08-01", "end": "2026-08-01"}},
            {"url": "member", "valueReference": {"reference": "Practitioner/olga"}},
        ],
    }
    schedule["extension"].append(override)
    await place.put(on_call("Practitioner/olga", extension=[schedule]))
    assert place.pages(OLGA, "sms")[0].at == place.now
    before = len(place.pages(NINA))
    await place.after(60)
    assert len(place.pages(NINA)) == before


async def test_an_alarm_of_a_machine_of_nobody_calls_its_organization(place: Place) -> None:
    await with_olga(place)
    owner = {"reference": "Organization/clinic"}
    await place.put(
        {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
        {"resourceType": "Device", "id": "stray", "owner": owner},
        on_call("Practitioner/olga", managingOrganization=[owner]),
    )
    await place.verify(OLGA)
    event = replace(place._event("198260", "ann", end=False), patient=None, device="stray")
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [event])
    await place.work()
    assert {s.medium for s in place.pages(OLGA)} == {"sms", "voice"}
    assert place.pages(BOB) == []
    assert await operator_reasons(place) == ["unbound-device"]
    code = place.pages(OLGA, "sms")[0].code
    assert (await place.writes(OLGA, f"{code}h")).startswith("Thank you")
    assert (await place.query("SELECT patient, response FROM alert"))[0] == (None, "at-patient")
    await place.after(121)
    assert "still there" in place.pages(OLGA, "sms")[-1].text
    tasks = [t for t in await place.all("Task") if "owner" in t]
    assert all("for" not in t for t in tasks)


async def test_a_machine_of_nobody_that_no_one_is_on_call_for_is_the_operators(
    place: Place,
) -> None:
    await place.put({"resourceType": "Device", "id": "stray"})
    event = replace(place._event("198260", "ann", end=False), patient=None, device="stray")
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [event])
    await place.work()
    assert place.pages() == []
    assert sorted(await operator_reasons(place)) == ["exhausted", "unbound-device"]


async def test_a_team_on_call_may_list_another_and_the_patients_number_ends_nothing(
    place: Place,
) -> None:
    own = [{"system": "phone", "value": NINA}]
    inner = {**on_call("Practitioner/nina"), "id": "inner"}
    await place.put(
        {"resourceType": "Patient", "id": "ann", "telecom": own},
        inner,
        on_call("CareTeam/inner"),
        team(("CareTeam/duty", 1)),
    )
    await place.alarm()
    code = place.pages(NINA, "sms")[0].code
    assert "Somebody else must confirm" in await place.writes(NINA, f"{code}h")
    await place.put({**inner, "status": "inactive"})
    assert "exhausted" in await operator_reasons(place)
