"""FHIR Periods as bounds of rows: both ends belong to the period.

https://hl7.org/fhir/R4/datatypes.html#Period
"""

from datetime import datetime
from typing import Any

from fhirserver.search.period import as_datetime, parse_span


def bounds(period: Any) -> tuple[datetime | None, datetime | None]:
    """Return start and end of a Period; an end of a day lasts to that day's end. None where it is open."""
    if not isinstance(period, dict):
        return None, None
    starts = as_datetime(parse_span(period["start"])[0]) if "start" in period else None
    ends = as_datetime(parse_span(period["end"])[1]) if "end" in period else None
    return starts, ends


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two starts, None where both are open."""
    return max((moment for moment in (one, other) if moment is not None), default=None)


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the earlier of two ends, None where both are open."""
    return min((moment for moment in (one, other) if moment is not None), default=None)
