"""The protocol of a channel: decide and record, send, record the result.

The worker leases a due Subscription, lets the channel `prepare` in that same transaction (attempt
rows are committed before anything is sent), runs `send` outside any transaction while the lease is
renewed, and lets it `settle` in a last one. Whatever dies in between leaves an attempt without a
result, which the next holder of the lease finds.
"""

from typing import Protocol, TypeVar

from fhirserver.kernel.ports import Transaction
from subscriptions.store.cursor_rows import Claim

ShipmentT = TypeVar("ShipmentT")


class Channel(Protocol[ShipmentT]):
    """One way out."""

    async def prepare(self, tx: Transaction, claim: Claim) -> ShipmentT | None:
        """Record what is about to be sent and return it.

        None when there is nothing to send; the lease has then been given back.
        """

    async def send(self, shipment: ShipmentT) -> ShipmentT:
        """Send, and return the shipment with what became of it. Never raises for a failed send."""

    async def settle(self, tx: Transaction, claim: Claim, shipment: ShipmentT) -> None:
        """Record the results and give the lease back, or leave everything if it was lost."""
