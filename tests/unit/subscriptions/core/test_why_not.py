"""Why nothing fired: a verdict for every limit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fhirserver.kernel.readings import Reading
from subscriptions.core.rule_reader import read_defaults
from subscriptions.core.rules import compile_rules
from subscriptions.core.why_not import Judged, judged
from subscriptions.evaluation.rule_book import shipped_plan

AT = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)
RULES = compile_rules((), read_defaults(shipped_plan()).rules, AT)


def _reading(
    value: str, *, ago: float = 5.0, unit: str = "mm[Hg]", bound: bool = True, age: float = 0.5
) -> Reading:
    at = AT - timedelta(seconds=ago)
    return Reading(
        patient="ann",
        device="cuff",
        code="150021",
        value=Decimal(value),
        unit=unit,
        effective=at,
        received=at + timedelta(seconds=age),
        age=age,
        observation="o1",
        mode=None,
        bound=bound,
        simulated=False,
    )


def _systolic(*readings: Reading) -> Judged:
    return next(one for one in judged(RULES, readings, (), AT) if one.watch.parameter == "systolic")


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (_reading("121"), "within-limits"),
        (_reading("900"), "not-credible"),
        (_reading("121", unit="kPa"), "not-credible"),
        (_reading("61", bound=False), "calls-nobody"),
        (_reading("61", age=400.0), "calls-nobody"),
        (_reading("61"), "unexplained"),
    ],
)
def test_each_verdict(reading: Reading, verdict: str) -> None:
    assert _systolic(reading).verdict == verdict


def test_what_was_not_measured_is_said() -> None:
    assert _systolic().verdict == "no-reading"
    assert _systolic(_reading("121", ago=-5.0)).verdict == "no-reading"


def test_every_parameter_with_a_rule_is_answered_for() -> None:
    names = [one.watch.parameter for one in judged(RULES, (), (), AT)]
    assert len(names) == len(set(names)) >= 8
