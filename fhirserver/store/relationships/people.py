"""Rows of ``staff_role``, ``person_link`` and ``team_organization``: who is who, and whose patients an organization has.

All follow resources that administrators alone may write.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from fhirserver.kernel import keys
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import PrincipalKind
from fhirserver.kernel.relationships import RosterLine
from fhirserver.kernel.resource import Json
from fhirserver.relations.fhir_period import bounds
from fhirserver.relations.on_call import reference_of
from fhirserver.store.relationships import epoch

_MOST: Final = 10_000


class PeopleRows:
    """Implements `fhirserver.kernel.relationships.People`."""

    async def organizations_of(self, tx: Transaction, staff: str) -> frozenset[str]:
        """Return the ids of the organizations in which a Practitioner or PractitionerRole (a reference) works now."""
        type_, _, id_ = staff.partition("/")
        rows = await tx.execute(
            "SELECT organization FROM staff_role WHERE tenant = %s AND organization IS NOT NULL "
            "AND CASE WHEN %s THEN role = %s ELSE practitioner = %s END "
            "AND (starts IS NULL OR starts <= %s) AND (ends IS NULL OR ends >= %s)",
            (tx.tenant, type_ == "PractitionerRole", id_, id_, tx.now, tx.now),
        )
        return frozenset(organization for (organization,) in rows)

    async def staff_roles_of(self, tx: Transaction, practitioner: str) -> frozenset[str]:
        """Return the references of the PractitionerRoles in which a Practitioner (a reference) works now."""
        rows = await tx.execute(
            "SELECT role FROM staff_role WHERE tenant = %s AND practitioner = %s "
            "AND (starts IS NULL OR starts <= %s) AND (ends IS NULL OR ends >= %s)",
            (tx.tenant, practitioner.removeprefix("Practitioner/"), tx.now, tx.now),
        )
        return frozenset(f"PractitionerRole/{role}" for (role,) in rows)

    async def roster(self, tx: Transaction, organization: str) -> Sequence[RosterLine]:
        """Return the patients of an organization's teams that are in force now, by id, at most ten thousand."""
        rows = await tx.execute(
            "SELECT patient, team, starts, ends FROM team_organization WHERE tenant = %s AND organization = %s "
            "AND (starts IS NULL OR starts <= %s) AND (ends IS NULL OR ends >= %s) ORDER BY patient, team LIMIT %s",
            (tx.tenant, organization, tx.now, tx.now, _MOST),
        )
        return [RosterLine(*row) for row in rows]

    async def teams_of(self, tx: Transaction, patient: str) -> Sequence[str]:
        """Return the ids of the active CareTeams of `patient` that have members."""
        rows = await tx.execute(
            "SELECT DISTINCT team FROM care_membership WHERE bucket = %s AND tenant = %s AND patient = %s ORDER BY team",
            (tx.bucket(patient, "", ""), tx.tenant, patient),
        )
        return [team for (team,) in rows]

    async def roles_of(self, tx: Transaction, reference: str) -> Sequence[str]:
        """Return the references that are the same human, by an active Person; `reference` itself first."""
        rows = await tx.execute(
            "SELECT DISTINCT other.target FROM person_link known JOIN person_link other "
            "ON other.bucket = known.bucket AND other.tenant = known.tenant AND other.person = known.person "
            "WHERE known.tenant = %s AND known.target = %s AND other.target <> %s ORDER BY other.target",
            (tx.tenant, reference, reference),
        )
        return [reference, *(target for (target,) in rows)]

    async def person_of(self, tx: Transaction, reference: str) -> str | None:
        """Return the id of the active Person that links to `reference`, None without one."""
        rows = await tx.execute(
            "SELECT person FROM person_link WHERE tenant = %s AND target = %s ORDER BY person LIMIT 1",
            (tx.tenant, reference),
        )
        return str(rows[0][0]) if rows else None

    async def acts_as(self, tx: Transaction, account: str, references: Sequence[str]) -> bool:
        """Return whether the account (its id) may act as one of `references`."""
        rows = await tx.execute(
            "SELECT 1 FROM account_role WHERE tenant = %s AND account = %s AND reference = ANY (%s::text[])",
            (tx.tenant, UUID(account), list(references)),
        )
        return bool(rows)

    async def let_act(
        self, tx: Transaction, known: str, kind: PrincipalKind, reference: str
    ) -> int:
        """Let every account that acts as `known` act as `reference` too; return how many there are."""
        rows = await tx.execute(
            "INSERT INTO account_role (tenant, account, kind, reference, since) "
            "SELECT DISTINCT tenant, account, %s::text, %s::text, %s::timestamptz FROM account_role "
            "WHERE tenant = %s AND reference = %s ON CONFLICT DO NOTHING RETURNING account",
            (kind, reference, tx.now, tx.tenant, known),
        )
        return len(rows)


async def follow_role(tx: Transaction, role: str, resource: Json | None) -> None:
    """Bring the row of a PractitionerRole in step with what it says now."""
    await tx.execute(
        "DELETE FROM staff_role WHERE bucket = %s AND tenant = %s AND role = %s",
        (_bucket(tx, "PractitionerRole", role), tx.tenant, role),
    )
    if resource is not None and resource.get("active") is not False:
        starts, ends = bounds(resource.get("period"))
        await tx.execute(
            "INSERT INTO staff_role (bucket, tenant, role, practitioner, organization, starts, ends) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                _bucket(tx, "PractitionerRole", role),
                tx.tenant,
                role,
                _id(resource.get("practitioner"), "Practitioner"),
                _id(resource.get("organization"), "Organization"),
                starts,
                ends,
            ),
        )
    await epoch.move(tx)


async def follow_person(tx: Transaction, person: str, resource: Json | None) -> None:
    """Bring the links of a Person in step with what it says now."""
    bucket = _bucket(tx, "Person", person)
    await tx.execute(
        "DELETE FROM person_link WHERE bucket = %s AND tenant = %s AND person = %s",
        (bucket, tx.tenant, person),
    )
    if resource is None or resource.get("active") is False:
        return
    targets = {reference_of(link.get("target")) for link in resource.get("link", ())} - {""}
    await tx.execute(
        "INSERT INTO person_link (bucket, tenant, person, target) SELECT %s, %s, %s, unnest(%s::text[])",
        (bucket, tx.tenant, person, sorted(targets)),
    )


def _bucket(tx: Transaction, type_: str, id_: str) -> int:
    return keys.bucket_of(tx.tenant, type_, id_)


def _id(reference: Any, type_: str) -> str | None:
    kind, _, id_ = reference_of(reference).partition("/")
    return id_ if kind == type_ and id_ else None
