"""The access decision for deliveries: asked when a change is matched and again when it is sent."""

from collections.abc import Collection, Mapping

from fhirserver.auth import decide, visible
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Membership, Principal
from fhirserver.kernel.resource import Stored


class Visibility:
    """Answers from the memberships as they stand in the asking transaction."""

    async def access(self, tx: Transaction, owner: Principal) -> Access:
        """Return what `owner` may touch now."""
        return (await self.accesses(tx, (owner,)))[owner]

    async def accesses(
        self, tx: Transaction, owners: Collection[Principal]
    ) -> Mapping[Principal, Access]:
        """Return what each of `owners` may touch now."""
        asked = sorted({one.reference for one in owners if one.reference})
        rows = (
            await tx.execute(
                "SELECT patient, member, role, starts, ends FROM care_membership "
                "WHERE tenant = %s AND member = ANY (%s::text[])",
                (tx.tenant, asked),
            )
            if asked
            else ()
        )
        memberships: dict[str, list[Membership]] = {}
        for row in rows:
            memberships.setdefault(row[1], []).append(Membership(*row))
        return {one: decide(one, memberships.get(one.reference, ()), tx.now) for one in owners}

    def sees(self, access: Access, stored: Stored) -> bool:
        """Return whether `access` covers reading this version; nobody sees a deletion."""
        return not stored.deleted and visible(access, stored.type, stored.content)
