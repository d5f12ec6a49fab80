"""Changes over time: the slipped needle above all, and what must not be taken for one."""

from dataclasses import replace
from decimal import Decimal

import pytest

from subscriptions.core.event_codes import NEEDLE_SUSPECTED, VENOUS_ACCESS
from subscriptions.core.rule import Change
from subscriptions.core.rules import compile_rules
from subscriptions.core.window import Window
from tests.unit.subscriptions.rules.circuit import (
    Shape,
    fall,
    rules_of,
    second,
    seconds,
    still,
    told,
    watched,
)
from tests.unit.subscriptions.rules.world import DEFAULTS, START, VENOUS, at, reading, rule

SUSPECTED = ("breached", NEEDLE_SUSPECTED.code, "PH")


@pytest.mark.parametrize(("by", "within"), [(60, 5), (20, 15), (15, 25)])
def test_a_fall_with_the_blood_flow_steady_is_a_suspected_dislodgement(
    by: int, within: int
) -> None:
    found = watched(seconds(0, 700, fall(by, 600)))
    assert told(found) == [SUSPECTED]
    first = found[0]
    assert first.family == "blood-loss"
    assert 600 < (first.at - START).total_seconds() <= 600 + within + 5
    assert first.rule_version is not None
    assert first.rule_version.endswith("default-rules|1.2.0")


@pytest.mark.parametrize("slip", [1, 5, 10])
def test_a_needle_may_take_ten_seconds_to_slip(slip: int) -> None:
    assert told(watched(seconds(0, 660, fall(15, 600, slip)))) == [SUSPECTED]


def test_a_suspicion_of_ours_never_has_the_machines_own_code() -> None:
    assert all(one.code != VENOUS_ACCESS for one in watched(seconds(0, 700, fall(40, 600))))


def test_a_pump_turned_down_is_no_fall() -> None:
    flow = fall(50, 600, 10, level=400)
    venous = fall(16, 600, 10)
    assert watched(seconds(0, 1000, venous, flow)) == []


def test_a_pump_turned_up_is_no_fall_while_it_is_being_turned() -> None:
    flow = fall(-50, 600, 10, level=310)
    venous = lambda t: 178 + 0.35 * (flow(t) - 310) + (8 if t < 480 else 0)  # noqa: E731
    assert watched(seconds(0, 900, venous, flow)) == []


def test_a_fall_beside_a_flow_that_was_turned_is_still_seen() -> None:
    flow = fall(50, 500, 10, level=400)
    slip = fall(17, 500, 10)
    arterial = fall(-15, 500, 10, level=-120)
    venous = lambda t: slip(t) - (18 if t > 540 else 0)  # noqa: E731
    found = watched(seconds(0, 700, venous, flow, arterial))
    assert told(found) == [SUSPECTED]


@pytest.mark.parametrize("stops", range(600, 605))
def test_a_pump_that_stops_before_a_line_that_is_nearly_closed_is_no_fall(stops: int) -> None:
    def running(value: float, standing: float) -> Shape:
        return lambda t: value if t < stops else standing

    flow, arterial = running(285, 0), running(-80, 0)
    assert watched(seconds(0, 660, running(340, 68), flow, arterial)) == []


@pytest.mark.parametrize("turned", range(600, 605))
def test_a_needle_that_slips_while_the_pump_is_turned_is_seen_when_it_has_settled(
    turned: int,
) -> None:
    flow, arterial = fall(50, turned, 1, level=400), fall(-15, turned, 1, level=-120)
    assert told(watched(seconds(0, 640, fall(38, turned, 1), flow, arterial))) == [SUSPECTED]


def test_a_moved_back_rest_lowers_both_pressures_and_is_no_fall() -> None:
    arterial = fall(12, 600, 8, level=-120)
    assert watched(seconds(0, 1000, fall(12, 600, 8), still(400), arterial)) == []


def test_an_arm_put_back_is_no_fall() -> None:
    assert watched(seconds(0, 1200, lambda t: 198 if 700 <= t < 775 else 170)) == []


def test_a_passing_dip_is_no_fall() -> None:
    assert watched(seconds(0, 900, lambda t: 150 if 700 <= t < 703 else 170)) == []


def test_slow_drift_is_no_fall() -> None:
    assert watched(seconds(0, 1800, lambda t: 190 - 29 * t / 1200)) == []


def test_drift_upwards_does_not_hide_a_fall() -> None:
    slip = fall(15, 900, level=0)
    found = watched(seconds(0, 960, lambda t: 140 + 2.5 * t / 60 + slip(t)))
    assert told(found) == [SUSPECTED]


def test_nothing_is_a_baseline_before_three_minutes_of_steady_flow() -> None:
    assert watched(seconds(0, 175, fall(30, 120))) == []
    stopped = lambda t: 0 if 600 <= t < 620 else 400  # noqa: E731
    venous = lambda t: 30 if 600 <= t < 620 else 150 if t > 640 else 170  # noqa: E731
    assert told(watched(seconds(0, 700, venous, stopped))) == []


