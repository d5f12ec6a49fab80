"""Local time as clocks on walls show it, and the instants behind it.

Shifts and quiet hours are agreed on in local time: "seven in the evening" stays seven in the
evening in the night in which the clocks change. A time the clocks skip is read with the offset
before the change (so it lies as far behind it as it was skipped), a time they show twice is the
first of the two: https://peps.python.org/pep-0495/.
"""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def is_zone(name: str) -> bool:
    """Return whether `name` is an IANA time zone such as ``Europe/Berlin``."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def local(at: datetime, zone: str) -> datetime:
    """Return what the wall shows in `zone` at the instant `at`, without an offset."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, zone: str) -> datetime:
    """Return the instant (UTC) at which the wall shows `wall`, a datetime without an offset."""
    return wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def clock_time(text: object) -> time | None:
    """Return a FHIR time (``07:00:00``) that is a whole second, None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = time.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is None and not found.microsecond else None
