"""Dates and times that know how precisely they were written.

"2026" is a year, not its first of January: compared with "2026-03" there is no answer. Times with
and without a zone are compared only where every zone on earth gives the same answer.

Spec: https://hl7.org/fhirpath/N1/#datetime, https://hl7.org/fhirpath/N1/#comparison
"""

import calendar
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

Kind = Literal["date", "dateTime", "time"]

_CALENDAR = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
    r"(T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?(Z|[+-]\d\d:\d\d)?)?)?"
).fullmatch
_CLOCK = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?").fullmatch

DAY = 3
"""Fields of a whole date: year, month, day."""

EASTMOST, WESTMOST = 14 * 60, -12 * 60
"""The zones of the earth, in minutes from UTC."""

MONTHS = {"year": 12, "month": 1}
"""Months in the calendar units that have no fixed length."""

SECONDS = {
    "week": Decimal(604_800),
    "day": Decimal(86_400),
    "hour": Decimal(3_600),
    "minute": Decimal(60),
    "second": Decimal(1),
    "millisecond": Decimal("0.001"),
}
"""Seconds in the calendar units of fixed length."""

_DAY_SECONDS = 86_400
_MONTH_DAYS = 30
_YEAR_DAYS = 365

Fields = tuple[int | Decimal, ...]


@dataclass(frozen=True, slots=True)
class Temporal:
    """A date, dateTime or time.

    `fields` are year, month, day, hour, minute, second (a time starts at the hour), as many as
    are known; seconds keep their digits. `offset` is in minutes from UTC. `text` is what FHIR
    writes.
    """

    kind: Kind
    fields: Fields
    offset: int | None = None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


def temporal(kind: Kind, fields: Fields, offset: int | None = None) -> Temporal:
    """Return the value with its text written out."""
    return Temporal(kind, fields, offset, _write(kind, fields, offset))


def parse_calendar(text: str, kind: Kind | None = None) -> Temporal | None:
    """Return the date or dateTime that `text` names; None if it is none.

    Without `kind` the text decides: a "T" makes a dateTime, also behind a mere year.
    """
    match = _CALENDAR(text)
    if match is None:
        return None
    year, month, day, clock, hour, minute, second, zone = match.groups()
    if clock is not None and hour is not None and day is None:
        return None
    parts: list[int | Decimal] = [int(one) for one in (year, month, day, hour, minute) if one]
    if second is not None:
        parts.append(Decimal(second))
    fields = tuple(parts)
    if not _exists(fields):
        return None
    found: Kind = kind or ("date" if clock is None else "dateTime")
    written = text.removesuffix("T")
    return Temporal(found, fields, _offset(zone) if zone is not None else None, written)


def parse_clock(text: str) -> Temporal | None:
    """Return the time of day that `text` names; None if it is none."""
    match = _CLOCK(text)
    if match is None:
        return None
    hour, minute, second = match.groups()
    parts: list[int | Decimal] = [int(one) for one in (hour, minute) if one]
    if second is not None:
        parts.append(Decimal(second))
    fields = tuple(parts)
    return Temporal("time", fields, None, text) if _clock_exists(fields) else None


