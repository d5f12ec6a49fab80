"""Dates that identify a person, and are therefore only stored as keyed hashes.

A protected date is indexed by the calendar units (UTC) that contain it: its quarter, its month, its
day. Years have no unit: so many people share one that its frequency would tell it. A range is asked
for by the units that lie in it: whole quarters first, then months, then days, at most `MAX_TERMS`
of them. Years outside `FIRST_YEAR`..`LAST_YEAR` share one unit on either side, which is verified.

A date that is itself a whole year or month gets an "only" unit: ``1980`` is not inside May 1980,
but it does reach beyond it. Rows of earlier releases have units for years and none for quarters:
both are asked for.
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
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2049
MAX_TERMS: Final = 1000

_BEGINNINGS: Final = (1, 4, 7, 10)
# A quarter and a month were found for a date.
_MONTH: Final = 2
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
    if _unit(f"{first:%Y}") == (lo, hi):
        return (_only(f"{first:%Y}"),)
    found: list[str] = []
    for name, of_last in (
        (_quarter(first.year, first.month), _quarter(last.year, last.month)),
        (f"{first:%Y-%m}", f"{last:%Y-%m}"),
        (f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"),
    ):
        if name != of_last:
            break
        found.append(name)
    if len(found) == _MONTH and _unit(found[-1]) == (lo, hi):
        found.append(_only(found[-1]))
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
        exact &= _cover_year(comparison, year, found)
    return tuple(found), exact


def _cover_year(comparison: Comparison, year: int, found: list[str]) -> bool:
    """Append the units of a year that are needed; return False where one must be verified."""
    name, span = f"{year:04}", _year(year)
    truth = over(comparison, span)
    if truth is Truth.NONE:
        return True
    if truth is Truth.ALL:
        found += (name, _only(name), *(_quarter(year, month) for month in _BEGINNINGS))
        return True
    if holds(comparison, span):
        found.append(_only(name))
    exact = True
    for first in _BEGINNINGS:
        months = [f"{year:04}-{month:02}" for month in range(first, first + 3)]
        whole = Span(_unit(months[0]).lo, _unit(months[-1]).hi)
        truth = over(comparison, whole)
        if truth is Truth.ALL:
            found += (_quarter(year, first), *months)
        elif truth is not Truth.NONE:
            for month in months:
                exact &= _cover(comparison, month, found)
    return exact


def _cover(comparison: Comparison, name: str, found: list[str]) -> bool:
    """Append the units of the month or day `name` that are needed; as `_cover_year`."""
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


def _units_of(month: str) -> Iterator[str]:
    span = _unit(month)
    return (f"{month}-{day:02}" for day in range(1, (span.hi - span.lo) // DAY + 1))


def _quarter(year: int, month: int) -> str:
    return f"{year:04} quarter {(month + 2) // 3}"


def _only(name: str) -> str:
    return f"only {name}"


def _year(year: int) -> Span:
    return _unit(f"{year:04}")


@lru_cache(maxsize=4096)
def _unit(name: str) -> Span:
    return parse_span(name)
