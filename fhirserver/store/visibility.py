"""The access decision for deliveries: asked when a change is matched and again when it is sent."""

from collections.abc import Collection, Mapping

from fhirserver.auth import decide, visible
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant
from fhirserver.kernel.resource import Stored
from fhirserver.store.relations import relations_within


class Visibility:
    """Answers from the relations as they stand in the asking transaction."""

    async def access(self, tx: Transaction, owner: Grant) -> Access:
        """Return what `owner` may touch now."""
        return (await self.accesses(tx, (owner,)))[owner]

    async def accesses(self, tx: Transaction, owners: Collection[Grant]) -> Mapping[Grant, Access]:
        """Return what each of `owners` may touch now."""
        found = await relations_within(tx, {one.principal for one in owners})
        return {one: decide(one.principal, found[one.principal], tx.now, one) for one in owners}

    def sees(self, access: Access, stored: Stored) -> bool:
        """Return whether `access` covers reading this version; nobody sees a deletion."""
        return not stored.deleted and visible(access, stored.type, stored.content)
