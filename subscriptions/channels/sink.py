"""Where the synthetic patient's messages end: a company that takes everything and sends nothing.

They go through a channel of their own that knows no other company, so none of them can reach a
telephone; and nobody else's can end here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from fhirserver.kernel.ports import Transaction
from subscriptions.channels.managed import Report
from subscriptions.channels.sendings import Sendings
from subscriptions.channels.sms import Telephone
from subscriptions.channels.telephony import Inbound
from subscriptions.core.timing import Medium
from subscriptions.store.cursor_rows import Claim

_TAKEN: Final = "sink"


class Sink:
    """Implements `TelephoneCompany`."""

    name = "sink"
    carries: frozenset[Medium] = frozenset(("sms", "voice"))

    async def text(self, to: str, body: str, callback: str) -> str:
        """Take a text message."""
        return _TAKEN

    async def call(self, to: str, document: str, callback: str) -> str:
        """Take a call."""
        return _TAKEN

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        """Say that it was taken."""
        return _TAKEN

    async def find_call(self, to: str, since: datetime) -> str | None:
        """Say that it was taken."""
        return _TAKEN

    async def serve(self, inbound: Inbound, stop: asyncio.Event) -> None:
        """Return at once: nobody answers."""

    async def close(self) -> None:
        """Do nothing."""


class SinkChannel:
    """Implements `ManagedChannel`: one tenant's pages go to `sunk`, everybody else's to `telephone`."""

    def __init__(
        self, telephone: Telephone, sunk: Telephone, is_sunk: Callable[[int], bool]
    ) -> None:
        """Ask `is_sunk` about each tenant's number."""
        self._telephone = telephone
        self._sunk = sunk
        self._is_sunk = is_sunk

    async def prepare(self, tx: Transaction, claim: Claim) -> Sendings | Report:
        """See `ManagedChannel.prepare`. A sink reports on nothing, so no report is waited for."""
        found = await self._of(tx.tenant).prepare(tx, claim)
        if not isinstance(found, Sendings) or not self._is_sunk(tx.tenant):
            return found
        unheard = (replace(one, expects_receipt=False) for one in found.sendings)
        return replace(found, sendings=tuple(unheard))

    async def send(self, shipment: Sendings) -> Sendings:
        """See `ManagedChannel.send`."""
        return await self._of(shipment.tenant).send(shipment)

    async def settle(self, tx: Transaction, claim: Claim, shipment: Sendings) -> Report:
        """See `ManagedChannel.settle`."""
        return await self._of(tx.tenant).settle(tx, claim, shipment)

    def _of(self, tenant: int) -> Telephone:
        return self._sunk if self._is_sunk(tenant) else self._telephone
