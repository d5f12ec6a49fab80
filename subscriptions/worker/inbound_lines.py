"""What comes over a telephone company's open line, in whichever tenant it belongs to.

A webhook names its tenant; an open line does not. A person's message is shown to every tenant that
knows the telephone, because one telephone may belong to people of several; who does not know it, or
does not understand the message, changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Final

from fhirserver.kernel.errors import Conflict
from subscriptions.core.message import is_unclear
from subscriptions.response.response import Response
from subscriptions.store import attempt_rows
from subscriptions.worker.ports import Transactions

_TRIES: Final = 3


class InboundLines:
    """Implements `Inbound`."""

    def __init__(
        self,
        *,
        response: Response,
        transactions: Transactions,
        tenants: Callable[[], Mapping[str, int]],
    ) -> None:
        """Act through `response` in each of `tenants` (name to number)."""
        self._response = response
        self._transactions = transactions
        self._tenants = tenants

    async def message(self, sender: str, body: str) -> str:
        """See `Inbound.message`; of several answers one to what was understood is given."""
        said = [
            await self._tried(tenant, sender, body)
            for tenant in sorted(set(self._tenants().values()))
        ]
        return min((text for text in said if text), key=is_unclear, default="")

    async def _tried(self, tenant: int, sender: str, body: str) -> str:
        """Act in one tenant, again when a concurrent change won."""
        for _ in range(_TRIES - 1):
            try:
                return await self._acted(tenant, sender, body)
            except Conflict:
                continue
        return await self._acted(tenant, sender, body)

    async def _acted(self, tenant: int, sender: str, body: str) -> str:
        async with self._transactions(tenant) as tx:
            return await self._response.replies.line_text(tx, sender, body)

    async def report(self, company: str, reference: str, status: str) -> bool:
        """See `Inbound.report`."""
        for tenant in set(self._tenants().values()):
            async with self._transactions(tenant) as tx:
                attempt = await attempt_rows.of_reference(tx, company, reference)
                if attempt is not None:
                    await self._response.receipts.received(tx, attempt, status)
                    return True
        return False
