"""From the machine's alarm to telephones and back, over a real database."""

from tests.integration.response.conftest import BOB, EVE, NINA, Place


async def test_a_needle_slips_and_bob_is_called(place: Place) -> None:
    await place.alarm()
    assert [(s.medium, s.to) for s in place.pages()] == [("sms", BOB), ("voice", BOB)]
    text = place.pages(BOB, "sms")[0]
    assert text.text == (
        f"ALERT {text.code}: go to the person you care for NOW. Reply {text.code}h when there,"
        f" {text.code}y coming, {text.code}n cannot."
    )
    parent, child = await place.all("Task")
    assert parent["status"] == "in-progress"
    assert parent["owner"] == {"reference": "CareTeam/team"}
    assert parent["priority"] == "stat"
    assert child["status"] == "requested"
    assert child["owner"] == {"reference": "RelatedPerson/bob"}
    assert child["partOf"] == [{"reference": f"Task/{parent['id']}"}]
    assert child["focus"] == parent["focus"]
    sent = await place.all("Communication")
    assert [c["status"] for c in sent] == ["in-progress", "in-progress"]
    rows = await place.query(
        "SELECT a.raised, t.started, t.finished FROM attempt t"
        " JOIN alert a ON a.incident = t.incident"
    )
    assert all(raised <= started <= finished for raised, started, finished in rows)


async def test_nobody_answers(place: Place) -> None:
    await place.alarm()
    start = place.now
    await place.after(125)
    calls = [((s.at - start).seconds, s.to, s.medium) for s in place.pages()]
    assert (30, EVE, "sms") in calls
    assert (45, NINA, "sms") in calls
    assert (30, BOB, "voice") in calls
    emergency = [s for s in place.pages(medium="sms") if "emergency number" in s.text]
    assert {s.to for s in emergency} == {BOB, EVE, NINA}
    operator = [t for t in await place.all("Task") if "reasonCode" in t]
    assert [t["reasonCode"]["coding"][0]["code"] for t in operator] == ["exhausted"]
    (response,) = (await place.query("SELECT response FROM alert"))[0]
    assert response == "exhausted"
    # What the watchdog tells by its own ways.
    assert await place.query("SELECT unanswered FROM ladder") == [(True,)]
    code = place.pages(EVE, "sms")[0].code
    await place.writes(EVE, f"{code}h")
    assert await place.query("SELECT unanswered FROM ladder") == [(False,)]


