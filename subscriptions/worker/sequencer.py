"""Gives committed events their numbers, per Subscription, without gaps and in order."""

import asyncio

from fhirserver.kernel.ports import Transaction
from subscriptions.store import cursor_rows, event_rows
from subscriptions.worker.ports import Scan, Transactions


class Sequencer:
    """Numbers events; sets `numbered` when there is something new to deliver."""

    def __init__(self, *, transactions: Transactions, scan: Scan, numbered: asyncio.Event) -> None:
        """Work through `transactions`, find by `scan`."""
        self._transactions = transactions
        self._scan = scan
        self._numbered = numbered

    async def run_due(self) -> int:
        """Number every committed event; return how many there were."""
        waiting: dict[int, list[str]] = {}
        for tenant, subscription in await self._scan(event_rows.UNNUMBERED, ()):
            waiting.setdefault(tenant, []).append(subscription)
        done = 0
        for tenant, subscriptions in waiting.items():
            for subscription in sorted(subscriptions):
                async with self._transactions(tenant) as tx:
                    done += await self._number(tx, subscription)
        if done:
            self._numbered.set()
        return done

    async def _number(self, tx: Transaction, subscription: str) -> int:
        held = await cursor_rows.lock_for_numbering(tx, subscription)
        if held is None:
            if not await cursor_rows.exists(tx, subscription):
                await event_rows.forget_all(tx, subscription)
            return 0
        last_number, _ = held
        count = await event_rows.number(tx, subscription, last_number)
        if count:
            await cursor_rows.numbered_through(tx, subscription, last_number + count)
        return count
