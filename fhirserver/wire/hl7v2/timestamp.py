"""Dates and times of HL7 v2 (DTM): as precise as they were sent, with the offset they were sent with.

``YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]``; a time without an offset is of the zone its sender is known to be
in. Spec: HL7 v2.6, 2.A.22; FHIR side: https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, Literal

Precision = Literal["year", "month", "day", "hour", "minute", "second", "fraction"]
_PRECISIONS: Final[tuple[Precision, ...]] = ("year", "month", "day", "hour", "minute", "second")
_DTM: Final = re.compile(
    r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,9}))?\s*([+-]\d{4})?", re.ASCII
)
_FARTHEST: Final = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A moment or a stretch of the calendar. `local` has zeros (ones) for what was not sent, and no zone."""

    local: datetime
    precision: Precision
    fraction: str
    offset: timedelta | None

    def date(self) -> str:
        """Return a FHIR date: year, month or day."""
        shown = {"year": 4, "month": 7}.get(self.precision, 10)
        return self.local.date().isoformat()[:shown]

    def date_time(self, zone: tzinfo) -> str:
        """Return a FHIR dateTime at the precision sent; hours get their minutes and seconds, as FHIR wants them."""
        if self.precision in ("year", "month", "day"):
            return self.date()
        fraction = f".{self.fraction}" if self.fraction else ""
        minutes = round(self._offset(zone).total_seconds() / 60)
        sign = "-" if minutes < 0 else "+"
        hours, minutes = divmod(abs(minutes), 60)
        clock = self.local.replace(microsecond=0).isoformat()
        return f"{clock}{fraction}{sign}{hours:02}:{minutes:02}"

    def instant(self, zone: tzinfo) -> datetime | None:
        """Return the moment in UTC; None for what is less precise than a minute."""
        if self.precision in ("year", "month", "day", "hour"):
            return None
        return self.local.replace(tzinfo=timezone(self._offset(zone))).astimezone(UTC)

    def time(self) -> str | None:
        """Return a FHIR time of day, None where only a date was sent."""
        if self.precision in ("year", "month", "day"):
            return None
        return self.local.time().isoformat(timespec="seconds")

    def _offset(self, zone: tzinfo) -> timedelta:
        if self.offset is not None:
            return self.offset
        return self.local.replace(tzinfo=zone).utcoffset() or timedelta(0)


def read_timestamp(text: str) -> Timestamp:
    """Return the timestamp written in `text`. Raises `ValueError` for what is none, or not in the calendar."""
    found = _DTM.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a date or time of HL7 v2")
    *digits, fraction, zone = found.groups()
    parts = [int(one) for one in digits if one is not None]
    if fraction and len(parts) < 6:
        raise ValueError("a fraction follows seconds")
    year, month, day, *clock = [*parts, *(1,) * (3 - len(parts))]
    hour, minute, second = [*clock, *(0,) * (3 - len(clock))]
    local = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - its zone is not known yet
    if fraction:
        local = local.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    precision = "fraction" if fraction else _PRECISIONS[len(parts) - 1]
    return Timestamp(local, precision, fraction or "", None if zone is None else _offset(zone))


def written(moment: datetime, *, milliseconds: bool = False) -> str:
    """Return an aware `moment` as HL7 writes it, with its offset."""
    seconds = moment.strftime("%Y%m%d%H%M%S")
    fraction = f".{moment.microsecond // 1000:03}" if milliseconds else ""
    return f"{seconds}{fraction}{moment.strftime('%z')[:5]}"


def _offset(text: str) -> timedelta:
    if int(text[3:]) > 59:
        raise ValueError("an offset has at most 59 minutes")
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    if offset > _FARTHEST:
        raise ValueError("an offset is at most 14 hours")
    return -offset if text[0] == "-" else offset
