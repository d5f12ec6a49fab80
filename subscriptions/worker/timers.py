"""Carries out due timers: a read without locks finds where, one transaction per ladder does it.

Nothing is kept in memory between two rounds: after a restart the rows are simply read again. A ladder
that cannot be carried out holds up no other: it is tried again in the next round, and the watchdog
tells that timers are late.
"""

from typing import Final
from uuid import UUID

from subscriptions.response.response import Response
from subscriptions.store import timer_rows
from subscriptions.worker.ports import Clock, Scan, Transactions

_PER_BUCKET: Final = 50


class Timers:
    """Finds due timers in all tenants and hands them to the response part."""

    def __init__(
        self, *, response: Response, transactions: Transactions, scan: Scan, clock: Clock
    ) -> None:
        """Work through `transactions`, find by `scan`."""
        self._response = response
        self._transactions = transactions
        self._scan = scan
        self._clock = clock

    async def run_due(self) -> int:
        """Carry out everything that is due now; return how many timers there were.

        Raises what the first ladder that failed has raised, after all others were carried out.
        """
        done = 0
        failed: list[Exception] = []
        for tenant, bucket in await self._scan(timer_rows.DUE, (self._clock(),)):
            async with self._transactions(tenant) as tx:
                ladders = await timer_rows.due_incidents(tx, bucket, _PER_BUCKET)
            for patient, incident in ladders:
                try:
                    done += await self._carry_out(tenant, patient, incident)
                except Exception as problem:  # noqa: BLE001 - told when the others are done
                    failed.append(problem)
        if failed:
            raise failed[0]
        return done

    async def _carry_out(self, tenant: int, patient: str | None, incident: UUID) -> int:
        async with self._transactions(tenant) as tx:
            return await self._response.timers_due(tx, patient, incident)
