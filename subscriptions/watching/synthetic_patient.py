"""Runs the synthetic patient: its alarm goes through broker, ingest, rules, ladder and delivery to a sink.

Any number of processes may run this; each run belongs to one of them. What it finds is written down
for metrics and for the watchdog, who tells when runs do not get through.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.ports import Transaction
from subscriptions.core import synthetic
from subscriptions.store import synthetic_rows
from subscriptions.store.synthetic_rows import Arrival
from subscriptions.store.watch_rows import Execute
from subscriptions.worker.pace import periodically
from subscriptions.worker.ports import Clock, Transactions

LOOK_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.1
CLEAN_SECONDS: Final = 600.0
# After this a run is missed; the alarm of a person would have come too late long before.
GIVEN_UP_AFTER: Final = timedelta(seconds=30)
_ENDINGS: Final = 3

_log = structlog.get_logger("synthetic")

Publish = Callable[[str, bytes], Awaitable[None]]
Forget = Callable[[Transaction, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Way:
    """What a run goes through. `publish` hands a device's message to the broker, on its MQTT topic;
    `to_sink` says whether pages are delivered at all: without a telephone company the way ends at the alert;
    `forget` removes the resources of old runs.
    """

    execute: Execute
    transactions: Transactions
    tenants: Callable[[], Mapping[str, int]]
    publish: Publish
    forget: Forget
    clock: Clock
    to_sink: bool


@dataclass(slots=True)
class SyntheticPatient:
    """Runs every so often, and clears away what old runs left. `boot` names this process's messages."""

    way: Way
    every: timedelta
    boot: str
    _sent: int = field(default=0, init=False)
    _began: datetime | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(periodically("synthetic patient", LOOK_SECONDS, self.run_due, stop))
            tasks.create_task(periodically("synthetic cleaning", CLEAN_SECONDS, self.clean, stop))

    async def run_due(self) -> Arrival | None:
        """Do the run of this moment if nobody has; return how far its alarm came."""
        tenant = self.way.tenants().get(synthetic.TENANT)
        if tenant is None:
            return None
        started = self.way.clock()
        slot = synthetic.slot_of(started, self.every)
        if not await synthetic_rows.begin(self.way.execute, slot, started):
            return None
        await self._say(synthetic.ALARMING)
        found = await self._follow(tenant, started)
        await synthetic_rows.finish(self.way.execute, slot, found)
        if found.arrived is None:
            _log.error("synthetic alarm did not arrive", raised=found.alerted is not None)
        await self._say(synthetic.HARMLESS)
        await self._close(tenant)
        return found

    async def _say(self, values: Mapping[str, int]) -> None:
        now = self.way.clock()
        self._began = self._began or now
        self._sent += 1
        mono_ms = round((now - self._began).total_seconds() * 1000)
        message = synthetic.telemetry(values, self.boot, self._sent, mono_ms, now)
        await self.way.publish(f"hd/v1/{synthetic.TENANT}/{synthetic.ADDRESS}/tel", message)

    async def _follow(self, tenant: int, started: datetime) -> Arrival:
        """Wait until the page is with the sink, or the run is missed."""
        until = min(GIVEN_UP_AFTER, self.every * 0.8)
        while True:
            found = await synthetic_rows.arrival(self.way.execute, tenant, started)
            if not self.way.to_sink:
                found = Arrival(found.alerted, found.alerted)
            if found.arrived is not None or self.way.clock() - started >= until:
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def _close(self, tenant: int) -> None:
        """End the run's incidents, as a professional does: by completing their Tasks."""
        for _ in range(_ENDINGS):
            try:
                async with self.way.transactions(tenant) as tx:
                    for parent in await synthetic_rows.open_incidents(tx, synthetic.PATIENT):
                        task = await tx.get("Task", parent)
                        if task is not None:
                            ended = {
                                **task,
                                "status": "completed",
                                "statusReason": {"text": "synthetic run"},
                            }
                            await tx.put(ended, id_=parent)
            except (Conflict, Unavailable):
                # The ladder was moving; the next run ends it otherwise.
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def clean(self) -> None:
        """Remove what runs of more than a day ago left behind."""
        tenant = self.way.tenants().get(synthetic.TENANT)
        if tenant is None:
            return
        before = self.way.clock() - synthetic.KEPT_FOR
        await synthetic_rows.forget_runs(self.way.execute, before)
        async with self.way.transactions(tenant) as tx:
            await synthetic_rows.forget_alerts(tx, before)
            await self.way.forget(tx, before)


async def ensure(tx: Transaction) -> None:
    """Bring the synthetic patient and their surroundings into their tenant, whose transaction this is."""
    for id_, resource in synthetic.resources():
        known = await tx.get(resource["resourceType"], id_)
        if known is None or {**known, **resource, "meta": known.get("meta")} != known:
            await tx.put(resource, id_=id_)
