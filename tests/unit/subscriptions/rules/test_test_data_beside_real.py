"""Test data of a patient's own machine: a technician's self-test must never hide the real alarm."""

from dataclasses import replace

from tests.unit.subscriptions.rules.world import SYSTOLIC, World, at, event, reading


def after_self_test(code: str) -> World:
    world = World()
    world.hear(replace(event(code, 0), simulated=True))
    return world


def test_a_real_alarm_is_not_the_one_that_was_tested_before() -> None:
    world = after_self_test("198262")
    world.hear(replace(event("198262", 5, phase="end"), simulated=True))
    assert world.hear(event("198262", 900)) == ["raised PH air in the venous line"]
    assert [alert.simulated for alert in world.open] == [True, False]


def test_a_real_alarm_joins_no_incident_of_test_data() -> None:
    world = after_self_test("198260")
    world.hear(event("198242", 10))
    assert len({alert.incident for alert in world.open}) == 2


def test_a_real_value_below_the_floor_pages_though_a_tested_one_is_open() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0)._replace(simulated=True))
    assert world.measure(reading(SYSTOLIC, 70, 30)) == ["raised PH systolic blood pressure low"]
    assert [alert.simulated for alert in world.open] == [True, False]


def test_a_tested_value_raises_nothing_real_and_the_end_of_both_is_the_real_ones() -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0))
    world.measure(reading(SYSTOLIC, 70, 30)._replace(simulated=True))
    assert [(alert.simulated, alert.raised) for alert in world.open] == [
        (False, at(0)),
        (True, at(30)),
    ]
    world.measure(reading(SYSTOLIC, 120, 60))
    assert {alert.simulated: alert.condition for alert in world.open} == {
        False: "absent",
        True: "present",
    }
