"""Gives committed events their numbers, per Subscription, without gaps and in order."""

import asyncio
from typing import Final

from fhirserver.kernel.ports import Transaction
from subscriptions.core.delivery import wakes
from subscriptions.store import cursor_rows, event_rows, numbering_rows
from subscriptions.store.cursor_rows import BY_SOCKET
from subscriptions.store.numbering_rows import Counter
from subscriptions.worker.ports import Scan, Transactions

_AT_ONCE: Final = 500
_BEGINNING: Final = (-1, "")


class Sequencer:
    """Numbers events; sets `numbered` when there is something new to deliver."""

    def __init__(self, *, transactions: Transactions, scan: Scan, numbered: asyncio.Event) -> None:
        """Work through `transactions`, find by `scan`."""
        self._transactions = transactions
        self._scan = scan
        self._numbered = numbered
        self._behind = _BEGINNING

    async def run_due(self) -> int:
        """Number committed events, all of a tenant's in one transaction; return how many."""
        rows = await self._scan(event_rows.UNNUMBERED, (*self._behind, _AT_ONCE))
        # However many are waiting, each has its turn.
        self._behind = (rows[-1][0], rows[-1][1]) if len(rows) == _AT_ONCE else _BEGINNING
        waiting: dict[int, list[str]] = {}
        for tenant, subscription in rows:
            waiting.setdefault(tenant, []).append(subscription)
        done = 0
        for tenant, subscriptions in waiting.items():
            async with self._transactions(tenant) as tx:
                done += await self._number(tx, subscriptions)
        if done:
            self._numbered.set()
        return done

    async def _number(self, tx: Transaction, subscriptions: list[str]) -> int:
        held = await numbering_rows.free(tx, subscriptions)
        if len(held) < len(subscriptions):
            locked = {one.subscription for one in held}
            await self._forget_orphans(tx, [one for one in subscriptions if one not in locked])
        if not held:
            return 0
        return await numbering_rows.number(tx, [(one, _wakes(one)) for one in held])

    async def _forget_orphans(self, tx: Transaction, missing: list[str]) -> None:
        """Forget events of Subscriptions deleted while they were being matched."""
        existing = await cursor_rows.existing(tx, missing)
        orphans = [one for one in missing if one not in existing]
        if orphans:
            await event_rows.forget_all(tx, orphans)


def _wakes(counter: Counter) -> bool:
    return wakes(
        counter.status,
        by_socket=counter.channel == BY_SOCKET,
        is_failing=counter.failing_since is not None,
        is_due=counter.due_at is not None,
    )
