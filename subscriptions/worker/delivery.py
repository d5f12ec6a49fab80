"""Delivers: takes due Subscriptions, sends for each at the same time, records what became of it.

Whatever is due is leased many at a time; each is then sent by a task of its own, so a slow endpoint
holds its own task and nobody else's; results are recorded many at a time. How many may be under way
is bounded by `subscriptions.core.lanes`, alarms first. What happens to a Subscription is decided by
`subscriptions.core.delivery`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable
from subscriptions.channels.channel import Channel, Failure
from subscriptions.channels.managed import ManagedChannel
from subscriptions.core.delivery import Handed, Missed
from subscriptions.core.timing import LEASE
from subscriptions.store import cursor_rows
from subscriptions.store.cursor_rows import Due, Lease
from subscriptions.worker.claiming import Claiming
from subscriptions.worker.flights import Flights
from subscriptions.worker.managed_delivery import ManagedDelivery
from subscriptions.worker.parcels import Parcels, Shipment
from subscriptions.worker.ports import Surroundings
from subscriptions.worker.settling import Result, Settling

_log = structlog.get_logger("delivery")
_PER_TRANSACTION: Final = 32
# Transactions that take Subscriptions at the same time: others need connections too.
_TAKING: Final = 3
# Beyond the time a channel is given.
_GRACE_SECONDS: Final = 5.0
# How long a process that is told to stop waits for answers.
_LANDING_SECONDS: Final = 5.0
_LANDING_STEPS: Final = 100


class Delivery:
    """Finds due Subscriptions in all tenants and delivers each through its channel."""

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        managed: Mapping[str, ManagedChannel[Any]],
        parcels: Parcels,
        around: Surroundings,
        due: asyncio.Event,
    ) -> None:
        """Serve `channels` of clients and `managed` ones, by their codes; others are left alone.

        `due` is set when there is more to do at once.
        """
        transactions = around.transactions
        self._channels = channels
        self._managed = managed
        self._transactions = transactions
        self._scan = around.scan
        self._clock = around.clock
        self._draw = around.draw
        self._due = due
        self._flights = Flights()
        self._taking = asyncio.Semaphore(_TAKING)
        self._claiming = Claiming(
            channels=channels, parcels=parcels, transactions=transactions, is_well=around.is_well
        )
        self._people = ManagedDelivery(channels=managed, transactions=transactions)
        self._settling = Settling(
            channels=channels, transactions=transactions, settled=self._settled
        )

    async def start_due(self, tasks: asyncio.TaskGroup) -> int:
        """Start tasks for everything due that has a free place; return how many Subscriptions."""
        now = self._clock()
        codes = [*self._channels, *self._managed]
        places = dict(self._flights.places(now))
        arguments = cursor_rows.due_arguments(now, codes, places)
        found = [Due(*row) for row in await self._scan(cursor_rows.DUE, arguments)]
        started: list[Due] = []
        for one in found:
            if (one.tenant, one.subscription) not in self._flights and places[one.lane] > 0:
                places[one.lane] -= 1
                started.append(one)
        shared: dict[tuple[int, str], list[str]] = {}
        for one in started:
            self._flights.begin((one.tenant, one.subscription), one.lane, now)
            if one.channel in self._managed:
                tasks.create_task(self._to_person(one))
            else:
                shared.setdefault((one.tenant, one.lane), []).append(one.subscription)
        for (tenant, lane), several in shared.items():
            for first in range(0, len(several), _PER_TRANSACTION):
                some = several[first : first + _PER_TRANSACTION]
                tasks.create_task(self._take(tasks, tenant, some, urgent=lane == "alert"))
        return len(started)

    async def beat(self) -> None:
        """Extend the leases of everything under way; break off what was taken over or edited."""
        for tenant, held in self._flights.held().items():
            async with self._transactions(tenant) as tx:
                kept = await cursor_rows.renew(tx, held, LEASE)
            for lease in held:
                if lease.subscription not in kept:
                    self._flights.break_off(tenant, lease)

    async def land(self) -> None:
        """Wait a few seconds for what is being sent, then break the rest off.

        Its leases end by themselves, and whoever takes them over sends again.
        """
        for _ in range(_LANDING_STEPS):
            if not self._flights:
                return
            await asyncio.sleep(_LANDING_SECONDS / _LANDING_STEPS)
        self._flights.break_off_all()

    async def _to_person(self, one: Due) -> None:
        key = (one.tenant, one.subscription)
        more = False
        try:
            more = await self._people.deliver(
                one.tenant, one.subscription, one.channel, partial(self._leased, key)
            )
        except (Conflict, Unavailable) as problem:
            _log.info("to be tried again", problem=type(problem).__name__)
        except Exception as problem:  # noqa: BLE001 - one Subscription must not stop the others
            _log.error("delivery failed", problem=type(problem).__name__, channel=one.channel)
        finally:
            self._settled(*key, more=more)

    def _leased(self, key: tuple[int, str], epoch: int) -> None:
        self._flights.leased(key[0], Lease(key[1], epoch), self._clock())

    async def _take(
        self, tasks: asyncio.TaskGroup, tenant: int, subscriptions: Sequence[str], *, urgent: bool
    ) -> None:
        """Lease `subscriptions` and start sending; those that turn out not to be due are let go."""
        going: set[str] = set()
        try:
            if urgent:
                taken = await self._claiming.take(tenant, subscriptions)
            else:
                async with self._taking:
                    taken = await self._claiming.take(tenant, subscriptions)
            for shipment in taken.shipments:
                going.add(shipment.claim.subscription)
                cursor = shipment.claim.cursor
                lease = Lease(shipment.claim.subscription, cursor.epoch, cursor.revision)
                self._flights.leased(tenant, lease, self._clock())
                tasks.create_task(self._send(tenant, shipment))
            for claim, missed in taken.refused:
                going.add(claim.subscription)
                tasks.create_task(self._settling.settle(tenant, Result(claim, missed, None)))
            for subscription in taken.declaring:
                await self._settling.declare(tenant, subscription)
        except (Conflict, Unavailable) as problem:
            _log.info("to be tried again", problem=type(problem).__name__)
        except Exception as problem:  # noqa: BLE001 - one batch must not stop the others
            _log.error("not taken", problem=type(problem).__name__, count=len(subscriptions))
        finally:
            for subscription in subscriptions:
                if subscription not in going:
                    self._flights.end((tenant, subscription))

    async def _send(self, tenant: int, shipment: Shipment) -> None:
        key = (tenant, shipment.claim.subscription)
        self._flights.sent_by(key, asyncio.current_task())
        try:
            failure = await self._handed_over(shipment)
        except asyncio.CancelledError:
            self._flights.end(key)
            raise
        self._flights.sent_by(key, None)
        await self._settling.settle(tenant, self._result(shipment, failure))

    async def _handed_over(self, shipment: Shipment) -> Failure | None:
        channel, parcel = self._channels[shipment.claim.channel], shipment.parcel
        try:
            async with asyncio.timeout(parcel.timeout_seconds + _GRACE_SECONDS):
                return await channel.deliver(parcel)
        except TimeoutError:
            return Failure("no answer in time")
        except Exception as problem:  # noqa: BLE001 - a channel's defect is a failed delivery
            _log.error("a channel failed", problem=type(problem).__name__, channel=channel.code)
            return Failure("the channel failed")

    def _result(self, shipment: Shipment, failure: Failure | None) -> Result:
        cursor, parcel = shipment.claim.cursor, shipment.parcel
        if failure is None:
            through = cursor.delivered_through if parcel.last is None else parcel.last
            handed = Handed(cursor.epoch, shipment.errand, cursor.revision, through, shipment.more)
            return Result(shipment.claim, handed, shipment)
        missed = Missed(
            epoch=cursor.epoch,
            errand=shipment.errand,
            revision=cursor.revision,
            first=parcel.first,
            last=parcel.last,
            reason=failure.reason,
            draw=self._draw(),
            verdict=failure.verdict,
            wait=timedelta(seconds=failure.wait_seconds or 0.0),
            carried=shipment.carried,
            more=shipment.more,
        )
        return Result(shipment.claim, missed, shipment)

    def _settled(self, tenant: int, subscription: str, *, more: bool) -> None:
        self._flights.end((tenant, subscription))
        if more:
            self._due.set()
