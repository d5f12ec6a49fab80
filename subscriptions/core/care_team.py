"""Who stands on a patient's ladder: what a CareTeam and its members' resources say about it.

A participant with the escalation-tier extension (1 first) is told of alerts, without it is not.
https://hl7.org/fhir/R4/careteam.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fhirserver.kernel.canonical import ESCALATION_TIER
from fhirserver.kernel.resource import Json
from subscriptions.core.message import Audience, Language, language_of
from subscriptions.core.phone import phones

MEMBER_TYPES: Final = ("RelatedPerson", "Practitioner", "PractitionerRole", "Patient")
_INACTIVE: Final = frozenset(("inactive", "entered-in-error", "suspended", "proposed"))


@dataclass(frozen=True, slots=True)
class Participant:
    """A member of a CareTeam who is told of alerts between `starts` and `ends` (None is open)."""

    member: str
    tier: int
    starts: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Reach:
    """How a member is reached: `phone` in E.164 (None when there is none), `language`."""

    phone: str | None
    language: Language


def patient_of(team: Json) -> str | None:
    """Return the id of the patient a CareTeam is about, None when it is about nobody or a group."""
    reference = str(team.get("subject", {}).get("reference", ""))
    type_, _, id_ = "/".join(reference.split("/")[-2:]).partition("/")
    return id_ if type_ == "Patient" and id_ else None


def participants(team: Json) -> tuple[Participant, ...]:
    """Return who is told; of a member listed twice the lowest tier counts. () for a closed team."""
    if team.get("status") in _INACTIVE:
        return ()
    found: dict[str, Participant] = {}
    for participant in _told(team):
        known = found.get(participant.member)
        if known is None or participant.tier < known.tier:
            found[participant.member] = participant
    return tuple(found.values())


def _told(team: Json) -> Iterator[Participant]:
    team_starts, team_ends = period(team.get("period"))
    for entry in team.get("participant", []):
        tier = next(
            (
                e.get("valuePositiveInt")
                for e in entry.get("extension", [])
                if e.get("url") == ESCALATION_TIER
            ),
            None,
        )
        member = "/".join(str(entry.get("member", {}).get("reference", "")).split("/")[-2:])
        if not isinstance(tier, int) or member.partition("/")[0] not in MEMBER_TYPES:
            continue
        starts, ends = period(entry.get("period"))
        yield Participant(member, tier, _latest(team_starts, starts), _earliest(team_ends, ends))


def reach(member: Json, fallback: Json | None = None) -> Reach:
    """Return how `member` is reached; `fallback` is the Practitioner behind a PractitionerRole."""
    for resource in (member, fallback):
        if resource is not None and (found := phones(resource.get("telecom", []))):
            return Reach(found[0], _language(member, fallback))
    return Reach(None, _language(member, fallback))


def audience(member: str) -> Audience:
    """Return in which words `member` is spoken to."""
    type_ = member.partition("/")[0]
    if type_ == "Patient":
        return "patient"
    return "partner" if type_ == "RelatedPerson" else "professional"


def is_professional(member: str) -> bool:
    """Return whether `member` is staff rather than family or the patient."""
    return member.startswith(("Practitioner/", "PractitionerRole/"))


def period(value: Any) -> tuple[datetime | None, datetime | None]:
    """Return the bounds of a FHIR Period; a date covers its whole day (UTC)."""
    if not isinstance(value, Mapping):
        return None, None
    return _bound(value.get("start"), end=False), _bound(value.get("end"), end=True)


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


def _language(member: Json, fallback: Json | None) -> Language:
    for resource in (member, fallback):
        entries = [] if resource is None else resource.get("communication", [])
        preferred = [e for e in entries if e.get("preferred")] or entries
        for entry in preferred:
            concept = entry.get("language", entry)
            for coding in concept.get("coding", []):
                return language_of(coding.get("code"))
    return "en"


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((m for m in (one, other) if m is not None), default=None)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((m for m in (one, other) if m is not None), default=None)
