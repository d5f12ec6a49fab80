"""What of a CareTeam gives rights or decides who is called, and who may change that.

A CareTeam says who belongs to a patient's team; it must not be a back door to the record. Whoever may
write CareTeams may correct its name or its notes; its members, their roles, tiers and periods, its
status, subject and managing organizations are changed by those who administer it alone: the tenant's
administrators, an administrator of one of its managing organizations, and its owners, who are
participants with the extension ``care-team-admin``.

https://hl7.org/fhir/R4/careteam.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.canonical import CARE_TEAM_ADMIN, ESCALATION_TIER
from fhirserver.kernel.errors import (
    FhirError,
    Forbidden,
    PreconditionFailed,
    Problem,
    Unprocessable,
)
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.relations.fhir_period import holds
from fhirserver.relations.on_call import INACTIVE, reference_of

# Extensions of a participant that say how, not whether, somebody is called are rights too: they can silence.
_TEAM_RIGHTS: Final = (
    "category",
    "extension",
    "managingOrganization",
    "participant",
    "period",
    "subject",
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes.

    `organizations` are the ids of those a clinic administrator administers, `roles` the references of
    the PractitionerRoles in which a practitioner works.
    """

    principal: Principal
    organizations: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Write:
    """How it is written: `expected`: under If-Match. `patched`: every change was named by a patch."""

    expected: bool = False
    patched: bool = False


def tier_of(participant: Mapping[str, Any]) -> int | None:
    """Return on which tier of the ladder a participant stands, None for none."""
    value = _extension(participant, ESCALATION_TIER, "valuePositiveInt")
    return value if isinstance(value, int) else None


def is_owner(participant: Mapping[str, Any]) -> bool:
    """Return whether a participant may administer the team."""
    return _extension(participant, CARE_TEAM_ADMIN, "valueBoolean") is True


def owners(team: Json, at: datetime) -> frozenset[str]:
    """Return the references of those who own an active `team` at that time."""
    if team.get("status") in INACTIVE or not holds(team.get("period"), at):
        return frozenset()
    return frozenset(
        reference_of(one.get("member"))
        for one in team.get("participant", ())
        if is_owner(one) and holds(one.get("period"), at)
    )


def managed_by(team: Json) -> frozenset[str]:
    """Return the ids of the organizations that manage a team."""
    references = [reference_of(one) for one in team.get("managingOrganization", ())]
    return frozenset(one.partition("/")[2] for one in references if one.startswith("Organization/"))


def administers(writer: Writer, team: Json, at: datetime) -> bool:
    """Return whether `writer` may say who belongs to `team`, as it stands."""
    if writer.principal.is_unbound:
        return True
    if writer.principal.kind == "clinic-admin":
        return bool(writer.organizations & managed_by(team))
    names = writer.roles | {writer.principal.reference}
    return writer.principal.kind == "practitioner" and bool(names & owners(team, at))


def refusal(
    writer: Writer, team: Json | None, previous: Json | None, write: Write, at: datetime
) -> FhirError | None:
    """Return why `writer` may not put `team` in the place of `previous`, None when they may.

    `team` None: it is to be deleted. `previous` None: it is new.
    """
    before, after = _rights(previous), _rights(team)
    if before == after:
        return None
    if not _may_change(writer, team, previous, at):
        return Forbidden(
            "Who belongs to a care team, on which tier and in which role, is changed by its owners "
            "(participants marked as care-team-admin), by administrators of an organization that "
            "manages it, and by administrators."
        )
    if team is None or previous is None or not before:
        return None
    dropped = [] if write.patched or not after else list(_dropped(team, previous))
    if dropped:
        return Unprocessable("The care team would lose what rules its ladder.", problems=dropped)
    if (
        not write.expected
        and not writer.principal.is_unbound
        and _marks(team.get("participant", ())) != _marks(previous.get("participant", ()))
    ):
        return PreconditionFailed(
            "Tiers and owners of a care team are changed under If-Match, with its current version."
        )
    return None


def _may_change(writer: Writer, team: Json | None, previous: Json | None, at: datetime) -> bool:
    if writer.principal.is_unbound:
        return True
    if previous is not None and _rights(previous):
        if not administers(writer, previous, at):
            return False
    elif writer.principal.kind != "clinic-admin":
        return False
    if writer.principal.kind == "practitioner" and _is_moved(team, previous):
        # Who owns the team of one patient has no say in who belongs to another one.
        return False
    if writer.principal.kind != "clinic-admin" or team is None:
        return True
    # Nobody hands a team, and its patient, to an organization that is not theirs.
    handed = managed_by(team) - (managed_by(previous) if previous is not None else frozenset())
    return bool(managed_by(team) & writer.organizations) and handed <= writer.organizations


def _is_moved(team: Json | None, previous: Json | None) -> bool:
    """Return whether the team would become that of somebody else."""
    if team is None or previous is None:
        return False
    return reference_of(team.get("subject")) != reference_of(previous.get("subject"))


def _rights(team: Json | None) -> Mapping[str, Any]:
    """Return the elements that give rights; a team that is not in force gives none."""
    if team is None or team.get("status") in INACTIVE:
        return {}
    found = {name: team[name] for name in _TEAM_RIGHTS if team.get(name)}
    # A team without members and without a manager lets nobody in.
    if not found.keys() & {"participant", "managingOrganization", "extension"}:
        return {}
    return found


def _marks(participants: Any) -> dict[str, tuple[int | None, bool]]:
    return {
        reference_of(one.get("member")): (tier_of(one), is_owner(one))
        for one in participants
        if tier_of(one) is not None or is_owner(one)
    }


def _dropped(team: Json, previous: Json) -> Iterator[Problem]:
    """Name the members who stay and lose their tier or ownership by being sent without it."""
    before, after = _marks(previous.get("participant", ())), _marks(team.get("participant", ()))
    for index, one in enumerate(team.get("participant", ())):
        tier, owner = before.get(reference_of(one.get("member")), (None, False))
        now_tier, now_owner = after.get(reference_of(one.get("member")), (None, False))
        where = f"CareTeam.participant[{index}].extension"
        if tier is not None and now_tier is None:
            text = (
                f"This member was on tier {tier} and would be on none. Send the extension "
                "escalation-tier along, or take it away by a patch."
            )
            yield Problem("error", "business-rule", where, text)
        if owner and not now_owner:
            text = (
                "This member owned the team and would not any more. Send the extension "
                "care-team-admin along, or take it away by a patch."
            )
            yield Problem("error", "business-rule", where, text)


def _extension(element: Mapping[str, Any], url: str, value: str) -> Any:
    for extension in element.get("extension", ()):
        if extension.get("url") == url:
            return extension.get(value)
    return None
