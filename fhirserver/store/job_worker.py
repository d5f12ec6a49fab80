"""Runs jobs: claims what is due, keeps the claim alive, and ends each job one way or another.

Two lanes: what callers wait for, several at once, and upkeep of the record, one at a time in a tenant.
A worker that dies leaves its claims to run out; the next one goes on from what the work saved last.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from traceback import walk_tb
from typing import Any, Final, LiteralString, Protocol

import orjson
import structlog

from fhirserver.kernel.errors import Conflict, FhirError, Unavailable
from fhirserver.kernel.jobs import JobCancelled, JobLost, JobWork
from fhirserver.kernel.outcome import INTERNAL, outcome, outcome_of
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.store import jobs
from fhirserver.store.jobs import ClaimedRow, JobRows

LEASE: Final = timedelta(seconds=15)
POLL_SECONDS: Final = 0.25
FORGET_SECONDS: Final = 300.0
MOST_ATTEMPTS: Final = 3
REQUESTS_AT_ONCE: Final = 4

log = structlog.get_logger(__name__)


class Scan(Protocol):
    """Reads rows of every tenant."""

    async def __call__(self, sql: LiteralString, args: Any) -> list[tuple[Any, ...]]:
        """Run one SELECT."""


class Clock(Protocol):
    """The server's time."""

    def __call__(self) -> datetime:
        """Return now (aware, UTC)."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Kinds of jobs that share their places. `alone`: one at a time in a tenant."""

    works: Mapping[str, JobWork]
    places: int
    alone: bool


class Claimed:
    """Implements `fhirserver.kernel.jobs.Running` for one claim."""

    def __init__(self, rows: JobRows, row: ClaimedRow, lease: timedelta) -> None:
        """Speak for the claim `row`."""
        self._rows = rows
        self._row = row
        self._lease = lease
        self.tenant = row.tenant
        self.owner: Principal = row.owner
        self.submitted: datetime = row.submitted
        self.request = row.request
        self.saved = row.saved

    async def advance(self, progress: int, total: int | None, saved: bytes | None = None) -> None:
        """Save how far the work is. Raises `JobLost`, `JobCancelled`."""
        _judge(await self._rows.save(self._row, self._lease, progress, total, saved))

    async def require_claim(self, tx: Transaction) -> None:
        """Raise `JobLost` unless the claim stands, and holds until `tx` ends."""
        if not await self._rows.hold(tx, self._row):
            raise JobLost

    async def keep_alive(self) -> None:
        """Renew the claim again and again. Raises `JobLost`, `JobCancelled`."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            with contextlib.suppress(Unavailable):
                _judge(await self._rows.save(self._row, self._lease))


class JobWorker:
    """The loops of one process that run jobs."""

    def __init__(
        self,
        rows: JobRows,
        scan: Scan,
        clock: Clock,
        *,
        requests: Mapping[str, JobWork],
        upkeep: Mapping[str, JobWork],
        lease: timedelta = LEASE,
    ) -> None:
        """Run `requests` (somebody waits for the answer) and `upkeep` (of the record) by kind."""
        self._rows = rows
        self._scan = scan
        self._clock = clock
        self._lease = lease
        self._lanes = (
            Lane(requests, REQUESTS_AT_ONCE, alone=False),
            Lane(upkeep, 1, alone=True),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; what is running then is given back, for another process to go on with."""
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(self._serve(lane)) for lane in self._lanes if lane.works]
            loops.append(tasks.create_task(self._forget()))
            await stop.wait()
            for loop in loops:
                loop.cancel()

    async def run_due(self) -> int:
        """Run what is due now, one after the other; return how many jobs were run."""
        done = 0
        for lane in self._lanes:
            while lane.works and (row := await self._claim(lane)) is not None:
                await self._run(lane.works[row.kind], row)
                done += 1
        return done

    async def _serve(self, lane: Lane) -> None:
        """Keep the places of `lane` busy."""
        async with asyncio.TaskGroup() as tasks:
            running: set[asyncio.Task[None]] = set()
            while True:
                try:
                    while len(running) < lane.places and (row := await self._claim(lane)):
                        running.add(tasks.create_task(self._outlive(lane.works[row.kind], row)))
                except Exception as fault:  # noqa: BLE001 - alarms live in this process too
                    log.warning("jobs wait", problem=_where(fault))
                await asyncio.sleep(POLL_SECONDS)
                running = {one for one in running if not one.done()}

    async def _forget(self) -> None:
        while True:
            with contextlib.suppress(FhirError):
                for (tenant,) in await self._scan(jobs.FORGETTABLE, (self._clock() - jobs.KEPT,)):
                    await self._rows.forget(tenant)
            await asyncio.sleep(FORGET_SECONDS)

    async def _claim(self, lane: Lane) -> ClaimedRow | None:
        for (tenant,) in await self._scan(jobs.DUE, (self._clock(),)):
            row = await self._rows.claim(tenant, lane.works.keys(), self._lease, alone=lane.alone)
            if row is not None:
                return row
        return None

    async def _outlive(self, work: JobWork, row: ClaimedRow) -> None:
        """Run a job; when not even its end can be written down, its claim runs out and another worker takes it."""
        try:
            await self._run(work, row)
        except Exception as fault:  # noqa: BLE001 - as above
            log.warning("job left", kind=row.kind, job=str(row.id), problem=_where(fault))

    async def _run(self, work: JobWork, row: ClaimedRow) -> None:
        if row.attempts > MOST_ATTEMPTS:
            log.error("job given up", kind=row.kind, job=str(row.id))
            await self._fail(row, None, f"ended without a word, {MOST_ATTEMPTS} times")
            return
        try:
            result = await self._alive(work, Claimed(self._rows, row, self._lease))
        except JobLost:
            log.warning("job lost to another worker", kind=row.kind, job=str(row.id))
        except JobCancelled:
            await self._rows.end_cancelled(row)
        except (Conflict, Unavailable):
            await self._rows.give_back(row, "")
        except FhirError as refusal:
            await self._fail(row, refusal, "")
        except asyncio.CancelledError:
            await self._rows.give_back(row, "")
            raise
        except Exception as fault:  # noqa: BLE001 - a job must end; the operator reads where it broke
            where = _where(fault)
            # Without the text of the fault, which could quote a row.
            log.error("job failed", kind=row.kind, job=str(row.id), where=where)  # noqa: TRY400
            if row.attempts < MOST_ATTEMPTS:
                await self._rows.give_back(row, where)
            else:
                await self._fail(row, None, where)
        else:
            await self._rows.finish(row, result)

    async def _alive(self, work: JobWork, claimed: Claimed) -> bytes:
        """Return what `work` returns while the claim is renewed beside it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beat = tasks.create_task(claimed.keep_alive())
                result = await work(claimed)
                beat.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        return result

    async def _fail(self, row: ClaimedRow, refusal: FhirError | None, fault: str) -> None:
        told = outcome([INTERNAL]) if refusal is None else outcome_of(refusal)
        status = 500 if refusal is None else refusal.status
        await self._rows.fail(row, orjson.dumps(told), status, fault)


def _judge(cancel: bool | None) -> None:  # noqa: FBT001 - the three answers of one question
    if cancel is None:
        raise JobLost
    if cancel:
        raise JobCancelled


def _where(fault: BaseException) -> str:
    """Return the kind of fault and its place in the code, and nothing of what it says."""
    frames = [
        (frame.f_globals.get("__name__", "?"), line) for frame, line in walk_tb(fault.__traceback__)
    ]
    place = f"{frames[-1][0]}:{frames[-1][1]}" if frames else "?"
    return f"{type(fault).__qualname__} at {place}"