def instant_of(moment: datetime) -> Temporal:
    """Return an aware datetime as a dateTime in UTC, to the millisecond."""
    at = moment.astimezone(UTC)
    second = Decimal(at.second) + Decimal(at.microsecond // 1000) / 1000
    fields = (at.year, at.month, at.day, at.hour, at.minute, second.quantize(Decimal("0.001")))
    return temporal("dateTime", fields, 0)


def order(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1; None where precision or zone leaves it open.

    Times of day are only ordered among themselves: compare the kinds before.
    """
    if left.kind == "time" or (left.offset is None and right.offset is None):
        return _order(left.fields, right.fields)
    if left.offset is not None and right.offset is not None:
        return _order(_shifted(left, 0), _shifted(right, 0))
    if left.offset is None:
        found = order(right, left)
        return None if found is None else -found
    east = _order(_shifted(left, EASTMOST), right.fields)
    west = _order(_shifted(left, WESTMOST), right.fields)
    return east if east == west else None


def identity(value: Temporal) -> tuple[str, Fields, bool]:
    """A key that is the same for equal values and differs for others."""
    group = "time" if value.kind == "time" else "calendar"
    return group, _shifted(value, 0), value.offset is not None and len(value.fields) > DAY


def plus(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """Return `value` moved by `amount` calendar units; None outside the years 1 to 9999.

    Fractions count only in seconds. A unit finer than the value is first cut down to whole units
    of the value's precision: 2014 plus 23 months is 2015.
    """
    if value.kind == "time":
        return _plus_clock(value, amount, unit)
    if unit in MONTHS:
        return _plus_months(value, int(amount) * MONTHS[unit])
    seconds = SECONDS[unit] * (amount if unit in ("second", "millisecond") else int(amount))
    if len(value.fields) < DAY:
        days = int(seconds / _DAY_SECONDS)
        if len(value.fields) == 1:
            return _plus_months(value, int(days / _YEAR_DAYS) * 12)
        return _plus_months(value, int(days / _MONTH_DAYS))
    return _plus_seconds(value, seconds)


def _plus_months(value: Temporal, months: int) -> Temporal | None:
    year, month = int(value.fields[0]), 1
    if len(value.fields) == 1:
        year += int(months / 12)
        moved: Fields = (year,)
    else:
        total = year * 12 + int(value.fields[1]) - 1 + months
        year, month = total // 12, total % 12 + 1
        moved = (year, month)
    if not 1 <= year <= 9999:
        return None
    if len(value.fields) >= DAY:
        last = calendar.monthrange(year, month)[1]
        moved = (*moved, min(int(value.fields[2]), last), *value.fields[3:])
    return temporal(value.kind, moved, value.offset)


def _plus_seconds(value: Temporal, seconds: Decimal) -> Temporal | None:
    size = len(value.fields)
    missing = (0, 0, Decimal(0))[size - DAY :]
    year, month, day, hour, minute, second = (*value.fields, *missing)
    unit = {3: _DAY_SECONDS, 4: 3600, 5: 60}.get(size)
    moved = Decimal(second) + (int(seconds / unit) * unit if unit is not None else seconds)
    whole = int(moved // 1) if moved >= 0 else -int(-moved // 1) - (1 if moved % 1 else 0)
    try:
        at = datetime(  # noqa: DTZ001 - the zone stays as it is, beside it
            int(year), int(month), int(day), int(hour), int(minute)
        ) + timedelta(seconds=whole)
    except OverflowError:
        return None
    rest = moved - whole
    fields: Fields = (at.year, at.month, at.day, at.hour, at.minute, rest + at.second)
    return temporal(value.kind, fields[:size], value.offset)


def _plus_clock(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    if unit not in ("hour", "minute", "second", "millisecond"):
        return None
    seconds = SECONDS[unit] * (amount if unit in ("second", "millisecond") else int(amount))
    size = len(value.fields)
    hour, minute, second = (*value.fields, *(0, 0, Decimal(0))[size:])
    step = {1: 3600, 2: 60}.get(size)
    if step is not None:
        seconds = Decimal(int(seconds / step) * step)
    total = (int(hour) * 3600 + int(minute) * 60 + Decimal(second) + seconds) % _DAY_SECONDS
    if total < 0:
        total += _DAY_SECONDS
    minutes, rest = total // 60, total % 60
    fields: Fields = (int(minutes // 60), int(minutes % 60), rest)
    return temporal("time", fields[:size])


def _order(left: Fields, right: Fields) -> int | None:
    for one, other in zip(left, right, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left) == len(right) else None


def _shifted(value: Temporal, zone: int) -> Fields:
    """The fields as a clock in `zone` shows them; unchanged without a zone or an hour."""
    if value.offset is None or len(value.fields) <= DAY or value.offset == zone:
        return value.fields
    year, month, day, hour, minute = (int(one) for one in (*value.fields[:5], 0)[:5])
    try:
        at = datetime(  # noqa: DTZ001 - calculates between zones itself
            year, month, day, hour, minute
        ) + timedelta(minutes=zone - value.offset)
    except OverflowError:
        return value.fields
    return (at.year, at.month, at.day, at.hour, at.minute, *value.fields[5:])[: len(value.fields)]


def _exists(fields: Fields) -> bool:
    year, month, day = (int(one) for one in (*fields[:DAY], 1, 1)[:DAY])
    if len(fields) == 1:
        month = day = 1
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return False
    return _clock_exists(fields[DAY:])


def _clock_exists(fields: Fields) -> bool:
    return all(one < limit for one, limit in zip(fields, (24, 60, 60), strict=False))


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _write(kind: Kind, fields: Fields, offset: int | None) -> str:
    if kind == "time":
        return _clock(fields)
    text = "-".join((f"{fields[0]:04}", *(f"{one:02}" for one in fields[1:DAY])))
    if len(fields) <= DAY:
        return text
    return f"{text}T{_clock(fields[DAY:])}{_zone(offset)}"


def _clock(fields: Fields) -> str:
    parts = [f"{one:02}" for one in fields[:2]]
    if len(fields) > 2:
        second = f"{fields[2]:f}"
        parts.append(second if second.partition(".")[0][1:] else "0" + second)
    return ":".join(parts)


def _zone(offset: int | None) -> str:
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    sign, minutes = ("-", -offset) if offset < 0 else ("+", offset)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
