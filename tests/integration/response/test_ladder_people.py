"""Who is called: people on call, channels, quiet hours, own times, and changes in mid-incident."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fhirserver.kernel import canonical
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import Reading
from fhirserver.kernel.resource import Json
from subscriptions.core.findings import Finding
from subscriptions.evaluation import alerts
from subscriptions.response.fridge_cards import fridge_card, may_hear_card
from subscriptions.response.rosters import roster_of
from tests.integration.evaluation.conftest import order
from tests.integration.response.conftest import BOB, EVE, NINA, Place, person, team

OLGA = "+15550000005"
BOB_AS_CLIENT = Principal(1, "related-person", "RelatedPerson/bob")


def on_call(*members: str, extension: list[Json] | None = None, **more: Any) -> Json:
    category = {"coding": [{"system": canonical.CARE_TEAM_CATEGORIES, "code": "on-call"}]}
    found: Json = {
        "resourceType": "CareTeam",
        "id": "duty",
        "status": "active",
        "category": [category],
        **more,
    }
    if members:
        found["participant"] = [{"member": {"reference": member}} for member in members]
    if extension is not None:
        found["extension"] = extension
    return found


def rotation(*members: str, handover: str = "19:00:00", start: str = "2026-07-31") -> Json:
    half_a_day = {"value": 12, "system": canonical.UCUM, "code": "h"}
    return {
        "url": canonical.ON_CALL_SCHEDULE,
        "extension": [
            {
                "url": "rotation",
                "extension": [
                    {"url": "start", "valueDate": start},
                    {"url": "handover", "valueTime": handover},
                    {"url": "zone", "valueCode": "UTC"},
                    {"url": "length", "valueDuration": half_a_day},
                    *({"url": "member", "valueReference": {"reference": m}} for m in members),
                ],
            }
        ],
    }


def entry(member: str, tier: int, *extensions: Json) -> Json:
    own = {"url": canonical.ESCALATION_TIER, "valuePositiveInt": tier}
    return {"member": {"reference": member}, "extension": [own, *extensions]}


def a_finding(place: Place, code: str, **more: Any) -> Finding:
    """Something of medium priority about Ann that needs nobody at her side."""
    plain = Finding(
        what="breached", key=f"test:{code}", patient="ann", device="m-ann",
        system=canonical.ALERT_CODES, code=code, display="a test", kind="technical",
        family="other", priority="PM", at=place.now, age=0.0, bound=True, live=True,
        damped=True, rule=None, rule_version=None, evidence=None, simulated=False,
    )  # fmt: skip
    return replace(plain, **more)


async def finds(place: Place, *findings: Finding) -> None:
    async with place.record.transaction(place.tenant) as tx:
        await alerts.apply(tx, place.response, findings)
    await place.work()


async def measure(place: Place, systolic: str) -> None:
    """Ann's cuff takes a blood pressure."""
    taken = Reading(
        patient="ann", device="cuff", code="150021", value=Decimal(systolic), unit="mm[Hg]",
        effective=place.now, received=place.now, age=0.0, observation="o", mode="TX", bound=True,
        simulated=False,
    )  # fmt: skip
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.readings(tx, [taken])
    await place.work()


async def operator_reasons(place: Place) -> list[str]:
    tasks = await place.all("Task")
    return [t["reasonCode"]["coding"][0]["code"] for t in tasks if "reasonCode" in t]


async def with_olga(place: Place) -> None:
    await place.put(person("Practitioner", "olga", OLGA))


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


async def test_channels_order_and_quiet_hours_of_people(place: Place) -> None:
    voice_only = {"url": canonical.CONTACT_CHANNEL, "valueCode": "voice"}
    second = {"url": canonical.ESCALATION_ORDER, "valuePositiveInt": 2}
    quiet = {
        "url": canonical.QUIET_HOURS,
        "extension": [
            {"url": "start", "valueTime": "08:00:00"},
            {"url": "end", "valueTime": "09:02:00"},
            {"url": "zone", "valueCode": "UTC"},
        ],
    }
    members = [
        entry("RelatedPerson/bob", 1, voice_only),
        entry("RelatedPerson/eve", 1, second, quiet),
        entry("Practitioner/nina", 2),
    ]
    await place.put({**team(), "participant": members})
    await finds(place, a_finding(place, "device-silent"))
    await place.after(130)
    calls = [(s.at.minute * 60 + s.at.second, s.to, s.medium) for s in place.pages()]
    assert calls == [(0, BOB, "voice"), (120, EVE, "sms")]


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


async def test_a_number_changed_behind_a_role_is_proven_anew(place: Place) -> None:
    practitioner = {"reference": "Practitioner/olga"}
    await place.put(
        person("Practitioner", "olga", OLGA),
        {"resourceType": "PractitionerRole", "id": "duty-nurse", "practitioner": practitioner},
        team(("RelatedPerson/bob", 1), ("PractitionerRole/duty-nurse", 2)),
    )
    await place.verify(OLGA)
    assert await place.status("PractitionerRole/duty-nurse") == "active"
    await place.put(person("Practitioner", "olga", "+15550000009"))
    assert await place.status("PractitionerRole/duty-nurse") == "requested"
    await place.alarm()
    await place.after(50)
    assert place.pages(OLGA) == []


