"""Happenings on their way to the database: a bounded queue, written in batches.

Whoever tells something waits only while the queue is full, and then waits until there is room: nothing is dropped while
the process lives. A database that is away is tried again until it answers. When the process is killed outright, what
was told within the last `PAUSE` seconds and not written yet is lost; what a transaction wrote itself
(`AuditQueue.within`) is not. A process that is asked to stop writes what waits, unless the database stays away.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from fhirserver.kernel.audit import Happening, Recording
from fhirserver.kernel.errors import Conflict, Unavailable

MOST: Final = 4_096
BATCH: Final = 500
PAUSE: Final = 0.2
_PATIENCE: Final = 1.0
# How often the database is asked once the process is to end.
_LAST_TRIES: Final = 5

Write = Callable[[int, Sequence[Happening]], Awaitable[None]]

log = structlog.get_logger(__name__)


class AuditQueue:
    """Implements `fhirserver.kernel.audit.Auditing`."""

    def __init__(self, write: Write, *, most: int = MOST, pause: float = PAUSE) -> None:
        """`write` writes happenings of one tenant in one transaction; it raises `Unavailable` to be asked again."""
        self._write = write
        self._most = most
        self._pause = pause
        self._waiting: list[Happening] = []
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending = False

    async def report(self, *happenings: Happening) -> None:
        """Take them over; wait while too many are waiting."""
        while len(self._waiting) >= self._most:
            self._room.clear()
            await self._room.wait()
        self._waiting += happenings
        if len(self._waiting) >= BATCH:
            self._work.set()

    async def within(self, tx: Recording, *happenings: Happening) -> None:
        """Write them with `tx`."""
        tx.audit(*happenings)

    async def run(self, stop: asyncio.Event) -> None:
        """Write what is waiting, until `stop` is set and nothing is."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_at(stop))
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):
                        await self._work.wait()
                # What comes meanwhile waits for its own turn: written at once, each line would hold a few happenings.
                await self._write_waiting()
            self._ending = True
            await self.flush()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._work.set()

    async def flush(self) -> None:
        """Write everything that is waiting, and what comes meanwhile."""
        while self._waiting:
            await self._write_waiting()

    async def _write_waiting(self) -> None:
        taken, self._waiting = self._waiting, []
        self._work.clear()
        for tenant, happenings in _by_tenant(taken).items():
            for at in range(0, len(happenings), BATCH):
                await self._insist(tenant, happenings[at : at + BATCH])
        self._room.set()

    async def _insist(self, tenant: int, happenings: Sequence[Happening]) -> None:
        tries = 0
        while True:
            tries += 1
            try:
                await self._write(tenant, happenings)
            except (Conflict, Unavailable) as problem:
                if self._ending and tries >= _LAST_TRIES:
                    log.error("audit lost at the end of the process", events=len(happenings))  # noqa: TRY400 - no cause to show
                    return
                log.warning("audit waits for the database", problem=type(problem).__name__)
                await asyncio.sleep(_PATIENCE)
            except Exception as problem:  # noqa: BLE001 - one happening must not take the others with it
                if len(happenings) == 1:
                    log.error("a happening cannot be written", problem=type(problem).__name__)  # noqa: TRY400 - its text may name somebody
                    return
                for one in happenings:
                    await self._insist(tenant, (one,))
                return
            else:
                return


def _by_tenant(happenings: Sequence[Happening]) -> Mapping[int, list[Happening]]:
    found: dict[int, list[Happening]] = {}
    for one in happenings:
        found.setdefault(one.tenant, []).append(one)
    return found
