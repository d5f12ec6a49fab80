"""Comparisons of a span or range with a search value, as data.

A comparison is an OR of ANDs of single tests on the lower or upper end, so that the store can write
it as SQL and `match` can evaluate it, from one definition of what each prefix means. Ends of dates
are exclusive above ([lo, hi), microseconds); ends of numbers and quantities are both inclusive.

Spec: https://hl7.org/fhir/R4/search.html#prefix
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final, Literal, NamedTuple

from fhirserver.search.condition import DateValue, NumberValue, Prefix
from fhirserver.search.period import Span

Bound = int | Decimal


@dataclass(frozen=True, slots=True)
class Test:
    """``side op bound``: `lo` and `hi` are the ends of the resource's range."""

    side: Literal["lo", "hi"]
    op: Literal["<", "<=", ">", ">="]
    bound: Bound


# Any of the alternatives, each of which is met when all of its tests are.
Comparison = tuple[tuple[Test, ...], ...]


def date_comparison(value: DateValue) -> Comparison:
    """Return how the span of a resource must lie to the span of `value`.

    ``ap`` widens the value's span by its own length on both sides: ``ap2026-05`` is met by what
    overlaps April to June.
    """
    return _DATES[value.prefix](value.lo, value.hi)


_DATES: Final[dict[Prefix, Callable[[int, int], Comparison]]] = {
    "eq": lambda lo, hi: ((Test("lo", ">=", lo), Test("hi", "<=", hi)),),
    "ne": lambda lo, hi: ((Test("lo", "<", lo),), (Test("hi", ">", hi),)),
    "gt": lambda _, hi: ((Test("hi", ">", hi),),),
    "lt": lambda lo, _: ((Test("lo", "<", lo),),),
    "ge": lambda lo, hi: ((Test("hi", ">", hi),), (Test("lo", ">=", lo),)),
    "le": lambda lo, hi: ((Test("lo", "<", lo),), (Test("hi", "<=", hi),)),
    "sa": lambda _, hi: ((Test("lo", ">=", hi),),),
    "eb": lambda lo, _: ((Test("hi", "<=", lo),),),
    "ap": lambda lo, hi: ((Test("lo", "<", hi + hi - lo), Test("hi", ">", lo - hi + lo)),),
    "po": lambda lo, hi: ((Test("lo", "<", hi), Test("hi", ">", lo)),),
}


def number_comparison(value: NumberValue) -> Comparison:
    """Return how a number or range of a resource must lie to `value`.

    ``eq`` and ``ne`` use the range that the digits of the value leave open, the other prefixes its
    exact value; ``ap`` allows ten percent of it, and never less than the digits leave open.
    """
    return _NUMBERS[value.prefix](value)


def _approximately(wanted: NumberValue) -> Comparison:
    margin = abs(wanted.value) / 10
    lo, hi = min(wanted.lo, wanted.value - margin), max(wanted.hi, wanted.value + margin)
    return ((Test("lo", "<=", hi), Test("hi", ">=", lo)),)


_NUMBERS: Final[dict[Prefix, Callable[[NumberValue], Comparison]]] = {
    "eq": lambda wanted: ((Test("lo", ">=", wanted.lo), Test("hi", "<", wanted.hi)),),
    "ne": lambda wanted: ((Test("lo", "<", wanted.lo),), (Test("hi", ">=", wanted.hi),)),
    "gt": lambda wanted: ((Test("hi", ">", wanted.value),),),
    "lt": lambda wanted: ((Test("lo", "<", wanted.value),),),
    "ge": lambda wanted: ((Test("hi", ">=", wanted.value),),),
    "le": lambda wanted: ((Test("lo", "<=", wanted.value),),),
    "sa": lambda wanted: ((Test("lo", ">", wanted.value),),),
    "eb": lambda wanted: ((Test("hi", "<", wanted.value),),),
    "ap": _approximately,
    "po": lambda wanted: ((Test("lo", "<", wanted.hi), Test("hi", ">=", wanted.lo)),),
}


def holds(comparison: Comparison, ends: tuple[Bound, Bound]) -> bool:
    """Whether a range with these `ends` (lo, hi) meets the comparison."""
    lo, hi = ends
    return any(
        all(_test(test, lo if test.side == "lo" else hi) for test in tests) for tests in comparison
    )


def _test(test: Test, end: Bound) -> bool:
    return bool(_OPERATORS[test.op](end, test.bound))


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Truth(Enum):
    """How many of a set of spans meet a comparison."""

    ALL = auto()
    SOME = auto()
    NONE = auto()


def over(comparison: Comparison, unit: Span) -> Truth:
    """Return whether all, none or some of the spans inside `unit` meet the comparison.

    SOME may also be said of all or none where alternatives only together decide.
    """
    found = Truth.NONE
    for tests in comparison:
        truths = {_over_one(test, unit) for test in tests}
        if truths == {Truth.ALL}:
            return Truth.ALL
        if Truth.NONE not in truths:
            found = Truth.SOME
    return found


def _over_one(test: Test, unit: Span) -> Truth:
    # A span is never empty: its lower end is before the unit's end, its upper end after its start.
    least, most = (unit.lo, unit.hi - 1) if test.side == "lo" else (unit.lo + 1, unit.hi)
    first, last = _test(test, least), _test(test, most)
    if first and last:
        return Truth.ALL
    return Truth.SOME if first or last else Truth.NONE


def of_instants(comparison: Comparison, width: int) -> Comparison:
    """Return the same comparison for spans of one fixed `width`, tested on their lower end only.

    So a column that holds moments, such as the last update, needs no second one for the end.
    """
    return tuple(
        tuple(
            test if test.side == "lo" else Test("lo", test.op, test.bound - width) for test in tests
        )
        for tests in comparison
    )


class Envelope(NamedTuple):
    """What every hit of a date comparison has: ``hi > after`` and ``lo < before`` (None: any).

    It is necessary, not sufficient, and simple enough for an index to start from.
    """

    after: Bound | None
    before: Bound | None


def envelope(comparison: Comparison) -> Envelope:
    """Return the envelope of a comparison of spans, which are half-open and never empty."""
    afters: list[Bound] = []
    befores: list[Bound] = []
    for tests in comparison:
        # The lower end is before the upper one, so a bound on either side says something of both.
        above = [
            test.bound - (test.op == ">=" and test.side == "hi") for test in tests if ">" in test.op
        ]
        below = [
            test.bound + (test.op == "<=" and test.side == "lo") for test in tests if "<" in test.op
        ]
        afters.extend([max(above)] if above else [])
        befores.extend([min(below)] if below else [])
    every = len(comparison)
    return Envelope(
        min(afters) if every and len(afters) == every else None,
        max(befores) if every and len(befores) == every else None,
    )
