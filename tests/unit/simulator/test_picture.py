"""The story tells each thing once, in words, and knows who was told about which alert."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.codes import SERVER_ALERTS
from simulator.demo.cast import HOUSEHOLDS, NURSE, names, phones
from simulator.demo.narrator import Narrator, render
from simulator.demo.page_application import home_view, state_view
from simulator.demo.picture import (
    FLAG_PRIORITY,
    INCIDENT,
    RULE_VERSION,
    Picture,
    clock_time,
    describe,
)

NOW = datetime(2026, 8, 1, 9, 30, 10, tzinfo=UTC)
CARMEN = "Patient/demo-patient-b"
LUIS = "RelatedPerson/demo-partner-b"


def flag(version: str = "1", *, status: str = "active", priority: str = "PH") -> dict[str, Any]:
    return {
        "resourceType": "Flag",
        "id": "f1",
        "meta": {"versionId": version, "lastUpdated": "2026-08-01T09:30:05Z"},
        "status": status,
        "code": {"coding": [{"code": "198260", "display": "venous access may be disconnected"}]},
        "subject": {"reference": CARMEN},
        "period": {"start": "2026-08-01T09:30:04Z"},
        "extension": [
            {"url": FLAG_PRIORITY, "valueCodeableConcept": {"coding": [{"code": priority}]}},
            {"url": RULE_VERSION, "valueString": "PlanDefinition/default-rules|1"},
        ],
    }


def task(status: str, version: str) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "id": "t2",
        "meta": {"versionId": version, "lastUpdated": "2026-08-01T09:30:06Z"},
        "status": status,
        "partOf": [{"reference": "Task/t1"}],
        "for": {"reference": CARMEN},
        "owner": {"reference": LUIS},
        "focus": {"reference": "Flag/f1"},
    }


def communication(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "id": "c1",
        "meta": {"versionId": "1"},
        "status": "completed",
        "subject": {"reference": CARMEN},
        "recipient": [{"reference": LUIS}],
        "medium": [{"coding": [{"code": "SMSWRIT", "display": "SMS"}]}],
        "sent": "2026-08-01T09:30:05.500Z",
        "partOf": [{"reference": "Task/t2"}],
    } | more


def observation(code: str, value: Any, at: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{code}-{at}",
        "subject": {"reference": CARMEN},
        "effectiveDateTime": at,
        "code": {
            "coding": [{"system": "urn:iso:std:iso:11073:10101", "code": code, "display": "VP"}]
        },
        "valueQuantity": {"value": value, "unit": "mm[Hg]"},
    } | more


def test_an_alert_is_told_once_with_its_evidence_and_rule() -> None:
    picture = Picture()
    lines = picture.absorb_flag(flag(), "venous pressure 112 mm[Hg] at 09:30:04", NOW)
    assert len(lines) == 1
    text = render(lines[0])
    assert "B Carmen Ortega" in text
    assert "ALERT PH: venous access may be disconnected" in text
    assert "venous pressure 112 mm[Hg]" in text
    assert "rule PlanDefinition/default-rules|1" in text
    assert picture.absorb_flag(flag(), "", NOW) == []


def test_a_raised_and_a_closed_alert_are_told() -> None:
    picture = Picture()
    picture.absorb_flag(flag(priority="PM"), "", NOW)
    assert picture.absorb_flag(flag("2"), "", NOW)[0].text.startswith("RAISED TO PH")
    assert picture.absorb_flag(flag("3"), "", NOW) == []
    assert "closed" in picture.absorb_flag(flag("4", status="inactive"), "", NOW)[0].text


def test_a_flag_of_somebody_else_tells_nothing() -> None:
    picture = Picture()
    assert picture.absorb_flag(flag() | {"subject": {"reference": "Patient/x"}}, "", NOW) == []
    assert picture.alerts == {}


def test_work_and_messages_name_the_person_and_the_delay() -> None:
    picture = Picture()
    picture.absorb_flag(flag(), "", NOW)
    assert picture.absorb_task(task("requested", "1"), NOW)[0].text == "Luis Ortega is being called"
    assert picture.absorb_task(task("requested", "2"), NOW) == []
    assert picture.absorb_communication(communication(status="preparation"), NOW) == []
    handed_over = communication(status="in-progress", meta={"versionId": "2"})
    told = picture.absorb_communication(handed_over, NOW)
    assert told[0].text == "Luis Ortega told by SMS, 1.5 s after the onset"
    assert picture.absorb_communication(communication(meta={"versionId": "3"}), NOW) == []
    assert picture.absorb_task(task("accepted", "3"), NOW)[0].text == "Luis Ortega is coming"
    alert = picture.alerts["f1"]
    assert [(one.who, one.channel, one.status) for one in alert.told] == [
        ("Luis Ortega", "SMS", "arrived")
    ]


def test_a_message_that_could_not_be_sent_says_so() -> None:
    picture = Picture()
    failed = communication(status="not-done", statusReason={"text": "stopped by the person"})
    assert picture.absorb_communication(failed, NOW)[0].text == (
        "Luis Ortega NOT told by SMS (stopped by the person)"
    )


def test_phone_events_become_lines() -> None:
    picture = Picture()
    luis = HOUSEHOLDS[1].partner.phone
    event = {"number": 1, "at": NOW.isoformat(), "kind": "message", "to": luis, "body": "ALERTA"}
    line = picture.absorb_phone_event(event, NOW)[0]
    assert (line.home, line.text) == ("b", 'text to Luis Ortega: "ALERTA"')
    assert picture.absorb_phone_event({"kind": "callback-lost"}, NOW) == []


def test_the_newest_reading_of_each_measure_stands() -> None:
    picture = Picture()
    picture.absorb_observations(
        [
            observation("158776", 172, "2026-08-01T09:30:02Z"),
            observation("158776", 170, "2026-08-01T09:30:01Z"),
            observation("150020", None, "2026-08-01T09:30:00Z", valueQuantity={})
            | {
                "component": [
                    {
                        "code": {
                            "coding": [{"system": "urn:iso:std:iso:11073:10101", "code": "150021"}]
                        },
                        "valueQuantity": {"value": 131, "code": "mm[Hg]"},
                    }
                ]
            },
        ],
        NOW,
    )
    assert picture.values["b"]["158776"].text == "172"
    assert picture.values["b"]["150021"].unit == "mm[Hg]"
    assert set(picture.values["b"]) == {"158776", "150021"}


def test_an_observation_is_described_with_its_unit_and_time() -> None:
    taken = observation("158776", 112, "2026-08-01T09:30:02Z")
    at = clock_time(datetime(2026, 8, 1, 9, 30, 2, tzinfo=UTC))
    assert describe(taken) == f"venous pressure 112 mm[Hg] at {at}"
    assert describe({"resourceType": "Observation"}) == ""


def test_a_home_without_fresh_values_is_never_called_monitored() -> None:
    picture = Picture()
    home = HOUSEHOLDS[1]
    assert home_view(home, picture, NOW)["state"] == "no-data"
    picture.absorb_observations([observation("158776", 172, "2026-08-01T09:30:05Z")], NOW)
    assert home_view(home, picture, NOW)["state"] == "monitored"
    later = home_view(home, picture, NOW + timedelta(seconds=10))
    assert later["state"] == "no-data"
    assert later["since"] == "2026-08-01T09:30:05+00:00"
    picture.absorb_flag(flag(priority="PM"), "", NOW)
    assert home_view(home, picture, NOW)["state"] == "check"
    picture.absorb_flag(flag("2"), "", NOW)
    assert home_view(home, picture, NOW)["state"] == "go-now"


def test_the_page_shows_open_alerts_first() -> None:
    picture = Picture()
    picture.absorb_flag(flag(status="inactive"), "", NOW)
    picture.absorb_flag(flag() | {"id": "f2"}, "", NOW)
    view = state_view(picture, [], NOW)
    assert [alert["id"] for alert in view["alerts"]] == ["f2", "f1"]
    assert view["alerts"][0]["name"] == "Carmen Ortega"
    assert len(view["homes"]) == 4


def test_the_narrator_writes_plain_text_where_nobody_looks() -> None:
    picture = Picture()
    paper = io.StringIO()
    for line in picture.absorb_flag(flag(), "", NOW):
        Narrator(paper).tell(line)
    out = paper.getvalue()
    assert "ALERT PH" in out
    assert "\x1b" not in out


def test_the_cast_is_distinct_and_fictional() -> None:
    numbers = [person.phone for person in phones()]
    numbers += [home.patient.phone for home in HOUSEHOLDS]
    assert len(set(numbers)) == len(numbers)
    assert all(number.startswith("+120255501") for number in numbers)
    assert len(names()) == 3 * len(HOUSEHOLDS) + 1
    assert names()[NURSE.reference] == "Nina Clark"
    assert [home.scenario for home in HOUSEHOLDS] == [
        "clean",
        "needle-slip-graft",
        "slow-hypotension",
        "device-silent",
    ]
    assert all(home.starts_after_s <= 30 for home in HOUSEHOLDS)


@pytest.mark.parametrize("home", HOUSEHOLDS, ids=lambda home: home.key)
def test_what_happens_in_a_home_is_what_the_cast_says(home: Any) -> None:
    assert home.disturbance().name == home.scenario


def test_her_own_limit_alone_explains_the_slow_fall() -> None:
    home = HOUSEHOLDS[2]
    assert home.own_limit == 100
    treatment = home.treatment()
    assert treatment.blood_pressure().systolic >= 105
    treatment.circulation.refill_factor = 0.0
    treatment.course = 100.0
    course = []
    for _ in range(600):
        treatment.step()
        course.append(treatment.blood_pressure())
    assert min(pressure.systolic for pressure in course) > 90
    assert min(pressure.mean for pressure in course) > 65
    crossed = next(s for s, pressure in enumerate(course) if pressure.systolic < home.own_limit)
    assert 10 <= crossed <= 45


def test_an_alert_without_evidence_shows_the_last_readings() -> None:
    picture = Picture()
    picture.absorb_observations([observation("158776", 112, "2026-08-01T09:30:02Z")], NOW)
    machine_alarm = flag()
    machine_alarm["extension"] = machine_alarm["extension"][:1]
    text = picture.absorb_flag(machine_alarm, "", NOW)[0].text
    assert "venous pressure 112 mm[Hg]" in text
    assert "the device's own alarm" in text
    silent = flag() | {"id": "f2", "extension": machine_alarm["extension"]}
    silent["code"] = {"coding": [{"system": SERVER_ALERTS, "code": "device-silent"}]}
    assert "the server's own watch" in picture.absorb_flag(silent, "", NOW)[0].text


def test_readings_are_told_from_time_to_time_and_not_kept() -> None:
    picture = Picture()
    picture.absorb_observations([observation("158776", 172, "2026-08-01T09:30:02Z")], NOW)
    assert [line.home for line in picture.tell_readings(NOW)] == ["b"]
    assert picture.tell_readings(NOW + timedelta(seconds=19)) == []
    later = picture.tell_readings(NOW + timedelta(seconds=20))
    assert "no data from the machine since" in later[0].text
    assert "172" not in later[0].text
    assert picture.story == []


def test_alerts_of_one_incident_share_who_was_told_and_others_do_not() -> None:
    picture = Picture()
    for name, incident in (("f1", "i1"), ("f2", "i1"), ("f3", "i2")):
        one = flag() | {"id": name}
        one["extension"] = [*one["extension"], {"url": INCIDENT, "valueString": incident}]
        picture.absorb_flag(one, "", NOW)
    about = communication(about=[{"reference": "Flag/f1"}], status="in-progress")
    picture.absorb_communication(about, NOW)
    assert [len(picture.alerts[name].told) for name in ("f1", "f2", "f3")] == [1, 1, 0]
