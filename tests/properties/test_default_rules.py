"""What is compiled over default rules that were compiled before is what would have been compiled at once."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.kernel.readings import DeviceLimits, Limit
from subscriptions.core.default_rules import DefaultRules
from subscriptions.core.device_limits import Use, rules_of
from subscriptions.core.rule import DryWeight, Rule
from subscriptions.core.rules import compile_rules
from tests.unit.subscriptions.rules.world import (
    ARTERIAL,
    DEFAULTS,
    START,
    TMP,
    UF,
    VENOUS,
    rule,
)

# With one that ends, so that what is compiled does not hold for ever.
ENDS = START + timedelta(hours=3)
RULES = (*DEFAULTS, replace(rule("pulse-for-now", low=30), ends=ENDS))
COMPILED = DefaultRules(RULES, START)
FLOW, UNKNOWN, SYSTOLIC, MODE = "158740", "199999", "150021", "158594"

moments = st.integers(0, 6 * 3600).map(lambda seconds: START + timedelta(seconds=seconds))
limits = st.builds(
    lambda code, low, width: Limit(
        code,
        "mm[Hg]",
        None if low is None else Decimal(low),
        None if width is None else Decimal((low or 0) + width),
        f"m.{code}",
        2,
    ),
    st.sampled_from([VENOUS, ARTERIAL, TMP, UF, FLOW, UNKNOWN, SYSTOLIC, MODE]),
    st.none() | st.integers(-300, 300),
    st.none() | st.integers(1, 400),
)
announcements = st.builds(
    lambda device, at, told: DeviceLimits(device, "b1", at, tuple(told)),
    st.sampled_from(["m1", "m2"]),
    moments,
    st.lists(limits, min_size=1, max_size=6),
)
uses = st.lists(st.tuples(st.none() | moments, st.none() | moments), min_size=1, max_size=2)


@given(st.lists(st.tuples(announcements, uses), max_size=2), moments)
def test_machines_limits(
    told: list[tuple[DeviceLimits, list[Use]]],
    now: datetime,
) -> None:
    own = [one for limits, used in told for one in rules_of(limits, used)]
    if COMPILED.hold(now):
        assert COMPILED.under(own, now) == compile_rules(own, RULES, now)
    anew = DefaultRules(RULES, now)
    assert anew.alone == compile_rules((), RULES, now)
    assert anew.under(own, now) == compile_rules(own, RULES, now)


def test_what_machines_say_nothing_of_is_the_same_for_everybody() -> None:
    limit = Limit(VENOUS, "mm[Hg]", Decimal(110), Decimal(250), "m.1", 2)
    found = COMPILED.under(list(rules_of(DeviceLimits("m1", "b1", START, (limit,)), [(None, None)])), START)  # fmt: skip
    assert found.limited == {"m1": START}
    changed = {code for code, one in found.watches.items() if one is not COMPILED.alone.watches.get(code)}  # fmt: skip
    assert changed == {VENOUS}


def test_what_people_ordered_and_weights_are_compiled_with_the_defaults() -> None:
    own: tuple[Rule, ...] = (rule("hers", low=100),)
    assert COMPILED.under(own, START) == compile_rules(own, RULES, START)
    weight = DryWeight(Decimal(75), "Goal/g/_history/1")
    assert COMPILED.under((), START, weight) == compile_rules((), RULES, START, weight)
    assert COMPILED.under((), START, weight) != COMPILED.alone


def test_they_hold_until_one_of_them_begins_or_ends() -> None:
    assert COMPILED.hold(START)
    assert COMPILED.hold(ENDS - timedelta(seconds=1))
    assert not COMPILED.hold(ENDS)
    assert not COMPILED.hold(START - timedelta(seconds=1))
