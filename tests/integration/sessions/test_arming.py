"""Whether somebody would hear an alarm: test pages, arming, lapsing, and treatment without it."""

from dataclasses import replace
from datetime import datetime

import pytest

from fhirserver.auth import decide
from fhirserver.kernel.principal import Access, Grant, Principal, Relations
from fhirserver.kernel.resource import Json
from fhirserver.rest import callers
from tests.integration.evaluation.conftest import order
from tests.integration.sessions.conftest import FIRST, Home, related, team, told

NOT_ARMED = "PM monitoring-not-armed"


async def test_an_acknowledged_test_page_arms(home: Home) -> None:
    assert (await home.armed())["state"] == "unarmed"
    asked = await home.test_page()
    assert (asked["state"], asked["reachable"]) == ("testing", 1)
    assert (await home.partner.get("Patient/ann/$armed")).json() == (
        await home.nurse.get("Patient/ann/$armed")
    ).json()
    tasks = await home.test_tasks()
    assert list(tasks) == ["RelatedPerson/bob"]
    purposes = [
        one["valueCode"] for one in tasks["RelatedPerson/bob"]["input"] if "valueCode" in one
    ]
    assert purposes == ["test", "sms"]
    assert tasks["RelatedPerson/bob"]["meta"]["security"][0]["code"] == "HTEST"
    await home.acknowledge("RelatedPerson/bob")
    armed = await home.armed()
    assert (armed["state"], armed["by"]) == ("armed", ["RelatedPerson/bob"])
    await home.say("TX")
    await home.wait(300)
    assert await home.alerts() == []
    assert (await home.armed())["treatment"] == [f"Procedure/{(await home.procedures())[0]['id']}"]


async def test_treatment_while_not_armed_is_told_at_once(home: Home) -> None:
    await home.say("TX")
    assert await home.alerts() == [NOT_ARMED]
    await home.arm()
    await home.settle()
    assert await home.alerts() == []


async def test_a_test_page_on_its_way_has_a_minute(home: Home) -> None:
    await home.test_page()
    home.pass_time(30)
    await home.say("TX")
    await home.wait(59)
    assert await home.alerts() == []
    await home.wait(1)
    assert await home.alerts() == [NOT_ARMED]


async def test_declining_arms_nothing(home: Home) -> None:
    await home.test_page()
    await home.acknowledge("RelatedPerson/bob", "rejected")
    assert (await home.armed())["state"] == "testing"


async def test_it_lapses_when_that_person_is_lost(home: Home) -> None:
    await home.arm()
    await home.say("TX")
    await home.prove("RelatedPerson/bob", "off")
    lapsed = await home.armed()
    assert (lapsed["state"], lapsed["reason"], lapsed["reachable"]) == ("lapsed", "person-lost", 0)
    assert await home.alerts() == [NOT_ARMED]


async def test_it_lapses_when_that_person_leaves_the_team(home: Home) -> None:
    await home.arm()
    await home.say("TX")
    await home.put(team(("RelatedPerson/eve", 1)))
    assert (await home.armed())["state"] == "lapsed"
    assert await home.alerts() == [NOT_ARMED]


async def test_it_lapses_when_the_persons_time_is_over(home: Home) -> None:
    shift = team(("RelatedPerson/bob", 1))
    shift["participant"][-1]["period"] = {"end": "2026-08-01T10:00:00Z"}
    await home.put(shift)
    await home.arm()
    await home.say("TX")
    await home.wait(3599)
    assert (await home.armed())["state"] == "armed"
    await home.wait(2)
    assert (await home.armed())["state"] == "lapsed"
    assert NOT_ARMED in await home.alerts()


async def test_nobody_reachable_means_not_armed(home: Home) -> None:
    await home.prove("RelatedPerson/bob", "off")
    asked = await home.test_page()
    assert (asked["state"], asked["reason"], asked["reachable"]) == (
        "unarmed",
        "nobody-reachable",
        0,
    )
    await home.say("TX")
    assert await home.alerts() == [NOT_ARMED]


async def test_as_soon_as_somebody_is_reachable_it_may_be_asked_again(home: Home) -> None:
    await home.prove("RelatedPerson/bob", "off")
    await home.test_page()
    await home.prove("RelatedPerson/bob")
    assert (await home.test_page())["state"] == "testing"


async def test_a_telephone_shared_with_the_patient_proves_nothing(home: Home) -> None:
    await home.put(related("bob", "+15550000009"))
    await home.prove("RelatedPerson/bob")
    assert (await home.test_page())["reachable"] == 0


async def test_the_next_treatment_needs_a_test_page_of_its_own(home: Home) -> None:
    await home.arm()
    home.pass_time(600)
    await home.say("TX")
    home.pass_time(3600)
    await home.say("POSTTX")
    await home.wait(121)
    assert (await home.armed())["state"] == "unarmed"
    home.pass_time(3600)
    await home.say("TX", session="t-2")
    assert await home.alerts() == [NOT_ARMED]


