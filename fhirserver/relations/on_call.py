"""Who of a team is on call at a given moment.

A CareTeam of category ``on-call`` is nobody's own team: other teams list it as a participant, and
an organization calls on it for a device nobody is bound to. Without a schedule everybody in it is on
duty while the team's period and their own last. With the extension ``on-call-schedule`` the
rotations say who is on duty, and overrides say otherwise. Shifts are counted on the wall clock of
the rotation's zone: a twelve-hour night shift is an hour shorter or longer when the clocks change,
and still ends at seven.

https://hl7.org/fhir/R4/careteam.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fhirserver.kernel.canonical import CARE_TEAM_CATEGORIES, ON_CALL_SCHEDULE
from fhirserver.kernel.resource import Json
from fhirserver.relations.fhir_period import holds, period
from fhirserver.relations.wall_clock import clock_time, instant_of, is_zone, local

INACTIVE: Final = frozenset(("inactive", "entered-in-error", "suspended", "proposed"))
# Wall-clock lengths of a shift's unit (UCUM).
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "wk": timedelta(weeks=1)}
_LONGEST: Final = timedelta(weeks=26)
_YEARS: Final = range(1900, 3000)


class Unreadable(ValueError):
    """A schedule that says nothing sensible; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """`members` take turns of `length`, the first from `first` on, by the clocks of `zone`."""

    first: datetime
    length: timedelta
    zone: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """From `starts` to `ends` `member` is on duty: instead of `instead_of`, or of everybody."""

    starts: datetime | None
    ends: datetime | None
    member: str
    instead_of: str | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rotations of a team, all of them at once, and the exceptions from them."""

    rotations: tuple[Rotation, ...]
    overrides: tuple[Override, ...]


def is_on_call(team: Json) -> bool:
    """Return whether a CareTeam is of category ``on-call``."""
    return any(
        coding.get("system") == CARE_TEAM_CATEGORIES and coding.get("code") == "on-call"
        for category in team.get("category", [])
        for coding in category.get("coding", [])
    )


def on_call_at(team: Json, at: datetime) -> tuple[str, ...]:
    """Return the references of who is on duty at `at`, in order, nobody twice.

    Raises `Unreadable` for a schedule that cannot be read.
    """
    if team.get("status") in INACTIVE or not holds(team.get("period"), at):
        return ()
    schedule = read_schedule(team)
    if schedule is None:
        return tuple(
            dict.fromkeys(
                reference_of(entry.get("member"))
                for entry in team.get("participant", [])
                if reference_of(entry.get("member")) and holds(entry.get("period"), at)
            )
        )
    duty = [member for one in schedule.rotations if (member := _turn(one, at)) is not None]
    for override in schedule.overrides:
        if _within(override, at):
            if override.instead_of is None:
                duty = [override.member]
            else:
                duty = [override.member if one == override.instead_of else one for one in duty]
    return tuple(dict.fromkeys(duty))


def next_change(team: Json, at: datetime) -> datetime | None:
    """Return the next moment after `at` at which somebody else may be on duty, None for never.

    Raises `Unreadable`.
    """
    return min((moment for moment in _moments(team, at) if moment > at), default=None)


def everybody(team: Json) -> tuple[str, ...]:
    """Return everybody who is or may come on duty. Raises `Unreadable`."""
    found = [reference_of(entry.get("member")) for entry in team.get("participant", [])]
    schedule = read_schedule(team)
    if schedule is not None:
        found += [member for one in schedule.rotations for member in one.members]
        found += [one.member for one in schedule.overrides]
    return tuple(dict.fromkeys(one for one in found if one))


def reference_of(value: Any) -> str:
    """Return the relative form (``Practitioner/nina``) of a Reference, "" where there is none."""
    text = str(value.get("reference", "")) if isinstance(value, Mapping) else ""
    return "/".join(text.split("/")[-2:])


def read_schedule(team: Json) -> Schedule | None:
    """Return the schedule of a team, None without one. Raises `Unreadable`."""
    extensions = [e for e in team.get("extension", []) if e.get("url") == ON_CALL_SCHEDULE]
    if not extensions:
        return None
    parts = [part for one in extensions for part in one.get("extension", [])]
    rotations = tuple(_rotation(part) for part in parts if part.get("url") == "rotation")
    if not rotations:
        raise Unreadable("a schedule needs a rotation")
    overrides = tuple(_override(part) for part in parts if part.get("url") == "override")
    return Schedule(rotations, overrides)


def _turn(rotation: Rotation, at: datetime) -> str | None:
    """Return whose turn it is at `at`, None before the first."""
    number = _number(rotation, at)
    return None if number < 0 else rotation.members[number % len(rotation.members)]


def _number(rotation: Rotation, at: datetime) -> int:
    number = (local(at, rotation.zone) - rotation.first) // rotation.length
    # The wall shows some hours twice: the first of them counts.
    while _begins(rotation, number + 1) <= at:
        number += 1
    while _begins(rotation, number) > at:
        number -= 1
    return number


def _begins(rotation: Rotation, number: int) -> datetime:
    return instant_of(rotation.first + number * rotation.length, rotation.zone)


def _within(override: Override, at: datetime) -> bool:
    begun = override.starts is None or override.starts <= at
    return begun and (override.ends is None or override.ends > at)


def _moments(team: Json, at: datetime) -> Iterator[datetime]:
    spans = [team.get("period"), *(e.get("period") for e in team.get("participant", []))]
    for span in spans:
        yield from (bound for bound in period(span) if bound is not None)
    schedule = read_schedule(team)
    if schedule is None:
        return
    for rotation in schedule.rotations:
        yield _begins(rotation, max(_number(rotation, at) + 1, 0))
    for override in schedule.overrides:
        yield from (one for one in (override.starts, override.ends) if one is not None)


def _rotation(extension: Json) -> Rotation:
    parts = extension.get("extension", [])
    zone = _one(parts, "zone", "valueCode")
    if not isinstance(zone, str) or not is_zone(zone):
        raise Unreadable("a rotation needs a zone: an IANA time zone")
    handover = clock_time(_one(parts, "handover", "valueTime"))
    if handover is None:
        raise Unreadable("a rotation needs a handover: a local time")
    start = _one(parts, "start", "valueDate")
    if not isinstance(start, str) or len(start) != len("2026-08-01"):
        raise Unreadable("a rotation needs a start: a full date")
    members = tuple(
        reference_of(part.get("valueReference")) for part in parts if part.get("url") == "member"
    )
    if not members or not all(members):
        raise Unreadable("a rotation needs members, each a reference")
    first = datetime.combine(datetime.fromisoformat(start).date(), handover)
    if first.year not in _YEARS:
        # Further away no clock of any zone can be followed.
        raise Unreadable(f"a rotation starts between {_YEARS.start} and {_YEARS.stop - 1}")
    return Rotation(first, _length(_one(parts, "length", "valueDuration")), zone, members)


def _length(value: Any) -> timedelta:
    quantity = value if isinstance(value, Mapping) else {}
    unit = _UNITS.get(str(quantity.get("code")))
    number = quantity.get("value")
    if unit is None or number is None or not 1 <= number <= _LONGEST / unit:
        raise Unreadable("a rotation needs a length in h, d or wk, of 26 weeks at most")
    if number != int(number):
        raise Unreadable("the length of a shift is a whole number")
    return int(number) * unit


def _override(extension: Json) -> Override:
    parts = extension.get("extension", [])
    starts, ends = period(_one(parts, "period", "valuePeriod"))
    member = reference_of(_one(parts, "member", "valueReference"))
    if not member or (starts is None and ends is None):
        raise Unreadable("an override needs a period and a member")
    if starts is not None and ends is not None and ends <= starts:
        raise Unreadable("an override ends after it starts")
    instead_of = reference_of(_one(parts, "instead-of", "valueReference")) or None
    return Override(starts, ends, member, instead_of)


def _one(parts: list[Json], url: str, value: str) -> Any:
    return next((part.get(value) for part in parts if part.get("url") == url), None)