async def test_monitoring_lost_calls_everyone_and_the_operator_at_once(place: Place) -> None:
    await finds(place, a_finding(place, "monitoring-not-armed"))
    assert {s.to for s in place.pages()} == {BOB, EVE, NINA}
    assert await operator_reasons(place) == ["monitoring-lost"]


async def test_the_times_of_a_ladder_are_the_patients_own(place: Place) -> None:
    def seconds(url: str, value: int) -> Json:
        duration = {"value": value, "system": canonical.UCUM, "code": "s"}
        return {"url": url, "valueDuration": duration}

    timing: Json = {
        "url": canonical.LADDER_TIMING,
        "extension": [{"url": "priority", "valueCode": "PH"}, seconds("rung-2", 10)],
    }
    members = (("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2), ("Practitioner/nina", 2))
    await place.put({**team(*members), "extension": [timing]})
    await place.alarm()
    await place.after(11)
    assert [s.at.second for s in place.pages(EVE, "sms")] == [10]
    timing["extension"][1] = seconds("rung-2", 46)
    nurse = Principal(1, "practitioner", "Practitioner/nina")
    with pytest.raises(Unprocessable):
        await place.client_put({**team(*members), "extension": [timing]}, nurse)


async def test_a_member_removed_while_owning_a_task_passes_it_on_at_once(place: Place) -> None:
    await place.alarm()
    await place.after(5)
    await place.put(team(("RelatedPerson/eve", 2), ("Practitioner/nina", 2)))
    (bobs,) = [
        t
        for t in await place.all("Task")
        if t.get("owner", {}).get("reference") == "RelatedPerson/bob"
    ]
    assert bobs["status"] == "cancelled"
    assert place.pages(EVE, "sms")[0].at == place.now
    code = place.pages(BOB, "sms")[0].code
    assert "no longer open" in await place.writes(BOB, f"{code}h")
    before = len(place.pages(BOB))
    await place.after(60)
    assert len(place.pages(BOB)) == before
    members = (("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2), ("Practitioner/nina", 2))
    await place.put(team(*members))
    assert place.pages(BOB, "sms")[-1].at == place.now
    answer = place.pages(BOB, "sms")[-1].code
    assert (await place.writes(BOB, f"{answer}h")).startswith("Thank you")


@pytest.mark.parametrize("order_of_writes", ["together", "team-first", "patient-first"])
async def test_a_patient_merged_into_another_during_an_alarm_keeps_being_helped(
    place: Place, order_of_writes: str
) -> None:
    await place.put({"resourceType": "Patient", "id": "anne"})
    await place.alarm()
    await place.after(5)
    merged = {
        "resourceType": "Patient",
        "id": "ann",
        "active": False,
        "link": [{"type": "replaced-by", "other": {"reference": "Patient/anne"}}],
    }
    members = (("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2), ("Practitioner/nina", 2))
    moved = team(*members, patient="anne")
    if order_of_writes == "together":
        await place.put(merged, moved)
    elif order_of_writes == "patient-first":
        await place.put(merged)
        await place.put(moved)
    else:
        # For a moment nobody is left: the operator hears of it, and so does everybody afterwards.
        await place.put(moved)
        assert await operator_reasons(place) == ["exhausted"]
        await place.put(merged)
        assert {s.to for s in place.pages()} == {BOB, EVE, NINA}
    await place.after(45)
    assert place.pages(EVE, "sms")[0].at.second == (5 if order_of_writes == "team-first" else 30)
    assert place.pages(NINA, "sms") != []
    code = place.pages(EVE, "sms")[0].code
    assert (await place.writes(EVE, f"{code}h")).startswith("Thank you")
    assert (await place.query("SELECT response FROM alert"))[0] == ("at-patient",)


async def test_a_care_team_that_moves_away_without_a_merge_leaves_the_alarm_to_the_operator(
    place: Place,
) -> None:
    await place.put({"resourceType": "Patient", "id": "zoe"})
    await place.alarm()
    await place.put(team(("RelatedPerson/bob", 1), patient="zoe"))
    assert await operator_reasons(place) == ["exhausted"]


async def test_what_was_answered_may_be_paused_and_rings_again(place: Place) -> None:
    await finds(place, a_finding(place, "device-silent"))
    (page,) = [t for t in await place.all("Task") if "partOf" in t]
    until = {"period": {"end": "2026-08-01T09:03:00Z"}}
    with pytest.raises(Unprocessable):
        await place.client_put({**page, "status": "on-hold", "restriction": until}, BOB_AS_CLIENT)
    await place.client_put({**page, "status": "received"}, BOB_AS_CLIENT)
    page = await place.get("Task", page["id"])
    too_long = {"period": {"end": "2026-08-01T09:06:00Z"}}
    with pytest.raises(Unprocessable):
        await place.client_put(
            {**page, "status": "on-hold", "restriction": too_long}, BOB_AS_CLIENT
        )
    await place.client_put({**page, "status": "on-hold", "restriction": until}, BOB_AS_CLIENT)
    assert (await place.query("SELECT signal FROM alert"))[0] == ("paused",)
    await place.after(179)
    assert len(place.pages()) == 1
    await place.after(2)
    assert place.pages(BOB, "sms")[-1].at.minute == 3
    assert (await place.query("SELECT signal, response FROM alert"))[0] == ("on", "notifying")


async def test_a_value_that_gets_worse_ends_a_pause(place: Place) -> None:
    await finds(place, a_finding(place, "device-silent"))
    (page,) = [t for t in await place.all("Task") if "partOf" in t]
    await place.client_put({**page, "status": "received"}, BOB_AS_CLIENT)
    page = await place.get("Task", page["id"])
    await place.client_put({**page, "status": "on-hold"}, BOB_AS_CLIENT)
    await place.after(10)
    await finds(place, a_finding(place, "device-silent", what="still-breached"))
    assert len(place.pages()) == 1
    await finds(place, a_finding(place, "device-silent", what="still-breached", worse=True))
    assert place.pages(BOB, "sms")[-1].at == place.now


async def test_a_haemorrhage_is_not_paused_by_anybody(place: Place) -> None:
    await place.alarm()
    (page,) = [t for t in await place.all("Task") if "partOf" in t]
    await place.client_put({**page, "status": "accepted"}, BOB_AS_CLIENT)
    page = await place.get("Task", page["id"])
    with pytest.raises(Unprocessable):
        await place.client_put({**page, "status": "on-hold"}, BOB_AS_CLIENT)


async def test_a_low_priority_stays_in_the_list(place: Place) -> None:
    await finds(place, a_finding(place, "rule-ignored", priority="PL", kind="advisory"))
    assert await place.query("SELECT priority, flag FROM alert") == [("PL", None)]
    assert await place.all("Flag") == []
    assert await place.all("Task") == []
    assert place.pages() == []


async def test_a_rule_revoked_in_mid_incident_leaves_its_alarm_to_people(place: Place) -> None:
    limits = order(110)
    limits["extension"][0]["extension"][2]["valueRange"]["low"]["system"] = canonical.UCUM
    await place.put(limits)
    await measure(place, "105")
    assert place.pages(BOB, "sms") != []
    await place.after(20)
    await measure(place, "105")
    assert (await place.query("SELECT priority FROM alert"))[0] == ("PH",)
    await place.put({**limits, "status": "revoked"})
    await place.after(5)
    await measure(place, "105")
    assert (await place.query("SELECT condition, closed FROM alert"))[0] == ("absent", None)
    await place.after(50)
    assert {s.to for s in place.pages()} == {BOB, EVE, NINA}


async def test_the_cause_found_later_is_what_the_incident_is_about(place: Place) -> None:
    await place.alarm("198242")
    (stopped,) = await place.query("SELECT flag FROM alert")
    parent = next(t for t in await place.all("Task") if "partOf" not in t)
    assert parent["focus"] == {"reference": f"Flag/{stopped[0]}"}
    await place.after(3)
    await place.alarm("198260")
    (cause,) = await place.query("SELECT flag FROM alert WHERE code = '198260'")
    parent = await place.get("Task", parent["id"])
    assert parent["focus"] == {"reference": f"Flag/{cause[0]}"}
    assert len(place.pages(BOB, "sms")) == 1


async def test_the_fridge_card_is_for_those_asked_to_call_an_ambulance(place: Place) -> None:
    def attached(title: str, text: str) -> Json:
        data = base64.b64encode(text.encode()).decode()
        return {"attachment": {"contentType": "text/plain", "title": title, "data": data}}

    address = [{"use": "home", "line": ["Elm Road 4"], "city": "Springfield"}]
    coding = [{"system": canonical.DOCUMENT_TYPES, "code": "fridge-card"}]
    await place.put(
        {"resourceType": "Patient", "id": "ann", "address": address},
        {
            "resourceType": "DocumentReference",
            "id": "card",
            "status": "current",
            "type": {"coding": coding},
            "subject": {"reference": "Patient/ann"},
            "content": [attached("access", "Key under the mat"), attached("notes", "Deaf")],
        },
    )
    await place.alarm()
    incident = UUID(str((await place.query("SELECT incident FROM ladder"))[0][0]))

    async def may(member: str) -> bool:
        async with place.record.transaction(place.tenant) as tx:
            return await may_hear_card(tx, "ann", incident, member)

    assert not await may("RelatedPerson/bob")
    await place.after(91)
    assert await may("RelatedPerson/bob")
    assert not await may("RelatedPerson/somebody")
    async with place.record.transaction(place.tenant) as tx:
        card = await fridge_card(tx, "ann")
        assert await fridge_card(tx, "nobody") is None
    assert card is not None
    assert card.address == "Elm Road 4, Springfield"
    assert (card.access, card.notes) == ("Key under the mat", "Deaf")
    assert all("Elm" not in s.text and "Key" not in s.text for s in place.company.sent)
