"""Looks every second for messages that a telephone company took and never reported on."""

from collections.abc import Callable, Sequence

from fhirserver.kernel.errors import Conflict
from subscriptions.core.timing import Medium
from subscriptions.response.receipts import Receipts
from subscriptions.store import attempt_rows
from subscriptions.worker.ports import Clock, Scan, Transactions


class ReceiptWatch:
    """Implements `EverySecond`; call it in as many processes as there are."""

    def __init__(
        self,
        *,
        receipts: Receipts,
        carrying: Callable[[Medium], Sequence[str]],
        transactions: Transactions,
        scan: Scan,
        clock: Clock,
    ) -> None:
        """Let `receipts` act; `carrying` names the companies that carry a medium."""
        self._receipts = receipts
        self._carrying = carrying
        self._transactions = transactions
        self._scan = scan
        self._clock = clock

    async def __call__(self) -> None:
        """Act on what is overdue. A tenant whose rows are contended waits for the next second."""
        for (tenant,) in await self._scan(attempt_rows.OVERDUE, (self._clock(),)):
            try:
                async with self._transactions(tenant) as tx:
                    await self._receipts.overdue(tx, self._carrying)
            except Conflict:
                continue
