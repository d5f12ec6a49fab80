"""Dates as spans of time.

A partial date means all of the time it leaves open: ``2026-05`` is the whole of May. Every date is
therefore a half-open span [lo, hi) of microseconds since 1970-01-01T00:00:00Z; without a time zone
it is read as UTC. Integers are used because ``9999`` ends where `datetime` cannot follow.

Spec: https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
# The open ends of a Period: beyond every date FHIR can write, and within 64 bits.
BEGINNING: Final = -(2**62)
END: Final = 2**62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,30}))?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


class Span(NamedTuple):
    """A half-open span [lo, hi) in microseconds since 1970-01-01T00:00:00Z."""

    lo: int
    hi: int


@lru_cache(maxsize=4096)
def parse_span(text: str) -> Span:
    """Return the span of a FHIR date, dateTime or instant.

    The seconds may be missing, as search values allow. Raises ValueError for anything else.
    """
    if len(text) <= 10:
        if _DATE.fullmatch(text) is None:
            raise ValueError("not a date")
        return _date_span(text)
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a date and time")
    minute, seconds, fraction, zone = match.groups()
    start = datetime.fromisoformat(minute + ("+00:00" if zone in (None, "Z") else zone))
    lo = (start - _EPOCH) // _MICROSECOND
    if seconds is None:
        return Span(lo, lo + 60 * SECOND)
    # 60 is a leap second, which FHIR allows to be written.
    if int(seconds) > 60:
        raise ValueError("no such second")
    lo += int(seconds) * SECOND
    if fraction is None:
        return Span(lo, lo + SECOND)
    digits = fraction[:6]
    unit: int = 10 ** (6 - len(digits))
    lo += int(digits) * unit
    return Span(lo, lo + unit)


def _date_span(text: str) -> Span:
    year = int(text[:4])
    if len(text) == 4:
        first, last = date(year, 1, 1), date(year, 12, 31)
    elif len(text) == 7:
        first = date(year, int(text[5:7]), 1)
        last = (
            date(year, 12, 31)
            if first.month == 12
            else date.fromordinal(date(year, first.month + 1, 1).toordinal() - 1)
        )
    else:
        first = last = date(year, int(text[5:7]), int(text[8:10]))
    return Span((first.toordinal() - _EPOCH_DAY) * DAY, (last.toordinal() + 1 - _EPOCH_DAY) * DAY)


def microseconds(moment: datetime) -> int:
    """Return `moment` (aware) in microseconds since 1970-01-01T00:00:00Z."""
    return (moment - _EPOCH) // _MICROSECOND


def as_datetime(value: int) -> datetime:
    """Return the moment (UTC).

    Values that `datetime` cannot hold become its first or last one; an end after 9999 that a date
    has comes right before the last one, which is that of a Period without end. This keeps every
    order and comparison among dates that FHIR can write, and of them with open ends, but for one:
    midnight of 0001-01-01 is not told from the start of a Period that has none.
    """
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        if value < 0:
            return _FIRST
        return _LAST if value >= END else _LAST - _MICROSECOND
