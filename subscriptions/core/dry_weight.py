"""Limits for a kilogram of dry weight: 13 mL/h/kg are 975 mL/h at 75 kg, and nothing without a weight. Pure.

The weight is that of a Goal a treatment plan (CarePlan) names. Missing is not zero: who has no dry
weight has no such limit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from subscriptions.core.rule import DryWeight, Rule


def weighed(rules: Iterable[Rule], weight: DryWeight | None) -> Iterator[Rule]:
    """Yield `rules` with limits for a kilogram made into limits.

    Where there is no weight, a rule that says nothing else is left out.
    """
    for rule in rules:
        if rule.high_per_weight is None:
            yield rule
        elif weight is not None:
            high = rule.high_per_weight * weight.kilograms
            tightest = high if rule.high is None else min(rule.high, high)
            yield replace(rule, high=tightest, weighed=weight)
        elif not _only_per_weight(rule):
            yield rule


def lightest(plans: Iterable[Mapping[str, Any]]) -> DryWeight | None:
    """Return the least of the weights that `plans` aim at (goal version -> kilograms), None for none."""
    weights = [
        DryWeight(Decimal(kilograms), version)
        for plan in plans
        for version, kilograms in plan.items()
    ]
    return min(weights, key=lambda one: (one.kilograms, one.version), default=None)


def _only_per_weight(rule: Rule) -> bool:
    said = (rule.low, rule.high, rule.floor_low, rule.floor_high, rule.change, rule.interval)
    return all(one is None for one in said)
