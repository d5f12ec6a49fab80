"""The protocol of a channel that decides for itself: the telephones of the server's own Subscriptions.

The worker leases a due Subscription, lets the channel `prepare` in that same transaction (attempt
rows are committed before anything is sent), runs `send` outside any transaction while the lease is
renewed, and lets it `settle` in a last one. Whatever dies in between leaves an attempt without a
result, which the next holder of the lease finds. What a result means for the cursor is decided by
`subscriptions.core.delivery`.
"""

from typing import Protocol, TypeVar

from fhirserver.kernel.ports import Transaction
from subscriptions.core.delivery import Handed, Missed, Nothing
from subscriptions.store.cursor_rows import Claim

ShipmentT = TypeVar("ShipmentT")

Report = Handed | Missed | Nothing


class ManagedChannel(Protocol[ShipmentT]):
    """One way out to people."""

    async def prepare(self, tx: Transaction, claim: Claim) -> ShipmentT | Report:
        """Record what is about to be sent and return it; without a need to send, what to report."""

    async def send(self, shipment: ShipmentT) -> ShipmentT:
        """Send, and return the shipment with what became of it. Never raises for a failed send."""

    async def settle(self, tx: Transaction, claim: Claim, shipment: ShipmentT) -> Report:
        """Record the results of the messages and return what to report of them all."""
