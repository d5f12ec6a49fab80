"""Takes what is due: leases many Subscriptions in one transaction and makes their parcels in it.

Attempts are committed before anything is sent, so that whatever dies in between leaves an attempt
without a result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.ports import Transaction
from subscriptions.channels.channel import Channel
from subscriptions.core.delivery import (
    Cursor,
    Declare,
    Looked,
    Missed,
    Send,
    SetAside,
    step,
)
from subscriptions.store import attempt_rows, cursor_rows, dead_letter_rows
from subscriptions.store.attempt_rows import Delivering
from subscriptions.store.cursor_rows import Claim, Saved
from subscriptions.worker.parcels import Order, Parcels, Shipment, refused
from subscriptions.worker.ports import Transactions

_log = structlog.get_logger("delivery")
_DEFECT: Final = "its notification could not be made"


@dataclass(slots=True)
class Taken:
    """What came of looking at due Subscriptions.

    `shipments` are to be sent. `declaring` are those whose resource must be written, which locks it
    before the cursor and so needs another transaction. `refused` are leased, and have nothing to
    send because it cannot be made.
    """

    shipments: list[Shipment] = field(default_factory=list)
    refused: list[tuple[Claim, Missed]] = field(default_factory=list)
    declaring: list[str] = field(default_factory=list)


class Claiming:
    """Leases what is due, for the client channels of this process."""

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        parcels: Parcels,
        transactions: Transactions,
        is_well: Callable[[], bool],
    ) -> None:
        """Serve `channels`, by their code; `parcels` makes what they carry. Beat while `is_well`."""
        self._channels = channels
        self._parcels = parcels
        self._transactions = transactions
        self._is_well = is_well

    async def take(self, tenant: int, subscriptions: Sequence[str]) -> Taken:
        """Lease those of `subscriptions` that are due and free, and return what is to be sent.

        When a parcel of one cannot even be made, the others are made without it.
        """
        try:
            return await self._take(tenant, subscriptions)
        except (Conflict, Unavailable):
            raise
        except Exception as problem:  # noqa: BLE001 - one Subscription must not stop the others
            _log.error("not made", problem=type(problem).__name__, count=len(subscriptions))
        taken = Taken()
        for one in subscriptions:
            await self._take_alone(tenant, one, taken)
        return taken

    async def _take_alone(self, tenant: int, subscription: str, taken: Taken) -> None:
        try:
            alone = await self._take(tenant, [subscription])
        except (Conflict, Unavailable):
            return
        except Exception as problem:  # noqa: BLE001 - what is wrong is in this one's events
            _log.error("never made", problem=type(problem).__name__, subscription=subscription)
            await self._refuse(tenant, subscription, taken)
        else:
            taken.shipments += alone.shipments
            taken.declaring += alone.declaring

    async def _take(self, tenant: int, subscriptions: Sequence[str]) -> Taken:
        async with self._transactions(tenant) as tx:
            claims = await cursor_rows.locked(tx, subscriptions, skip_busy=True)
            taken, saved, orders = self._look(tx, claims)
            await self._parcels.make(tx, orders)
            begun: list[Delivering] = []
            for order in orders:
                cursor = _reported(tx, order)
                if cursor is None:
                    taken.declaring.append(order.claim.subscription)
                    continue
                saved.append(Saved(order.claim, cursor))
                if order.shipment is not None:
                    taken.shipments.append(order.shipment)
                    begun.append(_begun(order.shipment))
            lost = [o.claim.subscription for o in orders if o.send.takes_over]
            attempt_rows.lose_later(tx, lost)
            attempt_rows.begin_later(tx, begun)
            cursor_rows.save_later(tx, saved)
        for subscription in lost:
            _log.warning("lease taken over", subscription=subscription)
        return taken

    def _look(
        self, tx: Transaction, claims: Mapping[str, Claim]
    ) -> tuple[Taken, list[Saved], list[Order]]:
        taken, saved, orders = Taken(), list[Saved](), list[Order]()
        looked = Looked(beats=self._is_well())
        for subscription, claim in claims.items():
            shakes = self._channels[claim.channel].needs_handshake
            cursor, commands = step(replace(claim.cursor, shakes=shakes), looked, tx.now)
            send = next((one for one in commands if isinstance(one, Send)), None)
            if send is not None:
                orders.append(Order(replace(claim, cursor=cursor), send))
            elif commands:
                taken.declaring.append(subscription)
            else:
                saved.append(Saved(claim, cursor))
        return taken, saved, orders

    async def _refuse(self, tenant: int, subscription: str, taken: Taken) -> None:
        """Lease one whose notification cannot be made, and report that."""
        async with self._transactions(tenant) as tx:
            claims = await cursor_rows.locked(tx, [subscription], skip_busy=True)
            _, saved, orders = self._look(tx, claims)
            for order in orders:
                first, last = await self._parcels.range_of(tx, order)
                taken.refused.append((order.claim, refused(order, first, last, _DEFECT)))
                saved.append(Saved(order.claim, order.claim.cursor))
            cursor_rows.save_later(tx, saved)


def _reported(tx: Transaction, order: Order) -> Cursor | None:
    """Return the cursor after what `order` reports; None when its resource must be written."""
    cursor = order.claim.cursor
    aside: list[tuple[str, SetAside]] = []
    for report in order.reports:
        cursor, commands = step(cursor, report, tx.now)
        if any(isinstance(one, Declare) for one in commands):
            return None
        aside += [(order.claim.subscription, one) for one in commands if isinstance(one, SetAside)]
    dead_letter_rows.keep_later(tx, aside)
    return cursor


def _begun(shipment: Shipment) -> Delivering:
    claim, parcel = shipment.claim, shipment.parcel
    return Delivering(
        id=parcel.attempt,
        subscription=claim.subscription,
        epoch=claim.cursor.epoch,
        medium=claim.channel,
        first=parcel.first,
        last=parcel.last,
    )
