"""Who stands on a patient's ladder: what a CareTeam and its members' resources say about it.

A participant with the escalation-tier extension (1 first) is told of alerts, without it is not. A
participant may be another CareTeam, of category ``on-call``: whoever is on duty there is told.
https://hl7.org/fhir/R4/careteam.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from fhirserver.relations import on_call
from fhirserver.relations.care_team import tier_of
from fhirserver.relations.fhir_period import earliest, latest, period
from fhirserver.relations.on_call import INACTIVE, Unreadable, is_on_call, reference_of
from subscriptions.core.contact_plan import AS_USUAL, Plan, plan_of
from subscriptions.core.message import Audience, Language, language_of
from subscriptions.core.phone import phones

MEMBER_TYPES: Final = ("RelatedPerson", "Practitioner", "PractitionerRole", "Patient")


@dataclass(frozen=True, slots=True)
class Participant:
    """A member of a CareTeam who is told of alerts between `starts` and `ends` (None is open)."""

    member: str
    tier: int
    starts: datetime | None
    ends: datetime | None
    plan: Plan = AS_USUAL


@dataclass(frozen=True, slots=True)
class Reach:
    """How a member is reached: `phone` in E.164 (None when there is none), `language`.

    `behind` is the reference of the Practitioner asked on behalf of a PractitionerRole.
    """

    phone: str | None
    language: Language
    behind: str | None = None


def patient_of(team: Json) -> str | None:
    """Return the id of the patient a CareTeam is about, None when it is about nobody or a group."""
    type_, _, id_ = reference_of(team.get("subject")).partition("/")
    return id_ if type_ == "Patient" and id_ else None


def merged_into(patient: Json | None) -> str | None:
    """Return the id of the patient whose record replaces this one, None where none does."""
    for link in [] if patient is None else patient.get("link", []):
        reference = reference_of(link.get("other"))
        if link.get("type") == "replaced-by" and reference.startswith("Patient/"):
            return reference.partition("/")[2]
    return None


def organizations_of(team: Json) -> tuple[str, ...]:
    """Return the ids of the organizations a team on call answers for."""
    references = [reference_of(one) for one in team.get("managingOrganization", [])]
    return tuple(one.partition("/")[2] for one in references if one.startswith("Organization/"))


def participants(team: Json) -> tuple[Participant, ...]:
    """Return who is told; of a member listed twice the lowest tier counts. () for a closed team.

    For a team on call: everybody who may come on duty, all of tier 1 unless it says otherwise.
    """
    if team.get("status") in INACTIVE:
        return ()
    found: dict[str, Participant] = {}
    for participant in _told(team):
        known = found.get(participant.member)
        if known is None or participant.tier < known.tier:
            found[participant.member] = participant
    return tuple(found.values())


def check(team: Json) -> list[Problem]:
    """Return everything in a CareTeam that the ladder could not follow, located."""
    problems = []
    for index, entry in enumerate(team.get("participant", [])):
        try:
            plan_of({}, entry)
        except ValueError as problem:
            where = f"CareTeam.participant[{index}].extension"
            problems.append(Problem("error", "invalid", where, str(problem)))
    try:
        plan_of(team, {})
        on_call.read_schedule(team)
    except ValueError as problem:
        problems.append(Problem("error", "invalid", "CareTeam.extension", str(problem)))
    return problems


def _told(team: Json) -> Iterator[Participant]:
    team_starts, team_ends = period(team.get("period"))
    on_duty = patient_of(team) is None and is_on_call(team)
    for entry in team.get("participant", []):
        tier = tier_of(entry)
        member = reference_of(entry.get("member"))
        known_type = member.partition("/")[0] in (*MEMBER_TYPES, "CareTeam")
        if not known_type or (tier is None and not on_duty):
            continue
        starts, ends = period(entry.get("period"))
        yield Participant(
            member,
            tier or 1,
            latest(team_starts, starts),
            earliest(team_ends, ends),
            _plan(team, entry),
        )
    if on_duty:
        for member in _scheduled(team):
            yield Participant(member, 1, team_starts, team_ends)


def _plan(team: Json, entry: Json) -> Plan:
    """Return the plan; a team stored before its plan was checked is called in the usual way."""
    try:
        return plan_of(team, entry)
    except ValueError:
        return AS_USUAL


def _scheduled(team: Json) -> tuple[str, ...]:
    try:
        return on_call.everybody(team)
    except Unreadable:
        return ()


def reach(member: Json, fallback: Json | None = None) -> Reach:
    """Return how `member` is reached; `fallback` is the Practitioner behind a PractitionerRole."""
    behind = reference_of(member.get("practitioner")) or None
    for resource in (member, fallback):
        if resource is not None and (found := phones(resource.get("telecom", []))):
            return Reach(found[0], _language(member, fallback), behind)
    return Reach(None, _language(member, fallback), behind)


def audience(member: str) -> Audience:
    """Return in which words `member` is spoken to."""
    type_ = member.partition("/")[0]
    if type_ == "Patient":
        return "patient"
    return "partner" if type_ == "RelatedPerson" else "professional"


def is_professional(member: str) -> bool:
    """Return whether `member` is staff rather than family or the patient."""
    return member.startswith(("Practitioner/", "PractitionerRole/"))


def _language(member: Json, fallback: Json | None) -> Language:
    for resource in (member, fallback):
        entries = [] if resource is None else resource.get("communication", [])
        preferred = [e for e in entries if e.get("preferred")] or entries
        for entry in preferred:
            concept = entry.get("language", entry)
            for coding in concept.get("coding", []):
                return language_of(coding.get("code"))
    return "en"
