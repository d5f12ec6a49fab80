"""Treatments as machines tell of them: Procedures, their ends, run sheets, plans and check-ins."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from fhirserver.kernel.canonical import THERAPY_IDENTIFIER, TREATMENT_CODES
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from tests.integration.sessions.conftest import USE, Home

END_MISSING = "PM session-end-missing"


async def test_a_treatment_is_a_procedure(home: Home) -> None:
    await home.say("PRETX")
    assert await home.procedures() == []
    home.pass_time(60)
    await home.say("TX", session="0A1B20260801")
    home.pass_time(30)
    await home.say("TX", session="0A1B20260801")
    (procedure,) = await home.procedures()
    assert validate(procedure) == []
    assert procedure["meta"]["versionId"] == "1"
    assert procedure["status"] == "in-progress"
    assert procedure["code"]["coding"][0]["code"] == "302497006"
    assert procedure["identifier"] == [{"system": THERAPY_IDENTIFIER, "value": "0A1B20260801"}]
    assert procedure["performedPeriod"] == {"start": "2026-08-01T09:01:00.000Z"}
    assert procedure["usedReference"] == [{"reference": "Device/machine"}]
    assert procedure["subject"] == {"reference": "Patient/ann"}


async def test_it_is_over_when_the_machine_has_stopped_treating(home: Home) -> None:
    await home.arm()
    await home.say("TX")
    home.pass_time(3600)
    await home.say("POSTTX")
    await home.wait(119)
    assert (await home.procedures())[0]["status"] == "in-progress"
    await home.wait(1)
    (procedure,) = await home.procedures()
    assert procedure["status"] == "completed"
    assert procedure["performedPeriod"]["end"] == "2026-08-01T10:00:00.000Z"
    assert await home.alerts(still_open=False) == []


async def test_a_short_pause_ends_nothing(home: Home) -> None:
    await home.say("TX")
    home.pass_time(60)
    await home.say("IDL")
    home.pass_time(60)
    await home.say("TX")
    await home.wait(600)
    assert [one["status"] for one in await home.procedures()] == ["in-progress"]


async def test_a_treatment_that_goes_on_after_all_is_the_same_one(home: Home) -> None:
    await home.say("TX")
    home.pass_time(60)
    await home.say("IDL")
    await home.wait(130)
    assert [one["status"] for one in await home.procedures()] == ["completed"]
    await home.say("TX")
    (procedure,) = await home.procedures()
    assert procedure["status"] == "in-progress"
    assert "end" not in procedure["performedPeriod"]


async def test_what_arrives_late_takes_nothing_up_again(home: Home) -> None:
    await home.say("TX")
    home.pass_time(600)
    await home.say("POSTTX")
    home.pass_time(60)
    await home.say("TX", ago=120)
    await home.wait(61)
    assert [one["status"] for one in await home.procedures()] == ["completed"]
    await home.say("TX", ago=300)
    assert [one["status"] for one in await home.procedures()] == ["completed"]


async def test_another_therapy_is_another_treatment(home: Home) -> None:
    await home.say("TX", session="t-1")
    home.pass_time(60)
    await home.say("TX", session="t-2")
    first, second = await home.procedures()
    assert (first["status"], second["status"]) == ("completed", "in-progress")
    assert first["performedPeriod"]["end"] == second["performedPeriod"]["start"]


async def test_another_process_goes_on_where_one_died(home: Home) -> None:
    await home.arm()
    await home.say("TX")
    home.pass_time(5)
    home.parts.sessions._treatments._noted.clear()
    await home.say("TX")
    (procedure,) = await home.procedures()
    assert (procedure["status"], procedure["meta"]["versionId"]) == ("in-progress", "1")
    assert (await home.armed())["state"] == "armed"


async def test_a_machine_that_names_no_therapy_treats_too(home: Home) -> None:
    await home.say("TX", session=None)
    home.pass_time(15)
    await home.say("TX", session=None)
    (procedure,) = await home.procedures()
    assert "identifier" not in procedure


async def test_what_a_machine_measures_is_part_of_the_treatment(home: Home) -> None:
    await home.say("PRETX", values={"158776": 10})
    home.pass_time(10)
    for venous in (160, 161):
        home.pass_time(1)
        await home.say("TX", values={"158776": venous})
    home.pass_time(1)
    await home.say("TX", session="t-2", values={"158776": 162})
    home.pass_time(1)
    await home.say("POSTTX", session="t-2", values={"158776": 20})
    first, second = await home.procedures()

    async def measured(procedure: Json) -> list[int]:
        query = f"Observation?part-of=Procedure/{procedure['id']}&_sort=date"
        return [one["valueQuantity"]["value"] for one in await home.search(query)]

    assert await measured(first) == [160, 161]
    assert await measured(second) == [162]


async def test_a_cuff_treats_nobody(home: Home) -> None:
    await home.say(None, session=None, values={"150021": 120, "150022": 70})
    assert await home.procedures() == []


async def test_the_end_of_the_binding_ends_it(home: Home) -> None:
    await home.say("TX")
    home.pass_time(600)
    await home.put({**USE, "status": "completed", "timingPeriod": {"end": "2026-08-01T09:09:00Z"}})
    (procedure,) = await home.procedures()
    assert procedure["status"] == "completed"
    await home.say("TX")
    assert len(await home.procedures()) == 1


async def test_a_machine_bound_to_somebody_else_treats_somebody_else(home: Home) -> None:
    await home.put({"resourceType": "Patient", "id": "joe", "birthDate": "1950"})
    await home.say("TX")
    home.pass_time(600)
    await home.put(
        {**USE, "subject": {"reference": "Patient/joe"}, "timingPeriod": {"start": "2026-08-01"}}
    )
    home.pass_time(15)
    await home.say("TX")
    assert [(one["subject"]["reference"], one["status"]) for one in await home.procedures()] == [
        ("Patient/ann", "completed"),
        ("Patient/joe", "in-progress"),
    ]


async def test_a_nurse_ends_it_for_good(home: Home) -> None:
    await home.say("TX")
    home.pass_time(600)
    (procedure,) = await home.procedures()
    stopped = {**procedure, "status": "stopped", "note": [{"text": "clotted"}]}
    answer = await home.nurse.put(f"Procedure/{procedure['id']}", json=stopped)
    assert answer.status_code == 200, answer.text
    await home.settle()
    home.pass_time(30)
    await home.say("TX")
    (after,) = await home.procedures()
    assert (after["status"], after["note"]) == ("stopped", [{"text": "clotted"}])
    assert after["report"] == [{"reference": f"DiagnosticReport/{(await report(home))['id']}"}]


async def test_an_end_that_does_not_come_is_told(home: Home) -> None:
    await home.put(plan(hours=4))
    await home.arm()
    await home.say("TX")
    (procedure,) = await home.procedures()
    assert procedure["basedOn"] == [{"reference": "CarePlan/plan"}]
    await home.wait(5 * 3600 - 1)
    assert END_MISSING not in await home.alerts()
    await home.wait(1)
    assert END_MISSING in await home.alerts()
    await home.say("POSTTX")
    await home.wait(121)
    assert END_MISSING not in await home.alerts()


async def test_a_treatment_without_an_end_does_not_spoil_the_next(home: Home) -> None:
    await home.arm()
    await home.say("TX")
    await home.wait(24 * 3600)
    await home.arm()
    home.pass_time(1800)
    await home.say("TX", session="t-2")
    first, second = await home.procedures()
    assert (first["status"], second["status"]) == ("unknown", "in-progress")
    assert "end" not in first["performedPeriod"]
    assert (await home.armed())["state"] == "armed"
    assert await home.alerts() == []


async def test_the_run_sheet_sums_up_what_was_measured_and_what_went_wrong(home: Home) -> None:
    await home.put(plan(hours=4), dry_weight(75))
    await home.say("TX", session="t-0", values={"158776": 400})
    home.pass_time(600)
    started = home.now
    for minute, venous in enumerate((160, 170, 165.5)):
        home.now = started + timedelta(minutes=minute)
        values = {"158776": venous, "159032": 10 * minute, "158740": 300}
        await home.say("TX", values=values)
    await home.say(None, session=None, values={"150021": 124, "150022": 71})
    home.now = started + timedelta(minutes=4)
    await home.say("POSTTX", values={"158776": 20})
    await home.wait(121)
    sheet = await report(home)
    assert validate(sheet) == []
    assert sheet["status"] == "final"
    assert sheet["code"]["coding"][0] == {
        "system": TREATMENT_CODES,
        "code": "run-sheet",
        "display": "Run sheet",
    }
    assert sheet["effectivePeriod"] == {
        "start": "2026-08-01T09:10:00.000Z",
        "end": "2026-08-01T09:14:00.000Z",
    }
    lines = {one["id"]: one for one in sheet["contained"]}
    assert statistics(lines["m158776"]) == {
        "minimum": 160,
        "average": Decimal("165.2"),
        "maximum": 170,
        "count": 3,
    }
    assert statistics(lines["m150021"])["maximum"] == 124
    assert lines["ultrafiltration"]["valueQuantity"]["value"] == 4.0
    alert = lines["e1"]
    assert alert["code"]["coding"][0]["code"] == "monitoring-not-armed"
    assert alert["focus"][0]["reference"].startswith("Flag/")
    assert sheet["conclusion"] == "4 min. 20 mL removed. Alerts: 1 PM."
    procedures = await home.procedures()
    assert procedures[-1]["report"] == [{"reference": f"DiagnosticReport/{sheet['id']}"}]


async def test_check_ins_are_recorded_and_not_well_calls_somebody(home: Home) -> None:
    await home.arm()
    await home.say("TX")
    fine = await home.patient.post("Patient/ann/$check-in?code=ok")
    assert fine.status_code == 200, fine.text
    said = fine.json()
    assert validate(said) == []
    assert said["valueCodeableConcept"]["coding"][0]["code"] == "ok"
    assert said["performer"] == [{"reference": "Patient/ann"}]
    assert said["partOf"] == [{"reference": f"Procedure/{(await home.procedures())[0]['id']}"}]
    assert await home.alerts(still_open=False) == []
    await home.partner.post("Patient/ann/$check-in?code=not-well&note=dizzy")
    assert await home.alerts() == ["PM not-well"]
    (page,) = [
        one
        for one in await home.search("Task?status=requested&_sort=-authored-on")
        if one["code"]["coding"][0]["code"] == "page"
    ]
    assert page["owner"] == {"reference": "RelatedPerson/bob"}
    await home.patient.post("Patient/ann/$check-in?code=ok")
    assert await home.alerts() == []
    assert (await home.patient.post("Patient/ann/$check-in?code=great")).status_code == 400


async def test_ok_closes_nothing_that_was_measured(home: Home) -> None:
    await home.say("TX", values={"150021": 60, "150022": 40})
    before = await home.alerts()
    assert any(alert.startswith("PH") for alert in before)
    await home.patient.post("Patient/ann/$check-in?code=ok")
    assert await home.alerts() == before


async def test_everybody_has_the_questionnaire_and_may_answer_it(home: Home) -> None:
    found = await home.patient.get("Questionnaire/mood-and-symptoms")
    assert found.status_code == 200
    answer = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": found.json()["url"],
        "status": "completed",
        "subject": {"reference": "Patient/ann"},
        "author": {"reference": "Patient/ann"},
        "authored": "2026-08-01T09:00:00Z",
        "item": [
            {"linkId": "mood", "answer": [{"valueString": "Good"}]},
            {
                "linkId": "symptoms",
                "item": [{"linkId": "symptoms.cramps", "answer": [{"valueBoolean": True}]}],
            },
        ],
    }
    stored = await home.patient.post("QuestionnaireResponse", json=answer)
    assert stored.status_code == 201, stored.text
    read = await home.nurse.get("QuestionnaireResponse?patient=ann")
    assert [one["resource"]["item"][0]["linkId"] for one in read.json()["entry"]] == ["mood"]


def plan(hours: int) -> Json:
    return {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/ann"},
        "goal": [{"reference": "Goal/weight"}],
        "activity": [
            {
                "detail": {
                    "status": "scheduled",
                    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "302497006"}]},
                    "scheduledTiming": {
                        "repeat": {
                            "frequency": 4,
                            "period": 1,
                            "periodUnit": "wk",
                            "duration": hours,
                            "durationUnit": "h",
                        }
                    },
                }
            }
        ],
    }


def dry_weight(kilograms: int) -> Json:
    return {
        "resourceType": "Goal",
        "id": "weight",
        "lifecycleStatus": "active",
        "description": {"text": "Dry weight"},
        "subject": {"reference": "Patient/ann"},
        "target": [
            {
                "measure": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "detailQuantity": {
                    "value": kilograms,
                    "unit": "kg",
                    "system": "http://unitsofmeasure.org",
                    "code": "kg",
                },
            }
        ],
    }


async def report(home: Home) -> Json:
    """The newest run sheet."""
    (newest, *_) = await home.search("DiagnosticReport?_sort=-date")
    return await home.get("DiagnosticReport", newest["id"])


def statistics(line: Json) -> dict[str, Any]:
    return {
        one["code"]["coding"][0]["code"]: one.get(
            "valueInteger", one.get("valueQuantity", {}).get("value")
        )
        for one in line["component"]
    }
