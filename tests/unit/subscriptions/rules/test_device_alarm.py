"""Machine events: families, priorities, phases, and one accident as one incident."""

from dataclasses import replace

import pytest

from fhirserver.kernel.canonical import ALERT_CODES
from subscriptions.core.device_alarm import judge_events
from subscriptions.core.event_codes import NEEDLE_SUSPECTED
from subscriptions.core.grouping import root_cause
from subscriptions.core.life_cycle import respond
from tests.unit.subscriptions.rules.world import SYSTOLIC, VENOUS, World, at, event, reading


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("198260", "blood-loss"),
        ("198262", "air"),
        ("198264", "blood-loss"),
        ("198244", "blood-loss"),
        ("198252", "air"),
        ("198242", "blood-loss"),
    ],
)
def test_floor_events_are_high_priority_whatever_the_machine_says(code: str, family: str) -> None:
    (finding,) = judge_events([event(code, 0, priority="PL")])
    assert (finding.priority, finding.family) == ("PH", family)


def test_defect_10_a_low_venous_pressure_the_machine_found_is_high_priority() -> None:
    (finding,) = judge_events([event("196670", 0, source=VENOUS, priority="PM")])
    assert (finding.priority, finding.family) == ("PH", "pressure")
    assert finding.display == "venous pressure low"


def test_information_is_no_alarm() -> None:
    assert judge_events([event("198278", 0, priority="PI", source="159032")]) == []


def test_an_unknown_priority_is_medium_and_an_unknown_event_is_heard() -> None:
    (finding,) = judge_events([event("199999", 0, priority="PU")])
    assert (finding.priority, finding.display) == ("PM", "machine event 199999")


def test_start_and_repetitions_are_one_alert_and_the_end_ends_the_condition_only() -> None:
    world = World()
    assert world.hear(event("198260", 0)) == ["raised PH venous access may be disconnected"]
    assert world.hear(event("198260", 0)) == []
    assert world.hear(event("198260", 15, phase="continue")) == []
    assert world.hear(event("198260", 30, phase="end")) == [
        "condition-ended PH venous access may be disconnected"
    ]
    assert world.open


def test_a_repetition_without_its_start_raises() -> None:
    assert World().hear(event("198260", 15, phase="continue")) == [
        "raised PH venous access may be disconnected"
    ]


def test_a_repetition_of_an_alarm_just_closed_does_not_raise_it_at_once() -> None:
    world = World()
    world.hear(event("198260", 0))
    world.replace(respond(world.alerts[0], "close", "Practitioner/n", at(10)).alert)
    assert world.hear(event("198260", 15, phase="continue")) == []
    assert world.hear(event("198260", 140, phase="continue")) != []


def test_an_active_event_is_live_however_late() -> None:
    world = World()
    world.hear(event("198260", 0, late=400))
    assert (world.alerts[0].pages, world.alerts[0].delayed) == (True, False)


def test_a_late_event_that_has_ended_is_delayed_and_pages_nobody() -> None:
    world = World()
    world.hear(event("198260", 0, late=200), event("198260", 30, phase="end", late=170))
    (alert,) = world.alerts
    assert (alert.pages, alert.delayed, alert.condition) == (False, True, "absent")


def test_machine_events_are_never_damped() -> None:
    world = World()
    world.hear(event("196802", 0, priority="PM"))
    world.hear(event("196802", 5, phase="end", priority="PM"))
    world.replace(replace(world.alerts[0], response="exhausted"))
    assert world.hear(event("196802", 10, priority="PM")) == ["rang-again PM battery low"]


def test_an_alarm_of_an_unbound_device_is_technical_and_high_priority() -> None:
    (finding,) = judge_events([event("198276", 0, patient=None, priority="PL")])
    assert (finding.patient, finding.kind, finding.priority) == (None, "technical", "PH")


def test_a_needle_slip_is_one_incident_and_the_access_is_its_cause() -> None:
    world = World()
    world.hear(event("196670", 0, source=VENOUS))
    world.hear(event("198242", 3, alarm="a-2"))
    world.hear(event("198260", 4, alarm="a-3"))
    assert len({alert.incident for alert in world.alerts}) == 1
    assert root_cause(world.alerts).code == "198260"
    suspected = replace(
        world.alerts[0], system=ALERT_CODES, code=NEEDLE_SUSPECTED.code, priority="PH"
    )
    assert root_cause([*world.alerts[:2], suspected]) == suspected
    assert root_cause([*world.alerts, suspected]).code == "198260"


def test_a_measured_breach_and_what_the_machine_concludes_are_one_incident() -> None:
    world = World()
    world.measure(*(reading(VENOUS, 15, second) for second in range(11)))
    world.hear(event("198260", 12))
    low, access = world.alerts
    assert low.incident == access.incident


def test_alarms_a_minute_apart_or_of_another_kind_are_incidents_of_their_own() -> None:
    world = World()
    world.hear(event("198242", 0))
    world.hear(event("198260", 61, alarm="a-2"))
    world.measure(reading(SYSTOLIC, 70, 62))
    assert len({alert.incident for alert in world.alerts}) == 3


def test_mains_loss_has_no_machine_code_and_gets_one_of_ours() -> None:
    (finding,) = judge_events([event("power-lost", 0, priority="PL")])
    assert (finding.system, finding.code) == (ALERT_CODES, "power-lost")
    assert (finding.priority, finding.family) == ("PM", "power")
