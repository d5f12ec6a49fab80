"""Forgets what is no longer owed to anybody: old events, attempts, codes that ended, messages acted on."""

from datetime import timedelta
from typing import Final

from subscriptions.core.timing import KEEP_EVENTS
from subscriptions.store import (
    attempt_rows,
    dead_letter_rows,
    event_rows,
    inbound_rows,
    reply_code_rows,
)
from subscriptions.worker.ports import Clock, Scan, Transactions

# A late duplicate of a message could act again after this; the company stops trying within minutes.
KEEP_MESSAGES: Final = timedelta(days=7)
# What was tried at a person is asked about after an alarm; the record itself has the Communications.
KEEP_PAGES: Final = timedelta(days=30)
KEEP_DEAD_LETTERS: Final = timedelta(days=30)
_STEPS: Final = 200


class Retention:
    """Deletes in small steps, tenant by tenant."""

    def __init__(self, *, transactions: Transactions, scan: Scan, clock: Clock) -> None:
        """Work through `transactions`, find by `scan`."""
        self._transactions = transactions
        self._scan = scan
        self._clock = clock

    async def run_due(self) -> None:
        """Delete everything that has outlived its time."""
        now = self._clock()
        kept = now - KEEP_EVENTS
        for (tenant,) in await self._scan(event_rows.EXPIRED, (kept,)):
            for _ in range(_STEPS):
                async with self._transactions(tenant) as tx:
                    if not await event_rows.forget_before(tx, kept):
                        break
        for (tenant,) in await self._scan(attempt_rows.EXPIRED, (kept,)):
            for _ in range(_STEPS):
                async with self._transactions(tenant) as tx:
                    if not await attempt_rows.forget_before(tx, kept, now - KEEP_PAGES):
                        break
        letters = now - KEEP_DEAD_LETTERS
        for (tenant,) in await self._scan(dead_letter_rows.EXPIRED, (letters,)):
            async with self._transactions(tenant) as tx:
                await dead_letter_rows.forget_before(tx, letters)
        for (tenant,) in await self._scan(reply_code_rows.EXPIRED, (now,)):
            async with self._transactions(tenant) as tx:
                await reply_code_rows.forget_before(tx, now)
        for (tenant,) in await self._scan(inbound_rows.EXPIRED, (now - KEEP_MESSAGES,)):
            async with self._transactions(tenant) as tx:
                await inbound_rows.forget_before(tx, now - KEEP_MESSAGES)