def test_a_machine_that_does_not_tell_its_flow_is_watched_all_the_same() -> None:
    level = fall(20, 600)
    found = watched(second(t, level(t), None) for t in range(700))
    assert told(found) == [SUSPECTED]


def test_preparation_and_rinse_back_silence_it_and_an_unknown_mode_does_not() -> None:
    level = fall(30, 600)
    assert watched(second(t, level(t), mode="POSTTX") for t in range(700)) == []
    assert told(watched(second(t, level(t), mode=None) for t in range(700))) == [SUSPECTED]


def test_what_somebody_typed_in_makes_and_hides_no_fall() -> None:
    level = fall(30, 600)
    assert watched(second(t, level(t), bound=False) for t in range(700)) == []


def test_a_late_sample_may_raise() -> None:
    level = fall(30, 600)
    live = [second(t, level(t)) for t in range(700) if not 598 <= t < 625]
    missing = [second(t, level(t), late=90.0) for t in range(598, 625)]
    early = [one for one in live if one[0].effective < at(630)]
    assert told(watched([*early, *missing])) == [SUSPECTED]


def test_a_late_sample_never_ends() -> None:
    window = Window()
    assert told(watched(seconds(0, 650, fall(30, 600)), window)) == [SUSPECTED]
    late = [second(t, 170, late=20.0) for t in range(640, 645) for _ in range(30)]
    assert told(watched(late, window)) == []


def test_it_is_over_when_the_pressure_is_back_and_the_next_fall_is_another() -> None:
    level = lambda t: 140 if 600 <= t < 640 or t >= 1100 else 170  # noqa: E731
    found = watched(seconds(0, 1160, level))
    assert told(found) == [SUSPECTED, ("ended", NEEDLE_SUSPECTED.code, "PH"), SUSPECTED]


def test_a_second_fall_from_where_the_first_ended_is_another() -> None:
    level = lambda t: 170 - (25 if t >= 600 else 0) - (25 if t >= 1200 else 0)  # noqa: E731
    found = watched(seconds(0, 1300, level))
    assert told(found) == [SUSPECTED, ("ended", NEEDLE_SUSPECTED.code, "PH"), SUSPECTED]


def test_the_verdict_does_not_depend_on_how_readings_are_grouped() -> None:
    messages = seconds(0, 700, fall(18, 600))
    grouped = [
        [one for message in messages[start : start + 7] for one in message]
        for start in range(0, 700, 7)
    ]
    single = [[one] for message in messages for one in message]
    assert told(watched(grouped)) == told(watched(messages)) == told(watched(single))


def test_the_memory_is_finite_so_who_begins_later_comes_to_the_same_verdict() -> None:
    late_start = told(watched(seconds(200, 700, fall(14, 600))))
    assert late_start == told(watched(seconds(0, 700, fall(14, 600)))) == [SUSPECTED]


def test_no_own_order_takes_the_default_suspicion_away() -> None:
    own = replace(
        rule("venous-pressure", (VENOUS,), low=10),
        change=Change(Decimal(-40), 15.0, 300.0),
    )
    assert told(watched(seconds(0, 700, fall(20, 600)), rules=rules_of(own))) == [SUSPECTED]
    signed = rules_of(replace(own, signed=True))
    assert told(watched(seconds(0, 700, fall(20, 600)), rules=signed)) == []


def test_a_rule_that_is_gone_ends_what_it_raised_and_forgets() -> None:
    window = Window()
    assert told(watched(seconds(0, 650, fall(30, 600)), window)) == [SUSPECTED]
    without = compile_rules((), [one for one in DEFAULTS if one.change is None], START)
    found = watched([second(651, 140)], window, without)
    assert [one.what for one in found] == ["ended"]
    assert not window.traces


def test_a_change_within_a_window_and_a_rate_can_be_watched() -> None:
    weight = replace(
        rule("weight", ("188736",), priority="PM"),
        unit="kg",
        change=Change(Decimal(2), 3 * 86_400.0),
    )
    scale = [
        [reading("188736", kilograms, day * 86_400, unit="kg", mode=None)]
        for day, kilograms in enumerate(("80", "80.4", "81", "82.1"))
    ]
    assert told(watched(scale, rules=rules_of(weight))) == [("breached", "196648", "PM")]
    climb = replace(
        rule("venous-pressure", (VENOUS,), priority="PM"),
        change=Change(Decimal("1.5"), 600.0, per_minute=True),
    )
    rising = seconds(0, 900, lambda t: 150 + 2 * t / 60)
    found = watched(rising, rules=rules_of(climb))
    assert told(found)[:1] == [("breached", "196648", "PM")]
    slowly = seconds(0, 900, lambda t: 150 + t / 60)
    assert watched(slowly, rules=rules_of(climb)) == []
