"""Rows of ``care_membership`` and ``team_organization``: whom a patient's CareTeam lets in.

They follow the resource: who may write which members is decided before it is stored, in
`fhirserver.relations.care_team`.
"""

from collections.abc import Sequence

from fhirserver.definitions.patient_of import patient_id
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Membership
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import managed_by
from fhirserver.relations.fhir_period import bounds, earliest, latest
from fhirserver.store.relationships import epoch, on_call
from fhirserver.store.relationships.roles import role_of


async def follow(tx: Transaction, change: Change) -> None:
    """Bring the rows of a CareTeam in step with what it says now."""
    await tx.execute(
        "DELETE FROM care_membership WHERE tenant = %s AND team = %s", (tx.tenant, change.id)
    )
    found = memberships(change.resource) if change.resource else ()
    if found:
        await tx.execute(
            "INSERT INTO care_membership (bucket, tenant, patient, team, position, member, role, starts, ends) "
            "SELECT %s, %s, %s, %s, * FROM unnest(%s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])",
            (
                change.bucket,
                tx.tenant,
                found[0].patient,
                change.id,
                list(range(len(found))),
                [one.member for one in found],
                [one.role for one in found],
                [one.starts for one in found],
                [one.ends for one in found],
            ),
        )
    await _follow_organizations(tx, change)
    await on_call.follow(tx, change)
    await epoch.move(tx)


async def _follow_organizations(tx: Transaction, change: Change) -> None:
    if change.previous is not None and managed_by(change.previous):
        await tx.execute(
            "DELETE FROM team_organization WHERE tenant = %s AND team = %s", (tx.tenant, change.id)
        )
    team = change.resource
    if team is None or team.get("status") != "active" or change.patient is None:
        return
    organizations = sorted(managed_by(team))
    if not organizations:
        return
    starts, ends = bounds(team.get("period"))
    await tx.execute(
        "INSERT INTO team_organization (bucket, tenant, team, patient, organization, starts, ends) "
        "SELECT %s, %s, %s, %s, unnest(%s::text[]), %s::timestamptz, %s::timestamptz",
        (change.bucket, tx.tenant, change.id, change.patient, organizations, starts, ends),
    )


def memberships(care_team: Json) -> Sequence[Membership]:
    """Return who a CareTeam makes a member of its patient's team; none unless it is active.

    https://hl7.org/fhir/R4/careteam.html: an absent status counts as not active, an absent period as open.
    """
    patient = patient_id((care_team.get("subject") or {}).get("reference"))
    if patient is None or care_team.get("status") != "active":
        return ()
    team_starts, team_ends = bounds(care_team.get("period"))
    found = []
    for participant in care_team.get("participant", ()):
        member = (participant.get("member") or {}).get("reference")
        if not member:
            continue
        starts, ends = bounds(participant.get("period"))
        found.append(
            Membership(
                patient,
                member,
                role_of(participant),
                latest(team_starts, starts),
                earliest(team_ends, ends),
            )
        )
    return found
