"""Seals the log: every `EVERY` seconds, or as soon as a batch is full, one process of several, by lease.

Heads go to a second place right away (`fhirserver.auditing.heads_export`); one that cannot be reached is told of and
gets what it missed when it is back.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import structlog

from fhirserver.auditing.head import Head
from fhirserver.kernel.errors import FhirError

EVERY: Final = 0.5

log = structlog.get_logger(__name__)


class Log(Protocol):
    """Where batches are sealed."""

    async def hold(self, holder: str, now: datetime) -> bool:
        """Take or renew the lease."""

    async def seal(
        self, holder: str, now: datetime, log: str, sign: Callable[[bytes], str]
    ) -> Head | None:
        """Seal one batch, None when nothing waits."""

    async def heads(self, after: int) -> Sequence[Head]:
        """Return the heads behind a number."""


class Place(Protocol):
    """Where heads are kept as well."""

    def last(self) -> int:
        """Return the number of the last head kept there. Raises `OSError`."""

    def keep(self, heads: Sequence[Head]) -> None:
        """Add `heads`, in order. Raises `OSError`."""


class Sealer:
    """Seals what waits; see `run`."""

    def __init__(
        self,
        log_: Log,
        sign: Callable[[bytes], str],
        places: Sequence[Place],
        clock: Callable[[], datetime],
        holder: str,
    ) -> None:
        """Work as `holder`, a name no other process has."""
        self._log = log_
        self._sign = sign
        self._places = places
        self._clock = clock
        self._holder = holder

    async def run(self) -> None:
        """Seal and export until cancelled."""
        while True:
            try:
                await self.once()
            except FhirError as error:
                log.warning("audit log is not sealed", problem=type(error).__name__)
            await asyncio.sleep(EVERY)

    async def once(self) -> int:
        """Seal everything that waits now and export what is not exported; return how many batches were sealed."""
        if not await self._log.hold(self._holder, self._clock()):
            return 0
        sealed = 0
        while await self._log.seal(self._holder, self._clock(), uuid.uuid4().hex, self._sign):
            sealed += 1
            if not await self._log.hold(self._holder, self._clock()):
                break
        for place in self._places:
            await self._export(place)
        return sealed

    async def _export(self, place: Place) -> None:
        try:
            after = await asyncio.to_thread(place.last)
            while heads := await self._log.heads(after):
                await asyncio.to_thread(place.keep, heads)
                after = heads[-1].statement.number
        except OSError as error:
            log.warning("heads of the audit log are not exported", problem=type(error).__name__)
