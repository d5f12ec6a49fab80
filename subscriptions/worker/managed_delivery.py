"""Delivers the server's own Subscriptions, whose channel decides for itself what a person is sent.

See `subscriptions.channels.managed`. One Subscription at a time has its own transactions: a page to
a telephone waits for nobody else's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from fhirserver.kernel.ports import Transaction
from subscriptions.channels.managed import ManagedChannel, Report
from subscriptions.core.delivery import Handed, Looked, Missed, Nothing, Send, step
from subscriptions.store import cursor_rows
from subscriptions.store.cursor_rows import Claim, Saved
from subscriptions.worker.ports import Transactions
from subscriptions.worker.settling import insist

_log = structlog.get_logger("delivery")


class ManagedDelivery:
    """Delivers through managed channels, by their code."""

    def __init__(
        self, *, channels: Mapping[str, ManagedChannel[Any]], transactions: Transactions
    ) -> None:
        """Serve `channels`, working through `transactions`."""
        self._channels = channels
        self._transactions = transactions

    async def deliver(
        self, tenant: int, subscription: str, channel: str, leased: Callable[[int], None]
    ) -> bool:
        """Deliver what one Subscription is due, telling `leased` the epoch once it is leased.

        Return whether more is due at once.
        """
        way = self._channels[channel]
        async with self._transactions(tenant) as tx:
            claims = await cursor_rows.locked(tx, [subscription], skip_busy=True)
            if subscription not in claims:
                return False
            claim = claims[subscription]
            cursor, commands = step(claim.cursor, Looked(), tx.now)
            if not any(isinstance(one, Send) for one in commands):
                cursor_rows.save_later(tx, [Saved(claim, cursor)])
                return False
            taken_over = claim.cursor.lease_until is not None
            claim = replace(claim, cursor=cursor)
            shipment = await way.prepare(tx, claim)
            if isinstance(shipment, Handed | Missed | Nothing):
                return _save(tx, claim, shipment)
            cursor_rows.save_later(tx, [Saved(claim, cursor)])
        if taken_over:
            _log.warning("lease taken over", subscription=subscription, epoch=cursor.epoch)
        leased(cursor.epoch)
        shipment = await way.send(shipment)

        async def settle() -> bool:
            async with self._transactions(tenant) as tx:
                report = await way.settle(tx, claim, shipment)
                found = await cursor_rows.locked(tx, [subscription], skip_busy=False)
                return subscription in found and _save(tx, found[subscription], report)

        return await insist(settle)


def _save(tx: Transaction, claim: Claim, report: Report) -> bool:
    cursor, _ = step(claim.cursor, report, tx.now)
    if cursor is not claim.cursor:
        handed, missed = isinstance(report, Handed), isinstance(report, Missed)
        cursor_rows.save_later(tx, [Saved(claim, cursor, int(handed), int(missed))])
    return cursor.due_at is not None and cursor.due_at <= tx.now
