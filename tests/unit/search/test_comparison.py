"""What the prefixes mean, checked against their definition in words, moment by moment."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.search.comparison import (
    Comparison,
    Truth,
    date_comparison,
    envelope,
    holds,
    number_comparison,
    of_instants,
    over,
)
from fhirserver.search.condition import DateValue, NumberValue, Prefix
from fhirserver.search.period import Span
from fhirserver.search.value import parse_number

PREFIXES: tuple[Prefix, ...] = get_args(Prefix)
_spans = st.tuples(st.integers(0, 11), st.integers(1, 6)).map(
    lambda pair: Span(pair[0], pair[0] + pair[1])
)


def _by_definition(prefix: Prefix, wanted: Span, found: Span) -> bool:
    """https://hl7.org/fhir/R4/search.html#prefix, with spans as sets of moments."""
    moments, target = set(range(*wanted)), set(range(*found))
    contained = target <= moments
    above = any(moment >= wanted.hi for moment in target)
    below = any(moment < wanted.lo for moment in target)
    width = wanted.hi - wanted.lo
    return {
        "eq": contained,
        "ne": not contained,
        "gt": above,
        "lt": below,
        "ge": above or contained,
        "le": below or contained,
        "sa": all(moment >= wanted.hi for moment in target),
        "eb": all(moment < wanted.lo for moment in target),
        "ap": bool(set(range(wanted.lo - width, wanted.hi + width)) & target),
        "po": bool(moments & target),
    }[prefix]


@pytest.mark.parametrize("prefix", PREFIXES)
@given(wanted=_spans, found=_spans)
def test_dates_compare_as_sets_of_moments(prefix: Prefix, wanted: Span, found: Span) -> None:
    comparison = date_comparison(DateValue(prefix, *wanted))
    assert holds(comparison, found) is _by_definition(prefix, wanted, found)


@pytest.mark.parametrize("prefix", PREFIXES)
@given(wanted=_spans, unit=_spans)
def test_a_verdict_over_a_unit_is_true_for_every_span_in_it(
    prefix: Prefix, wanted: Span, unit: Span
) -> None:
    comparison = date_comparison(DateValue(prefix, *wanted))
    inside = [
        holds(comparison, (lo, hi))
        for lo in range(unit.lo, unit.hi)
        for hi in range(lo + 1, unit.hi + 1)
    ]
    match over(comparison, unit):
        case Truth.ALL:
            assert all(inside)
        case Truth.NONE:
            assert not any(inside)


@given(prefixes=st.lists(st.sampled_from(PREFIXES), max_size=2), wanted=_spans, found=_spans)
def test_every_hit_is_inside_the_envelope(
    prefixes: list[Prefix], wanted: Span, found: Span
) -> None:
    comparison: Comparison = ()
    for prefix in prefixes:
        comparison += date_comparison(DateValue(prefix, *wanted))
    after, before = envelope(comparison)
    if holds(comparison, found):
        assert after is None or found.hi > after
        assert before is None or found.lo < before


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("eq", (10, 20)),
        ("gt", (20, None)),
        ("ge", (10, None)),
        ("lt", (None, 10)),
        ("le", (None, 20)),
        ("sa", (20, None)),
        ("eb", (None, 10)),
        ("ne", (None, None)),
        ("ap", (0, 30)),
        ("po", (10, 20)),
    ],
)
def test_envelopes(prefix: Prefix, expected: tuple[int | None, int | None]) -> None:
    assert envelope(date_comparison(DateValue(prefix, 10, 20))) == expected


@given(prefix=st.sampled_from(PREFIXES), wanted=_spans, lo=st.integers(0, 20))
def test_instants_need_their_lower_end_only(prefix: Prefix, wanted: Span, lo: int) -> None:
    comparison = date_comparison(DateValue(prefix, *wanted))
    simple = of_instants(comparison, 2)
    assert all(test.side == "lo" for tests in simple for test in tests)
    assert holds(simple, (lo, lo)) is holds(comparison, (lo, lo + 2))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("100", "99.5", True),
        ("100", "100.499", True),
        ("100", "100.5", False),
        ("100.00", "100.004", True),
        ("100.00", "100.005", False),
        ("1e2", "149", True),
        ("1e2", "150", False),
        ("-5.4", "-5.42", True),
        ("ne100", "100.4", False),
        ("ne100", "100.5", True),
        ("gt100", "100", False),
        ("gt100", "100.01", True),
        ("ge100", "100", True),
        ("lt100", "100", False),
        ("lt100", "99.99", True),
        ("le100", "100", True),
        ("sa100", "100.1", True),
        ("eb100", "99.9", True),
        ("eb100", "100", False),
        ("ap100", "109", True),
        ("ap100", "111", False),
        ("ap-100", "-109", True),
        ("ap0", "0.4", True),
    ],
)
def test_numbers_compare_with_the_precision_they_are_written_in(
    text: str, value: str, expected: bool
) -> None:
    ends = (Decimal(value), Decimal(value))
    assert holds(number_comparison(parse_number(text)), ends) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", False), ("gt100", True), ("lt5", False), ("ge4", True), ("sa4", True), ("eb9", False)],
)
def test_an_open_end_reaches_everything(text: str, expected: bool) -> None:
    ends = (Decimal(5), Decimal("Infinity"))
    assert holds(number_comparison(parse_number(text)), ends) is expected


def test_every_prefix_is_known_for_numbers() -> None:
    for prefix in PREFIXES:
        one = NumberValue(prefix, Decimal(1), Decimal("0.5"), Decimal("1.5"))
        assert number_comparison(one)