async def test_at_the_patient_stops_the_ladder(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    answer = await place.writes(BOB, f"{code}h")
    assert answer.startswith("Thank you")
    await place.after(100)
    assert place.pages(EVE) == []
    assert (await place.query("SELECT response FROM alert"))[0] == ("at-patient",)
    assert (await place.query("SELECT kind FROM timer"))[0] == ("recheck",)
    child = (await place.all("Task"))[1]
    assert child["status"] == "completed"
    await place.after(21)
    again = place.pages(BOB, "sms")[-1]
    assert "still there" in again.text
    assert again.code == code


async def test_a_second_arrival_after_the_condition_ended_closes(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    await place.writes(BOB, f"{code}h")
    await place.after(5)
    await place.alarm(end=True)
    await place.after(116)
    answer = await place.writes(BOB, "h")
    assert "closed" in answer
    closed, flag = (await place.query("SELECT closed IS NOT NULL, flag FROM alert"))[0]
    assert closed
    assert (await place.get("Flag", flag))["status"] == "inactive"
    assert await place.query("SELECT 1 FROM timer") == []
    before = len(place.company.sent)
    await place.after(300)
    assert len(place.company.sent) == before
    assert "no longer open" in await place.writes(BOB, f"{code}h")


async def test_cannot_calls_the_next_person_now(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    await place.after(2)
    await place.writes(BOB, f"{code} N")
    assert [s.medium for s in place.pages(EVE)] == ["sms", "voice"]
    assert place.pages(EVE)[0].at == place.now
    assert place.pages(EVE)[0].code != code


async def test_a_message_delivered_twice_acts_once(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    first = await place.writes(BOB, f"{code}n", message="SM-same")
    pages = len(place.pages())
    assert await place.writes(BOB, f"{code}n", message="SM-same") == first
    assert len(place.pages()) == pages


async def test_a_message_delivered_again_much_later_does_not_answer_the_recheck(
    place: Place,
) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    await place.writes(BOB, f"{code}h", message="SM-late")
    await place.alarm(end=True)
    await place.after(121)
    assert "still there" in place.pages(BOB, "sms")[-1].text
    await place.writes(BOB, f"{code}h", message="SM-late")
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_another_telephone_cannot_use_the_code(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    assert "did not understand" in await place.writes(EVE, f"{code}h")
    assert await place.writes("+15559999999", f"{code}h") == ""
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_an_undelivered_message_calls_the_next_person_now(place: Place) -> None:
    await place.alarm()
    await place.after(3)
    await place.reports(place.pages(BOB, "sms")[0], "undelivered", "30003")
    assert place.pages(EVE, "sms")[0].at == place.now
    assert await place.status("RelatedPerson/bob") == "active"


async def test_receipts_are_recorded_once_and_never_go_back(place: Place) -> None:
    await place.alarm()
    message = place.pages(BOB, "sms")[0]
    await place.reports(message, "delivered")
    await place.reports(message, "sent")
    await place.reports(message, "delivered")
    assert (await place.query("SELECT response FROM alert"))[0] == ("delivered",)
    rows = await place.query("SELECT receipt FROM attempt WHERE receipt IS NOT NULL")
    assert rows == [("delivered",)]
    sent = await place.all("Communication")
    assert sorted(c["status"] for c in sent) == ["completed", "in-progress"]


async def test_a_dead_number_ends_its_subscription_and_calls_the_next_person(place: Place) -> None:
    place.company.refuse[BOB] = "21211"
    await place.alarm()
    assert await place.status("RelatedPerson/bob") == "error"
    assert place.pages(EVE, "sms")[0].at == place.now
    reasons = [
        t["reasonCode"]["coding"][0]["code"] for t in await place.all("Task") if "reasonCode" in t
    ]
    assert reasons == ["number-failed"]


async def test_stop_is_honoured_at_once_in_the_middle_of_an_alarm(place: Place) -> None:
    await place.alarm()
    await place.after(4)
    answer = await place.writes(BOB, "Stop.")
    assert "no more alerts" in answer
    assert await place.status("RelatedPerson/bob") == "off"
    assert place.pages(EVE, "sms")[0].at == place.now
    before = len(place.pages(BOB))
    await place.after(200)
    assert len(place.pages(BOB)) == before
    reasons = [
        t["reasonCode"]["coding"][0]["code"] for t in await place.all("Task") if "reasonCode" in t
    ]
    assert "contact-stopped" in reasons


async def test_a_partner_who_is_off_gets_nothing_and_is_skipped(place: Place) -> None:
    await place.writes(BOB, "STOP")
    await place.alarm()
    assert place.pages(BOB) == []
    assert place.pages(EVE, "sms")[0].at == place.now
    skipped = [c for c in await place.all("Communication") if c["status"] == "not-done"]
    assert [c["statusReason"]["text"] for c in skipped] == ["stopped"]
    await place.writes(BOB, "start")
    assert await place.status("RelatedPerson/bob") == "active"


async def test_nobody_reachable_tells_the_operator_at_once(bare: Place) -> None:
    await bare.alarm()
    tasks = await bare.all("Task")
    assert [t["reasonCode"]["coding"][0]["code"] for t in tasks if "reasonCode" in t] == [
        "exhausted"
    ]


async def test_a_nurse_closes_with_a_reason(place: Place) -> None:
    from fhirserver.kernel.principal import Principal

    await place.alarm()
    parent = (await place.all("Task"))[0]
    closing = {**parent, "status": "completed", "statusReason": {"text": "seen at the clinic"}}
    await place.client_put(closing, Principal(1, "practitioner", "Practitioner/nina"))
    closed = (await place.query("SELECT response, closed IS NOT NULL FROM alert"))[0]
    assert closed == ("closed", True)
    before = len(place.company.sent)
    await place.after(60)
    assert len(place.company.sent) == before
    child = (await place.all("Task"))[1]
    assert child["status"] == "cancelled"


async def test_an_app_answers_by_the_task(place: Place) -> None:
    from fhirserver.kernel.principal import Principal

    await place.alarm()
    child = (await place.all("Task"))[1]
    bob = Principal(1, "related-person", "RelatedPerson/bob")
    await place.client_put({**child, "status": "rejected"}, bob)
    await place.work()
    assert place.pages(EVE, "sms")[0].at == place.now


async def test_test_data_reaches_no_telephone(place: Place) -> None:
    event = place._event("198260", "ann", end=False)
    from dataclasses import replace

    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [replace(event, simulated=True)])
    await place.work()
    assert place.pages() == []
    sent = await place.all("Communication")
    assert {c["statusReason"]["text"] for c in sent} == {"test-data"}
    assert all(c["meta"]["security"][0]["code"] == "HTEST" for c in sent)


async def test_five_messages_in_five_minutes_at_most(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    for event in ("198262", "198264", "198244", "198252", "198216", "198258"):
        await place.writes(BOB, f"{code}a")
        await place.after(2)
        await place.alarm(event)
    assert len(place.pages(BOB, "sms")) <= 5
    assert len(place.pages(BOB, "voice")) >= 1


async def test_one_telephone_of_two_patients_never_crosses_codes(place: Place) -> None:
    await place.put(
        {"resourceType": "Patient", "id": "zoe"},
        {"resourceType": "Device", "id": "m-zoe"},
        {
            **person_of_zoe(),
        },
    )
    from tests.integration.response.conftest import team

    await place.put(team(("RelatedPerson/bob2", 1), patient="zoe", id_="team-zoe"))
    await place.verify(BOB)
    await place.alarm()
    await place.alarm(patient="zoe")
    first, second = place.pages(BOB, "sms")
    assert first.code != second.code
    assert "More than one alert" in await place.writes(BOB, "h")
    await place.writes(BOB, f"{second.code}h")
    rows = dict(await place.query("SELECT patient, response FROM alert"))
    assert rows == {"ann": "notifying", "zoe": "at-patient"}
    assert "Thank you" in await place.writes(BOB, f"{first.code}h")


def person_of_zoe() -> dict:
    return {
        "resourceType": "RelatedPerson",
        "id": "bob2",
        "patient": {"reference": "Patient/zoe"},
        "telecom": [{"system": "phone", "value": BOB}],
    }
