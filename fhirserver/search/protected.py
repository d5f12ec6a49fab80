"""Dates that identify a person, and are therefore only stored as keyed hashes.

A protected date is indexed by the calendar units (UTC) that contain it: its year, its month, its
day. A range is asked for by the units that lie in it: whole years first, then months, then days, at
most `MAX_TERMS` of them. Years outside `FIRST_YEAR`..`LAST_YEAR` share one unit on either side,
which is verified.

A date that is itself a whole year or month also gets an "only" unit: ``1980`` is not inside May
1980, but it does reach beyond it.
"""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Final

from fhirserver.search.comparison import Comparison, Truth, holds, over
from fhirserver.search.period import BEGINNING, DAY, END, Span, parse_span

PROTECTED: Final = frozenset(
    {
        ("Patient", "birthdate"),
        ("Patient", "death-date"),
        ("Person", "birthdate"),
        ("RelatedPerson", "birthdate"),
    }
)
FIRST_YEAR: Final = 1850
LAST_YEAR: Final = 2099
MAX_TERMS: Final = 400

_BEFORE: Final = "before"
_AFTER: Final = "after"
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def index_units(lo: int, hi: int) -> tuple[str, ...]:
    """Return the units that contain the span [lo, hi) in microseconds, coarsest first."""
    if lo < _year(FIRST_YEAR).lo:
        return (_BEFORE,)
    if hi > _year(LAST_YEAR).hi:
        return (_AFTER,)
    first = date.fromordinal(lo // DAY + _EPOCH_DAY)
    last = date.fromordinal((hi - 1) // DAY + _EPOCH_DAY)
    found: list[str] = []
    for size, name, of_last in (
        ("year", f"{first:%Y}", f"{last:%Y}"),
        ("month", f"{first:%Y-%m}", f"{last:%Y-%m}"),
        ("day", f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"),
    ):
        if name != of_last:
            break
        found.append(name)
        if size != "day" and _unit(name) == (lo, hi):
            found.append(_only(name))
    return tuple(found)


@lru_cache(maxsize=1024)
def query_units(comparison: Comparison) -> tuple[tuple[str, ...], bool]:
    """Return the units whose dates meet `comparison`, and whether they all do (else verify)."""
    found: list[str] = []
    exact = True
    edges = (
        (_BEFORE, Span(BEGINNING, _year(FIRST_YEAR).lo)),
        (_AFTER, Span(_year(LAST_YEAR).hi, END)),
    )
    for name, span in edges:
        truth = over(comparison, span)
        if truth is not Truth.NONE:
            found.append(name)
            exact &= truth is Truth.ALL
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        exact &= _cover(comparison, f"{year:04}", found)
    return tuple(found), exact


def _cover(comparison: Comparison, name: str, found: list[str]) -> bool:
    """Append the units of `name` that are needed; return False where one must be verified."""
    span = _unit(name)
    truth = over(comparison, span)
    if truth is Truth.NONE:
        return True
    if truth is Truth.ALL:
        found.append(name)
        return True
    if len(name) == 10:
        found.append(name)
        return False
    if holds(comparison, span):
        found.append(_only(name))
    exact = True
    for inner in _units_of(name):
        exact &= _cover(comparison, inner, found)
    return exact


def _units_of(name: str) -> Iterator[str]:
    if len(name) == 4:
        return (f"{name}-{month:02}" for month in range(1, 13))
    span = _unit(name)
    return (f"{name}-{day:02}" for day in range(1, (span.hi - span.lo) // DAY + 1))


def _only(name: str) -> str:
    return f"only {name}"


def _year(year: int) -> Span:
    return _unit(f"{year:04}")


@lru_cache(maxsize=4096)
def _unit(name: str) -> Span:
    return parse_span(name)
