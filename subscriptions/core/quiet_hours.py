"""Quiet hours of one person: when anything less than a PH alert passes them over.

They begin and end by the clock on that person's wall, whatever the clocks do that night. An end
that is not after the start lies on the next day; the same time twice means the whole day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from fhirserver.relations.wall_clock import instant_of, is_zone, local

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Every day from `start` to `end` by the clocks of the IANA `zone`."""

    start: time
    end: time
    zone: str


def is_quiet(hours: Iterable[QuietHours], at: datetime) -> bool:
    """Return whether the instant `at` lies in any of `hours`."""
    return any(start <= at < end for one in hours for start, end in _around(one, at))


def next_change(hours: Iterable[QuietHours], at: datetime) -> datetime | None:
    """Return the next instant after `at` at which any of `hours` begins or ends, None for never."""
    bounds = (bound for one in hours for span in _around(one, at) for bound in span)
    return min((bound for bound in bounds if bound > at), default=None)


def _around(hours: QuietHours, at: datetime) -> Iterable[tuple[datetime, datetime]]:
    """Yield the spans that begin the day before, on, and after the local day of `at`.

    None in a zone this machine has never heard of: better to wake somebody than to call nobody.
    """
    if not is_zone(hours.zone):
        return
    today = local(at, hours.zone).date()
    for day in (today - _DAY, today, today + _DAY):
        last = day if hours.end > hours.start else day + _DAY
        yield (
            instant_of(datetime.combine(day, hours.start), hours.zone),
            instant_of(datetime.combine(last, hours.end), hours.zone),
        )
