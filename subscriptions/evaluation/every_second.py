"""The tick of the rules part: what nobody reports, because it is the absence of a report."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.ports import Transaction, Transactions
from subscriptions.store.silence_rows import Execute, due_tenants


class Scanner(Protocol):
    """Whoever raises what time itself raises in one tenant: the composite observer."""

    async def scan(self, tx: Transaction, listening_since: datetime) -> int:
        """Do one tenant's share and return how much was raised."""


class WatchTime:
    """Call it every second, in as many processes as there are.

    `execute` reads due rows of every tenant, `transaction` opens a write transaction of one; `listening_since` returns
    since when devices are heard in time: a server that was away, or late, must not take its own absence for theirs.
    """

    def __init__(
        self,
        scanner: Scanner,
        transaction: Transactions,
        execute: Execute,
        clock: Callable[[], datetime],
        listening_since: Callable[[], datetime],
    ) -> None:
        self._scanner = scanner
        self._transaction = transaction
        self._execute = execute
        self._clock = clock
        self._listening_since = listening_since

    async def __call__(self) -> None:
        """Raise everything that is due now. A tenant whose rows are contended is left for the next second.

        Raises what the first tenant that failed has raised, after all others were looked at.
        """
        since = self._listening_since()
        failed: list[Exception] = []
        for tenant in await due_tenants(self._execute, self._clock(), since):
            try:
                async with self._transaction(tenant) as tx:
                    await self._scanner.scan(tx, since)
            except Conflict:
                continue
            except Exception as problem:  # noqa: BLE001 - told when the others are done
                failed.append(problem)
        if failed:
            raise failed[0]
