"""Delivers: leases due Subscriptions and lets their channel prepare, send and settle.

One task per Subscription, a bounded number of them per lane: a slow endpoint holds its own task and
nobody else's. Telephones have a lane of their own.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable
from subscriptions.channels.channel import Channel
from subscriptions.core.timing import BEAT, LEASE
from subscriptions.store import cursor_rows
from subscriptions.store.cursor_rows import Claim
from subscriptions.worker.ports import Clock, Scan, Transactions

_log = structlog.get_logger("delivery")
LANE_WIDTH: Final = 256
_SETTLE_TRIES: Final = 5


class Delivery:
    """Finds due Subscriptions in all tenants and delivers each through its channel."""

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel[Any]],
        transactions: Transactions,
        scan: Scan,
        clock: Clock,
    ) -> None:
        """Serve the Subscriptions of `channels` (by channel type); others are left alone."""
        self._channels = channels
        self._transactions = transactions
        self._scan = scan
        self._clock = clock
        self._in_flight: dict[tuple[int, str], str] = {}

    async def start_due(self, tasks: asyncio.TaskGroup) -> int:
        """Start a task for everything due that has none yet; return how many were started."""
        now = self._clock()
        started = 0
        for tenant, _, subscription, channel in await self._scan(cursor_rows.DUE, (now, now)):
            key = (tenant, subscription)
            if channel not in self._channels or key in self._in_flight or self._is_full(channel):
                continue
            self._in_flight[key] = channel
            tasks.create_task(self._deliver(tenant, subscription, channel))
            started += 1
        return started

    def _is_full(self, channel: str) -> bool:
        return sum(1 for lane in self._in_flight.values() if lane == channel) >= LANE_WIDTH

    async def _deliver(self, tenant: int, subscription: str, channel: str) -> None:
        try:
            await self.deliver(tenant, subscription, self._channels[channel])
        except (Conflict, Unavailable) as problem:
            _log.info("to be tried again", problem=type(problem).__name__)
        except Exception as problem:  # noqa: BLE001 - one Subscription must not stop the others
            _log.error("delivery failed", problem=type(problem).__name__, channel=channel)
        finally:
            del self._in_flight[tenant, subscription]

    async def deliver(self, tenant: int, subscription: str, channel: Channel[Any]) -> bool:
        """Deliver what one Subscription is due; False when it was not due or not free."""
        async with self._transactions(tenant) as tx:
            claim = await cursor_rows.claim(tx, subscription, LEASE)
            if claim is None:
                return False
            shipment = await channel.prepare(tx, claim)
        if claim.taken_over:
            _log.warning("lease taken over", subscription=subscription, epoch=claim.epoch)
        if shipment is None:
            return True
        beating = asyncio.ensure_future(self._beat(tenant, claim))
        try:
            shipment = await channel.send(shipment)
            await self._settle(tenant, claim, channel, shipment)
        finally:
            beating.cancel()
        return True

    async def _settle(
        self, tenant: int, claim: Claim, channel: Channel[Any], shipment: Any
    ) -> None:
        """Record the result, again when a concurrent change won: what was sent is sent."""
        for _ in range(_SETTLE_TRIES - 1):
            try:
                async with self._transactions(tenant) as tx:
                    await channel.settle(tx, claim, shipment)
                return
            except Conflict:
                await asyncio.sleep(0.05)
        async with self._transactions(tenant) as tx:
            await channel.settle(tx, claim, shipment)

    async def _beat(self, tenant: int, claim: Claim) -> None:
        while True:
            await asyncio.sleep(BEAT.total_seconds())
            try:
                async with self._transactions(tenant) as tx:
                    if not await cursor_rows.beat(tx, claim.subscription, claim.epoch, LEASE):
                        return
            except (Conflict, Unavailable):
                continue
