"""Follows how late evaluation is, every second: whom to tell, and since when silence is a device's own."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.ports import Transaction, Transactions
from subscriptions.core import lateness
from subscriptions.core.findings import Finding
from subscriptions.core.ports import AlertListener
from subscriptions.core.silence import expected_to_speak
from subscriptions.evaluation import alerts
from subscriptions.store import evaluation_rows, late_rows, watch_rows
from subscriptions.store.watch_rows import Execute

# At most so many in a second, a few in each transaction, and none any more when so much of the second is over: what is
# late because the machine has too much to do must not be given much more to do.
_IN_A_SECOND: Final = 200
_AT_ONCE: Final = 10
_SHARE: Final = timedelta(seconds=0.2)
Found = Callable[[Transaction], Awaitable[Sequence[Finding]]]
# What the watchdog wrote down is believed this long.
_FRESH_FOR: Final = timedelta(seconds=5)


class Lateness:
    """Call it every second, before silence is judged, in as many processes as there are."""

    def __init__(
        self,
        listener: AlertListener,
        transaction: Transactions,
        execute: Execute,
        clock: Callable[[], datetime],
    ) -> None:
        """Begin now: a server that was away must not take its own absence for that of devices."""
        self._listener = listener
        self._transaction = transaction
        self._execute = execute
        self._clock = clock
        self._began = clock()
        self._listening_since = self._began

    def listening_since(self) -> datetime:
        """Return since when this server hears devices in time."""
        return self._listening_since

    async def __call__(self) -> None:
        """Look how late evaluation is, and tell people, or that it is over."""
        now = self._clock()
        health = await watch_rows.health(self._execute)
        fresh = health is not None and now - health.at <= _FRESH_FOR
        late_since = health.late_since if health is not None and fresh else None
        self._listening_since = lateness.listening_since(
            self._began, late_since, self._listening_since, now
        )
        if late_since is not None and lateness.is_told(late_since, now):
            for tenant in await late_rows.tenants_in_use(self._execute, now):
                await self._tell(tenant, late_since)
        elif late_since is None and fresh:
            for tenant in await late_rows.tenants_told(self._execute):
                await self._end(tenant, now)

    async def _tell(self, tenant: int, since: datetime) -> None:
        async def found(tx: Transaction) -> Sequence[Finding]:
            patients: dict[str, Finding] = {}
            for watched in await late_rows.not_told(tx, _AT_ONCE):
                if expected_to_speak(watched):
                    patients[watched.patient] = lateness.late_finding(
                        watched.patient,
                        watched.device,
                        "still-breached",
                        since,
                        simulated=watched.simulated,
                    )
            return list(patients.values())

        await self._some(tenant, found)

    async def _end(self, tenant: int, now: datetime) -> None:
        async def found(tx: Transaction) -> Sequence[Finding]:
            return [
                lateness.late_finding(patient, device, "ended", now, simulated=simulated)
                for patient, device, simulated in await late_rows.told(tx, _AT_ONCE)
            ]

        await self._some(tenant, found)

    async def _some(self, tenant: int, found: Found) -> None:
        """Raise what `found` returns, a few at a time, until there is no more or it has taken its share of the second."""
        began = self._clock()
        for _ in range(_IN_A_SECOND // _AT_ONCE):
            if not await self._apply(tenant, found) or self._clock() - began >= _SHARE:
                return

    async def _apply(self, tenant: int, found: Found) -> int:
        """Raise what `found` returns, and return how much that was.

        A tenant whose rows are contended is left for the next second.
        """
        try:
            async with self._transaction(tenant) as tx:
                findings = await found(tx)
                if findings:
                    await _serialize(tx, (finding.patient for finding in findings))
                    await alerts.apply(tx, self._listener, findings)
                return len(findings)
        except Conflict:
            return 0


async def _serialize(tx: Transaction, patients: Iterable[str | None]) -> None:
    buckets = {one: tx.bucket(one, "Patient", one) for one in patients if one is not None}
    await evaluation_rows.lock(tx, buckets)
