"""A machine's own limits as rules: the last resort for an alarm that did not come."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from fhirserver.kernel.readings import DeviceLimits, Limit, Reading
from subscriptions.core import device_limits
from subscriptions.core.device_limits import from_json, rules_of, to_json
from subscriptions.core.evaluate import evaluate
from subscriptions.core.monitoring_rules import monitoring_rules
from subscriptions.core.rule import Rule, RuleSet
from subscriptions.core.rules import compile_rules
from subscriptions.core.window import Window
from tests.unit.subscriptions.rules.world import (
    ARTERIAL,
    DEFAULTS,
    START,
    VENOUS,
    World,
    at,
    event,
    reading,
    rule,
)

FLOW = "158740"
MACHINE = "machine-ann"
OPEN = ((None, None),)


def venous(low: int | None = 112, high: int | None = 252, version: int = 3) -> Limit:
    return Limit(
        VENOUS,
        "mm[Hg]",
        None if low is None else Decimal(low),
        None if high is None else Decimal(high),
        f"{MACHINE}.{VENOUS}",
        version,
    )


def told(*limits: Limit, announced: float = 0.0) -> DeviceLimits:
    return DeviceLimits(MACHINE, "b1", at(announced), limits or (venous(),))


def limited(*limits: Limit, announced: float = 0.0, own: tuple[Rule, ...] = ()) -> World:
    """Ann at a machine that announced `limits`, without the watched changes of the default set."""
    plain = tuple(one for one in DEFAULTS if one.change is None)
    return World(own=(*own, *of(told(*limits, announced=announced))), defaults=plain)


def of(announced: DeviceLimits) -> tuple[Rule, ...]:
    """Return the rules of what was announced; the world compiles rules for its beginning."""
    return tuple(replace(one, starts=None) for one in rules_of(announced, OPEN))


def running(world: World, value: int, since: int, until: int, flow: int = 400) -> list[str]:
    """Let the machine tell venous pressure and blood flow every five seconds."""
    log: list[str] = []
    for second in range(since, until + 1, 5):
        log += world.measure(
            reading(FLOW, flow, second, unit="mL/min"), reading(VENOUS, value, second)
        )
    return log


def in_force(*own: Rule, now: datetime = START) -> RuleSet:
    return compile_rules(own, DEFAULTS, now)


def test_what_the_machine_has_not_told_in_half_a_minute_is_told_as_medium() -> None:
    world = limited()
    assert running(world, 162, 0, 60) == []
    assert running(world, 100, 65, 90) == []
    assert running(world, 100, 95, 95) == ["raised PM venous pressure low"]
    (alert,) = world.open
    assert alert.rule == "DeviceMetric/machine-ann.158776"
    assert alert.rule_version == "DeviceMetric/machine-ann.158776/_history/3"
    assert running(world, 162, 100, 100) == ["condition-ended PM venous pressure low"]


def test_an_interruption_starts_the_half_minute_anew() -> None:
    world = limited()
    assert running(world, 100, 5, 30) + running(world, 162, 35, 35) == []
    assert running(world, 100, 40, 65) == []


def test_beyond_a_default_floor_the_priority_is_that_of_the_floor() -> None:
    assert running(limited(), 5, 5, 5) == ["raised PH venous pressure low"]


def test_the_machine_tells_of_it_itself() -> None:
    world = limited()
    running(world, 162, 0, 5)
    world.hear(event("196670", 12, source=VENOUS))
    assert running(world, 100, 10, 90) == []
    assert [alert.key for alert in world.open] == [f"event:{MACHINE}:196670:{VENOUS}"]


@pytest.mark.parametrize("code", ["198242", "198260", "198262"])
def test_a_stopped_pump_or_blood_or_air_explains_a_pressure(code: str) -> None:
    world = limited()
    running(world, 162, 0, 5)
    world.hear(event(code, 12))
    assert running(world, 100, 10, 90) == []


def test_an_alarm_about_something_else_does_not() -> None:
    world = limited()
    running(world, 162, 0, 5)
    world.hear(event("196648", 12, source=ARTERIAL, priority="PM"))
    assert running(world, 100, 10, 60) == ["raised PM venous pressure low"]


@pytest.mark.parametrize("flow", [0, 300, 460])
def test_limits_end_with_the_blood_flow_they_were_announced_at(flow: int) -> None:
    world = limited()
    running(world, 162, 0, 30)
    assert running(world, 60, 35, 600, flow) == []
    assert running(world, 60, 605, 700, 400) == [], "only a new announcement brings them back"


def test_a_blood_flow_that_wavers_keeps_them() -> None:
    world = limited()
    running(world, 162, 0, 30)
    assert running(world, 100, 35, 70, 375) == ["raised PM venous pressure low"]


def test_new_limits_replace_the_old_at_once() -> None:
    world = limited()
    running(world, 162, 0, 30)
    running(world, 100, 35, 60, 300)
    world.own = of(told(venous(70, 190, 4), announced=62))
    assert running(world, 100, 65, 200, 300) == []
    assert running(world, 65, 205, 235, 300) == ["raised PM venous pressure low"]
    assert world.open[0].rule_version == "DeviceMetric/machine-ann.158776/_history/4"


def test_a_breach_of_the_old_limits_does_not_count_for_the_new() -> None:
    world = limited()
    running(world, 162, 0, 5)
    assert running(world, 100, 10, 35) == []
    world.own = of(told(venous(110), announced=36))
    assert running(world, 100, 40, 65) == []
    assert running(world, 100, 70, 70) == ["raised PM venous pressure low"]


def test_limits_of_an_earlier_boot_are_over_when_none_are_announced() -> None:
    world = limited()
    running(world, 162, 0, 30)
    running(world, 100, 35, 65)
    assert [alert.condition for alert in world.open] == ["present"]
    world.own = ()
    running(world, 100, 70, 75)
    assert [alert.condition for alert in world.open] == ["absent"]


def test_a_day_after_they_were_announced_they_are_over() -> None:
    rules = tuple(rules_of(told(), OPEN))
    assert in_force(*rules, now=at(86_399)).limited == {MACHINE: at(0)}
    assert in_force(*rules, now=at(86_400)).limited == {}
    assert in_force(*rules, now=at(86_399)).valid_until == at(86_400)


def test_they_count_while_the_machine_is_in_use() -> None:
    used = tuple(rules_of(told(), [(at(60), at(120))]))
    assert [in_force(*used, now=at(one)).limited for one in (59, 60, 119, 120)] == [
        {}, {MACHINE: at(0)}, {MACHINE: at(0)}, {},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"device": "another"},
        {"bound": False},
        {"mode": "POSTTX"},
        {"mode": "PRETX"},
        {"effective": at(-1)},
    ],
)
def test_they_speak_of_what_that_machine_measures_in_treatment_from_then_on(
    changed: dict[str, object],
) -> None:
    rules = in_force(*rules_of(told(), OPEN))
    window = Window()
    for second in range(0, 120, 5):
        one = reading(VENOUS, 100, second)
        altered = Reading(**{**one._asdict(), **changed})
        assert evaluate(window, rules, [altered]) == []


def test_an_own_order_about_that_side_comes_first() -> None:
    order = rule("venous-pressure", (VENOUS,), low=40, priority="PM")
    assert running(limited(own=(order,)), 100, 0, 90) == []
    other_side = rule("venous-pressure", (VENOUS,), high=300, priority="PM")
    (told_of,) = running(limited(own=(other_side,)), 100, 0, 90)
    assert told_of.startswith("raised PM")


@pytest.mark.parametrize("low", [5, 15, 20])
def test_what_is_looser_than_the_default_is_no_rule(low: int) -> None:
    rules = in_force(*rules_of(told(venous(low, 400)), OPEN))
    assert rules.limited == {}
    assert rules.watches[VENOUS] == in_force().watches[VENOUS]
    assert rules.problems == ()


def test_a_measure_no_rule_speaks_of_may_be_limited() -> None:
    conductivity = Limit("158788", "mS/cm", Decimal("13.4"), Decimal("14.2"), "m.158788", 1)
    rules = in_force(*rules_of(told(conductivity), OPEN))
    window = Window()
    found = [
        finding
        for second in range(0, 60, 10)
        for finding in evaluate(window, rules, [reading("158788", "14.5", second, unit="mS/cm")])
    ]
    assert {(one.what, one.priority) for one in found} == {
        ("breached", "PM"),
        ("still-breached", "PM"),
    }


def test_whoever_asks_for_the_rules_is_told_whose_limit_it_is() -> None:
    rules = in_force(*rules_of(told(), OPEN))
    told_rules = monitoring_rules(rules, START)["parameter"]
    assert {"name": "source", "valueString": "DeviceMetric/machine-ann.158776"} in told_rules
    limits = [
        {part["name"]: part for part in limit["part"]}
        for row in told_rules
        if row["name"] == "parameter"
        for limit in row["part"]
        if limit["name"] == "limit"
    ]
    (low, high) = [one for one in limits if "device" in one]
    assert low["device"]["valueReference"] == {"reference": "Device/machine-ann"}
    assert (low["value"]["valueQuantity"]["value"], low["priority"]["valueCode"]) == (112, "PM")
    assert high["value"]["valueQuantity"]["value"] == 252


def test_without_limits_nothing_is_remembered() -> None:
    window = Window()
    evaluate(window, in_force(), [reading(FLOW, 400, 0, unit="mL/min")])
    assert window.flows == {}


def test_what_is_remembered_goes_with_the_limits() -> None:
    window = Window()
    flow = reading(FLOW, 400, 5, unit="mL/min")
    evaluate(window, in_force(*rules_of(told(), OPEN)), [flow])
    assert window.flows.keys() == {MACHINE}
    evaluate(window, in_force(), [flow])
    assert window.flows == {}


def test_limits_are_kept_as_they_were_told() -> None:
    one = told(venous(low=None), venous(high=None))
    assert from_json(to_json(one)) == one
    assert device_limits.from_json(to_json(replace(one, limits=()))) == replace(one, limits=())
