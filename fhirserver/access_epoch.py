"""How new this process's idea of who may see what is."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

import structlog

from fhirserver.store.record import Record

_SECONDS: Final = 0.25
# An epoch that was asked for longer ago says nothing about now.
_STALE_SECONDS: Final = 0.75
log = structlog.get_logger(__name__)


class AccessEpoch:
    """The newest access epoch this process knows; one that was not read lately lasts for a quarter of a second."""

    def __init__(self, record: Record, monotonic: Callable[[], float]) -> None:
        """Read it from `record`; `monotonic` is in seconds."""
        self._record = record
        self._monotonic = monotonic
        self._epoch = 0
        self._asked = -math.inf
        # Whether the database answered the last time.
        self.is_readable = False

    def current(self) -> int:
        """Return the epoch; while it cannot be read, a number that nobody saw longer ago than a quarter of a second."""
        now = self._monotonic()
        return self._epoch if now - self._asked <= _STALE_SECONDS else -1 - int(now / _SECONDS)

    async def follow(self) -> None:
        """Read the epoch four times a second."""
        while True:
            asked = self._monotonic()
            try:
                self._epoch = await self._record.access_epoch()
                self._asked, self.is_readable = asked, True
            except Exception:
                self._asked, self.is_readable = -math.inf, False
                log.warning("the access epoch cannot be read", exc_info=True)
            await asyncio.sleep(_SECONDS)