async def test_a_test_page_grows_old(home: Home) -> None:
    await home.arm()
    await home.wait(7200)
    old = await home.armed()
    assert (old["state"], old["reason"]) == ("unarmed", "too-old")


async def test_a_child_needs_an_order_of_its_own(home: Home) -> None:
    await home.put({**FIRST, "birthDate": "2010-01-01"})
    refused = await home.patient.post("Patient/ann/$test-page")
    assert refused.status_code == 422
    await home.put(order(85))
    await home.arm()
    assert (await home.armed())["state"] == "armed"


async def test_asking_twice_sends_one_page(home: Home) -> None:
    await home.test_page()
    (first,) = (await home.test_tasks()).values()
    await home.test_page()
    assert [task["id"] for task in (await home.test_tasks()).values()] == [first["id"]]
    home.pass_time(30)
    await home.test_page()
    (second,) = (await home.test_tasks()).values()
    assert second["id"] != first["id"]
    closed = await home.get("Task", first["id"])
    assert closed["status"] == "cancelled"
    assert (await home.get("Task", parent(closed)))["status"] == "cancelled"
    async with home.record.transaction(home.tenant) as tx:
        await tx.put({**first, "status": "received"}, id_=first["id"])
    assert (await home.armed())["state"] == "testing"


async def test_the_tasks_of_a_test_page_end_with_the_treatment(home: Home) -> None:
    await home.put(team(("RelatedPerson/bob", 1), ("RelatedPerson/eve", 1)))
    await home.arm()
    tasks = await home.test_tasks()
    home.pass_time(10)
    await home.say("TX")
    home.pass_time(60)
    await home.say("IDL")
    await home.wait(121)
    ids = [task["id"] for task in tasks.values()] + [parent(tasks["RelatedPerson/bob"])]
    closed = [(await home.get("Task", id_))["status"] for id_ in ids]
    assert closed == ["completed", "cancelled", "completed"]
    assert await home.test_tasks() == {}


def parent(task: Json) -> str:
    reference = str(task["partOf"][0]["reference"])
    return reference.removeprefix("Task/")


async def test_strangers_learn_nothing(home: Home) -> None:
    for answer in (
        await home.stranger.get("Patient/ann/$armed"),
        await home.stranger.post("Patient/ann/$test-page"),
        await home.stranger.post("Patient/ann/$check-in?code=ok"),
        await home.patient.get("Patient/nobody/$armed"),
    ):
        assert answer.status_code == 404


async def test_old_telemetry_calls_nobody(home: Home) -> None:
    await home.say("IDL", session=None)
    await home.say("TX", ago=900)
    assert await home.alerts(still_open=False) == []
    assert len(await home.procedures()) == 1
    home.pass_time(20)
    await home.say("TX")
    assert await home.alerts() == [NOT_ARMED]


@pytest.mark.parametrize("arming_required", [False])
async def test_where_arming_is_off_nobody_is_told(home: Home) -> None:
    await home.say("TX")
    await home.wait(300)
    assert await home.alerts(still_open=False) == []
    assert (await home.armed())["state"] == "unarmed"


async def test_who_sees_neither_team_nor_treatments_is_told_of_none(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.arm()
    await home.say()
    whole = told(await home.nurse.get("Patient/ann/$armed"))
    assert (whole["by"], len(whole["treatment"])) == (["RelatedPerson/bob"], 1)
    genuine = decide

    def of_an_app(
        principal: Principal, relations: Relations, now: datetime, grant: Grant
    ) -> Access:
        scopes = ("patient/Patient.r",)
        return genuine(principal, relations, now, replace(grant, scopes=scopes, patient="ann"))

    monkeypatch.setattr(callers, "decide", of_an_app)
    # Who asked before is remembered with all rights.
    little = told(await home.partner.get("Patient/ann/$armed"))
    assert little == {**whole, "by": [], "treatment": []}


async def test_nobody_arms_by_a_task_of_their_own(home: Home) -> None:
    """A Task that reads like an answered test page, made by somebody who was not asked."""
    await home.test_page()
    (asked,) = (await home.test_tasks()).values()
    ours = {name: value for name, value in asked.items() if name not in ("id", "meta", "text")}
    made = await home.nurse.post("Task", json={**ours, "code": {"text": "call the supplier"}})
    assert made.status_code == 201, made.text
    id_ = made.json()["id"]

    forged = await home.nurse.put(f"Task/{id_}", json={**ours, "id": id_, "status": "received"})

    assert forged.status_code == 422, forged.text
    assert (await home.armed())["state"] == "testing"


async def test_a_task_about_no_incident_of_ours_is_only_a_task(home: Home) -> None:
    task: Json = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "for": {"reference": "Patient/ann"},
        "groupIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:nobodys"},
    }
    made = (await home.nurse.post("Task", json=task)).json()
    done = await home.nurse.put(f"Task/{made['id']}", json={**made, "status": "completed"})
    assert done.status_code == 200, done.text
