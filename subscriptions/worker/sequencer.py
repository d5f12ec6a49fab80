"""Gives committed events their numbers, per Subscription, without gaps and in order."""

import asyncio
from typing import Final

from fhirserver.kernel.ports import Transaction
from subscriptions.core.delivery import Numbered, step
from subscriptions.store import cursor_rows, event_rows
from subscriptions.store.cursor_rows import Saved
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
        held = await cursor_rows.locked(tx, subscriptions, skip_busy=True)
        if len(held) < len(subscriptions):
            await self._forget_orphans(tx, [one for one in subscriptions if one not in held])
        if not held:
            return 0
        last_numbers = [(one, claim.cursor.last_number) for one, claim in held.items()]
        counts = await event_rows.number(tx, last_numbers)
        saved = [
            Saved(held[one], step(held[one].cursor, Numbered(count), tx.now)[0])
            for one, count in counts.items()
        ]
        cursor_rows.save_later(tx, saved)
        return sum(counts.values())

    async def _forget_orphans(self, tx: Transaction, missing: list[str]) -> None:
        """Forget events of Subscriptions deleted while they were being matched."""
        existing = await cursor_rows.existing(tx, missing)
        orphans = [one for one in missing if one not in existing]
        if orphans:
            await event_rows.forget_all(tx, orphans)
