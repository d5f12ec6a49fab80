"""FHIR Periods as instants: https://hl7.org/fhir/R4/datatypes.html#Period.

A bound that is only a date, a month or a year covers all of it (UTC). There are two readings of an end that names a
moment: for who is on duty it is the moment of handing over, which belongs to the next one (`period`); for who may see
what it belongs to the period, as FHIR has it (`bounds`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhirserver.search.period import Span, as_datetime, parse_span

Bounds = tuple[datetime | None, datetime | None]


def period(value: Any) -> Bounds:
    """Return the bounds of a FHIR Period, the end exclusive; None where it is open."""
    starts, ends = _spans(value)
    if ends is None:
        return _first(starts), None
    return _first(starts), as_datetime(ends.lo if "T" in value["end"] else ends.hi)


def bounds(value: Any) -> Bounds:
    """Return the bounds of a FHIR Period, the end included: a day until its end, a second likewise; None: open."""
    starts, ends = _spans(value)
    return _first(starts), None if ends is None else as_datetime(ends.hi)


def holds(value: Any, at: datetime) -> bool:
    """Return whether `at` lies in a FHIR Period; one that is missing always holds."""
    starts, ends = period(value)
    return (starts is None or starts <= at) and (ends is None or ends > at)


def latest(*starts: datetime | None) -> datetime | None:
    """Return the last of these starts, None where all are open."""
    return max((one for one in starts if one is not None), default=None)


def earliest(*ends: datetime | None) -> datetime | None:
    """Return the first of these ends, None where all are open."""
    return min((one for one in ends if one is not None), default=None)


def _spans(value: Any) -> tuple[Span | None, Span | None]:
    if not isinstance(value, Mapping):
        return None, None
    starts, ends = value.get("start"), value.get("end")
    return (
        parse_span(starts) if isinstance(starts, str) else None,
        parse_span(ends) if isinstance(ends, str) else None,
    )


def _first(starts: Span | None) -> datetime | None:
    return None if starts is None else as_datetime(starts.lo)
