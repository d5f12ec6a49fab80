"""The ultrafiltration rate beside the dry weight; without a weight nothing is beside it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from fhirserver.kernel.canonical import MONITORING_RULE
from fhirserver.kernel.resource import Json
from subscriptions.core.dry_weight import lightest
from subscriptions.core.evaluate import evaluate
from subscriptions.core.monitoring_rules import monitoring_rules
from subscriptions.core.rule import DryWeight, Level
from subscriptions.core.rule_reader import Read, read_order
from subscriptions.core.rules import compile_rules
from subscriptions.core.window import Window
from tests.unit.subscriptions.rules.world import DEFAULTS, START, UF, reading

AT_75 = DryWeight(Decimal(75), "Goal/dry/_history/2")


def levels(weight: DryWeight | None) -> tuple[Level, ...]:
    return compile_rules((), DEFAULTS, START, weight).watches[UF].high.levels


def test_thirteen_millilitres_an_hour_for_each_kilogram() -> None:
    bounds = {level.bound: level.priority for level in levels(AT_75)}
    assert bounds == {Decimal(975): "PL", Decimal(1300): "PL"}


def test_a_missing_weight_is_no_rule_and_never_zero() -> None:
    assert [level.bound for level in levels(None)] == [Decimal(1300)]
    window, rules = Window(), compile_rules((), DEFAULTS, START, None)
    assert [
        found
        for second in (0, 60, 120)
        for found in evaluate(window, rules, [reading(UF, 1200, second)])
    ] == []


def test_an_alert_says_which_weight_it_was_made_with() -> None:
    window, rules = Window(), compile_rules((), DEFAULTS, START, AT_75)
    assert evaluate(window, rules, [reading(UF, 1000, 0)]) == []
    (found,) = evaluate(window, rules, [reading(UF, 1000, 60)])
    assert (found.priority, found.detail["limit"]) == ("PL", "975")
    assert found.detail["dry weight"] == "75 kg by Goal/dry/_history/2"
    assert evaluate(window, rules, [reading(UF, 920, 70)])[0].what == "ended"


def test_whoever_asks_for_the_rules_is_told_the_weight() -> None:
    rules = monitoring_rules(compile_rules((), DEFAULTS, START, AT_75), START)
    parts = [
        {part["name"]: part for part in limit["part"]}
        for row in rules["parameter"]
        if row["name"] == "parameter"
        for limit in row["part"]
        if limit["name"] == "limit"
    ]
    (one,) = [part for part in parts if "dry-weight" in part]
    assert one["value"]["valueQuantity"]["value"] == 975
    assert one["dry-weight"]["valueQuantity"]["value"] == 75
    assert one["goal"]["valueString"] == "Goal/dry/_history/2"


def test_of_several_weights_the_least_counts() -> None:
    plans = [
        {"Goal/a/_history/1": "80"},
        {},
        {"Goal/b/_history/3": "75.5", "Goal/c/_history/1": "77"},
    ]
    assert lightest(plans) == DryWeight(Decimal("75.5"), "Goal/b/_history/3")
    assert lightest([{}]) is None


def ordered(value: object, unit: str = "mL/h/kg", **more: Json) -> Read:
    quantity = {"value": value, "unit": unit, "code": unit}
    codings = [{"system": "urn:iso:std:iso:11073:10101", "code": UF}]
    parts = [
        {"url": "id", "valueId": "own"},
        {"url": "parameter", "valueCodeableConcept": {"coding": codings}},
        {"url": "limit-per-weight", "valueQuantity": quantity},
        *({"url": url, **value} for url, value in more.items()),
    ]
    rule = {"url": MONITORING_RULE, "extension": parts}
    return read_order({"resourceType": "ServiceRequest", "id": "x", "extension": [rule]}, 1)


def test_a_clinician_may_order_another_rate() -> None:
    read = ordered(10)
    assert read.problems == ()
    high = compile_rules(read.rules, DEFAULTS, START, AT_75).watches[UF].high
    assert min(level.bound for level in high.levels) == 750
    assert (
        compile_rules(read.rules, DEFAULTS, START).watches
        == compile_rules((), DEFAULTS, START).watches
    )


def test_of_a_limit_and_a_limit_for_a_kilogram_the_tighter_counts() -> None:
    (rule,) = ordered(10, limit={"valueRange": {"high": {"value": 700, "code": "mL/h"}}}).rules
    for weight, bound in ((AT_75, 700), (replace(AT_75, kilograms=Decimal(60)), 600), (None, 700)):
        high = compile_rules([rule], DEFAULTS, START, weight).watches[UF].high
        assert min(level.bound for level in high.levels) == bound


@pytest.mark.parametrize(
    ("value", "unit"),
    [(0, "mL/h/kg"), (-1, "mL/h/kg"), (13, "mL/h"), (13, "mL/min/kg"), (None, "mL/h/kg")],
)
def test_what_is_no_rate_for_a_kilogram_is_refused(value: object, unit: str) -> None:
    assert ordered(value, unit).rules == ()
