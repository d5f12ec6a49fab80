"""Forgets what is no longer owed to anybody: old events, codes that ended, messages acted on."""

from datetime import timedelta
from typing import Final

from subscriptions.core.timing import KEEP_EVENTS
from subscriptions.store import event_rows, inbound_rows, reply_code_rows
from subscriptions.worker.ports import Clock, Scan, Transactions

# A late duplicate of a message could act again after this; the company stops trying within minutes.
KEEP_MESSAGES: Final = timedelta(days=7)


class Retention:
    """Deletes in small steps, tenant by tenant."""

    def __init__(self, *, transactions: Transactions, scan: Scan, clock: Clock) -> None:
        """Work through `transactions`, find by `scan`."""
        self._transactions = transactions
        self._scan = scan
        self._clock = clock

    async def run_due(self) -> None:
        """Delete one step of everything that has outlived its time."""
        now = self._clock()
        for (tenant,) in await self._scan(event_rows.EXPIRED, (now - KEEP_EVENTS,)):
            async with self._transactions(tenant) as tx:
                await event_rows.forget_before(tx, now - KEEP_EVENTS)
        for (tenant,) in await self._scan(reply_code_rows.EXPIRED, (now,)):
            async with self._transactions(tenant) as tx:
                await reply_code_rows.forget_before(tx, now)
        for (tenant,) in await self._scan(inbound_rows.EXPIRED, (now - KEEP_MESSAGES,)):
            async with self._transactions(tenant) as tx:
                await inbound_rows.forget_before(tx, now - KEEP_MESSAGES)
