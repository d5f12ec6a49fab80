"""The parts of a monitoring rule as FHIR writes them: quantities, durations, periods, moments.

Everything wrong is collected with its place, so that whoever wrote the rule hears all of it at
once. https://hl7.org/fhir/R4/datatypes.html
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.core.parameters import ucum

T = TypeVar("T")

_SECONDS: Final[dict[str, int]] = {"s": 1, "min": 60, "h": 3600}


@dataclass(slots=True)
class Part:
    """Collects problems of one extension while it is read."""

    path: str
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, message: str, code: str = "invalid") -> None:
        """Note that what stands at `where` within this part is wrong."""
        expression = f"{self.path}.{where}" if where else self.path
        self.problems.append(Problem("error", code, expression, message))


def first(
    parts: dict[str, list[Json]], url: str, value: str, kind: type[T], part: Part
) -> T | None:
    """Return the value of the part `url`, None when it is not given or is no `value`."""
    if url not in parts:
        return None
    found = parts[url][0].get(value)
    if not isinstance(found, kind):
        part.wrong("", f"{url} needs a {value}", "required")
        return None
    return found


def quantity(
    given_quantity: Any, where: str, unit: str | None, part: Part
) -> tuple[Decimal | None, str | None]:
    """Return value and unit; `unit` is the one it must have, None while none is known."""
    number = given_quantity.get("value") if isinstance(given_quantity, dict) else None
    if not isinstance(number, int | Decimal) or isinstance(number, bool):
        part.wrong(where, "the quantity has no value", "required")
        return None, unit
    given = given_quantity.get("code") or given_quantity.get("unit")
    if not given:
        part.wrong(where, "the quantity has no unit", "required")
        return None, unit
    if unit is not None and ucum(given) != unit:
        part.wrong(where, f"unit {given!r}: this parameter is measured in {unit}")
        return None, unit
    return Decimal(number), ucum(given)


def seconds(parts: dict[str, list[Json]], url: str, part: Part) -> float | None:
    """Return a Duration in seconds, None when it is not given or cannot be read."""
    duration = first(parts, url, "valueDuration", dict, part)
    if duration is None:
        return None
    value, unit = quantity(duration, url, None, part)
    if value is None or unit is None:
        return None
    if unit not in _SECONDS or value < 0:
        part.wrong(url, "a duration in s, min or h is needed")
        return None
    return float(value * _SECONDS[unit])


def period(given: Json, part: Part, where: str) -> tuple[datetime | None, datetime | None]:
    """Return start and end of a Period; an end given as a date means the whole of it."""
    moments: list[datetime | None] = []
    for end in ("start", "end"):
        text = given.get(end)
        moments.append(None if text is None else moment(text, whole=end == "end"))
        if text is not None and moments[-1] is None:
            part.wrong(f"{where}.{end}", f"{text!r} is not a dateTime")
    return moments[0], moments[1]


def moment(text: Any, *, whole: bool = False) -> datetime | None:
    """Return a FHIR dateTime as an aware time, None when it is none.

    A date begins at midnight UTC; with `whole` the moment after it, after the month or the year, is
    meant.
    """
    if not isinstance(text, str):
        return None
    try:
        if len(text) > 10:
            return datetime.fromisoformat(text).astimezone(UTC)
        numbers = [int(number) for number in text.split("-")]
        year, month, day_of_month = (*numbers, 1, 1)[:3]
        day = datetime(year, month, day_of_month, tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        return None
    if not whole:
        return day
    after = {1: timedelta(days=366), 2: timedelta(days=31), 3: timedelta(days=1)}[len(numbers)]
    following = day + after
    return following.replace(day=1) if len(numbers) < 3 else following
