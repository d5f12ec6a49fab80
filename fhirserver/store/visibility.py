"""The access decision for deliveries: asked when a change is matched and again when it is sent.

A decision is remembered with the access epoch it was made under, and used again only in a transaction that sees that
same epoch. One number is read instead of the relations of everybody.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from fhirserver.auth import decide, holds_until, visible
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant
from fhirserver.kernel.resource import Stored
from fhirserver.store.ended_apps import ended_apps
from fhirserver.store.relations import relations_within

MAX_GRANTS: Final = 20_000
# An epoch that this transaction (or one of its savepoints, which have later numbers) moved itself is nobody else's yet.
_EPOCH: Final[LiteralString] = (
    "SELECT epoch, coalesce(age(xmin) > age(pg_current_xact_id_if_assigned()::xid), true) FROM access_epoch"
)


class _Known(NamedTuple):
    access: Access
    epoch: int
    asked: datetime
    until: datetime


class Visibility:
    """Answers from the relations as they stand in the asking transaction. One instance serves one process."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._known: dict[Grant, _Known] = {}

    async def access(self, tx: Transaction, owner: Grant) -> Access:
        """Return what `owner` may touch now."""
        return (await self.accesses(tx, (owner,)))[owner]

    async def access_while_held(self, tx: Transaction, owner: Grant) -> Access:
        """Return what `owner` may touch now; nothing once the app or the session it was given to is over."""
        over = await ended_apps(tx, (owner,), with_sessions=True)
        return await self.access(tx, replace(owner, scopes=()) if over else owner)

    async def accesses(self, tx: Transaction, owners: Collection[Grant]) -> Mapping[Grant, Access]:
        """Return what each of `owners` may touch now."""
        # Read before the relations: what is committed between the two makes the next one ask again.
        ((epoch, is_committed),) = await tx.execute(_EPOCH)
        found: dict[Grant, Access] = {}
        asking: list[Grant] = []
        for owner in owners:
            known = self._known.get(owner)
            if known is None or known.epoch != epoch or not known.asked <= tx.now < known.until:
                asking.append(owner)
            else:
                found[owner] = known.access
        if not asking:
            return found
        relations = await relations_within(tx, {one.principal for one in asking})
        over = await ended_apps(tx, asking)
        if len(self._known) + len(asking) > MAX_GRANTS:
            self._known.clear()
        for owner in asking:
            of = relations[owner.principal]
            held = replace(owner, scopes=()) if owner in over else owner
            access = found[owner] = decide(owner.principal, of, tx.now, held)
            if is_committed:
                until = holds_until(of, tx.now, owner)
                self._known[owner] = _Known(access, epoch, tx.now, until)
        return found

    def sees(self, access: Access, stored: Stored) -> bool:
        """Return whether `access` covers reading this version; nobody sees a deletion."""
        return not stored.deleted and visible(access, stored.type, stored.content)
