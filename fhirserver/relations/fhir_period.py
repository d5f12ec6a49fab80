"""FHIR Periods as instants: https://hl7.org/fhir/R4/datatypes.html#Period.

A bound that is only a date, a month or a year covers all of it (UTC).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def period(value: Any) -> tuple[datetime | None, datetime | None]:
    """Return the bounds of a FHIR Period, the end exclusive; None where it is open."""
    if not isinstance(value, Mapping):
        return None, None
    return _bound(value.get("start"), end=False), _bound(value.get("end"), end=True)


def holds(value: Any, at: datetime) -> bool:
    """Return whether `at` lies in a FHIR Period; one that is missing always holds."""
    starts, ends = period(value)
    return (starts is None or starts <= at) and (ends is None or ends > at)


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two starts, None where both are open."""
    return max((m for m in (one, other) if m is not None), default=None)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the earlier of two ends, None where both are open."""
    return min((m for m in (one, other) if m is not None), default=None)


def _bound(text: Any, *, end: bool) -> datetime | None:
    if not isinstance(text, str):
        return None
    if "T" in text:
        return datetime.fromisoformat(text)
    year, *rest = (int(part) for part in text.split("-"))
    month, day = (*rest, 1, 1)[0], (*rest, 1, 1)[1] if len(rest) > 1 else 1
    first = datetime(year, month, day, tzinfo=UTC)
    if not end:
        return first
    if len(rest) == 2:
        return first + timedelta(days=1)
    years, months = (year + 1, 1) if not rest or month == 12 else (year, month + 1)
    return datetime(years, months, 1, tzinfo=UTC)
