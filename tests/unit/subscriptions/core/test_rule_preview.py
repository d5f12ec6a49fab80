"""What a rule would have done in treatments that are over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fhirserver.kernel.measured import Measured
from subscriptions.core.rule import DryWeight, Rule
from subscriptions.core.rule_preview import fired, looked_at, of_today, proposed
from subscriptions.core.rule_reader import read_defaults
from subscriptions.evaluation.rule_book import shipped_plan

AT = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
END = AT + timedelta(hours=4)
SYSTOLIC, VENOUS, FLOW = "150021", "158776", "158740"
DEFAULTS = read_defaults(shipped_plan()).rules
LIMIT = replace(
    next(rule for rule in DEFAULTS if rule.parameter == "systolic" and rule.low is not None),
    id="hers",
    low=Decimal(100),
    floor_low=None,
    high=None,
    floor_high=None,
    interval=None,
    source="ServiceRequest/own",
)


def measured(*values: tuple[float, str], code: str = SYSTOLIC) -> list[Measured]:
    """Values by the minute they were measured in."""
    return [Measured(AT + timedelta(minutes=at), code, Decimal(value)) for at, value in values]


def begun(own: list[Rule], values: list[Measured]) -> list[tuple[int, str]]:
    """The minute and priority of each alert about the systolic pressure."""
    told = fired((own, DEFAULTS), [LIMIT], values, END)
    return [(round((one.at - AT) / timedelta(minutes=1)), one.priority) for one in told]


def test_a_limit_fires_where_the_rules_of_today_do_not() -> None:
    values = measured((0, "124"), (30, "96"), (31, "120"), (60, "121"))
    assert begun([LIMIT], values) == [(30, "PM")]
    assert begun([], values) == []


def test_each_crossing_counts_once() -> None:
    values = measured((0, "124"), (30, "96"), (31, "95"), (50, "122"), (80, "94"), (81, "125"))
    assert [at for at, _ in begun([LIMIT], values)] == [30, 80]


def test_what_is_said_of_an_alert() -> None:
    (one,) = fired(([LIMIT], DEFAULTS), [LIMIT], measured((30, "96"), (31, "120")), END)
    assert one.detail["value"] == "96"
    assert one.detail["limit"] == "100"
    assert one.detail["unit"] == "mm[Hg]"


def test_alerts_about_other_parameters_do_not_count() -> None:
    assert fired(([], DEFAULTS), [LIMIT], measured((30, "10"), code=VENOUS), END) == []


def test_values_nobody_can_have_are_no_crossing() -> None:
    assert begun([LIMIT], measured((0, "124"), (30, "900"), (40, "121"))) == []


def test_what_is_due_until_the_end_is_told() -> None:
    """No pressure for longer than the interval asks for, while the pump runs on."""
    often = replace(LIMIT, low=None, interval=900.0, id="often")
    assert looked_at([often]).keys() == {SYSTOLIC, FLOW}
    flows = measured(*((at, "300") for at in range(240)), code=FLOW)
    values = sorted((*flows, *measured((0, "124"), (200, "123"))))
    late = fired(([often], ()), [often], values, END)
    assert [(one.at - AT) // timedelta(minutes=1) for one in late] == [22, 222]


def test_a_period_that_has_not_begun_is_as_if_it_had() -> None:
    tomorrow = replace(LIMIT, starts=END + timedelta(days=1))
    assert of_today([tomorrow], END, None) == []
    (rule,) = proposed([tomorrow], None, signed=False)
    assert begun([rule], measured((30, "96"), (31, "120"))) == [(30, "PM")]


def test_a_limit_by_weight_needs_a_weight() -> None:
    light = replace(LIMIT, low=None, high_per_weight=Decimal(2))
    assert proposed([light], None, signed=True) == []
    (rule,) = proposed([light], DryWeight(Decimal(75), "Goal/w/_history/1"), signed=True)
    assert (rule.high, rule.signed) == (Decimal(150), True)


def test_codes_of_machines_with_what_is_beside_them() -> None:
    assert looked_at([LIMIT]) == {SYSTOLIC: "150020"}
    found = looked_at([rule for rule in DEFAULTS if rule.parameter == "venous-pressure"])
    assert found.keys() >= {VENOUS, FLOW}
    assert set(found.values()) == {None}
