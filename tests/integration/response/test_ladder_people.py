"""Who is called: people on call, channels, quiet hours, own times, and changes in mid-incident."""

import base64
from uuid import UUID

import pytest

from fhirserver.kernel import canonical
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.response.fridge_cards import fridge_card, may_hear_card
from tests.integration.evaluation.conftest import order
from tests.integration.response.conftest import BOB, EVE, NINA, Place, person, team
from tests.integration.response.on_call import (
    OLGA,
    a_finding,
    entry,
    finds,
    measure,
    operator_reasons,
)


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


async def test_an_alarm_after_a_merge_calls_the_team_of_the_record_that_is_left(
    place: Place,
) -> None:
    await place.put({"resourceType": "Patient", "id": "anne"})
    await place.put(
        {
            "resourceType": "Patient",
            "id": "ann",
            "active": False,
            "link": [{"type": "replaced-by", "other": {"reference": "Patient/anne"}}],
        },
        team(("RelatedPerson/bob", 1), patient="anne"),
    )
    await place.alarm()
    assert {page.to for page in place.pages()} == {BOB}


async def test_a_care_team_that_moves_away_without_a_merge_leaves_the_alarm_to_the_operator(
    place: Place,
) -> None:
    await place.put({"resourceType": "Patient", "id": "zoe"})
    await place.alarm()
    await place.put(team(("RelatedPerson/bob", 1), patient="zoe"))
    assert await operator_reasons(place) == ["exhausted"]


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
