"""How new this process's idea of who may see what is."""

import asyncio
from typing import Final

import structlog

from fhirserver.store.record import Record

_SECONDS: Final = 0.25
log = structlog.get_logger(__name__)


class AccessEpoch:
    """The newest access epoch this process knows; while it cannot be read, nothing cached counts as fresh."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._epoch = 0
        self._failures = 0
        self.is_fresh = False

    def current(self) -> int:
        """Return the epoch; a number never seen before while the database cannot be asked."""
        return self._epoch if self.is_fresh else -self._failures

    async def follow(self) -> None:
        """Read the epoch four times a second."""
        while True:
            try:
                self._epoch = await self._record.access_epoch()
                self.is_fresh = True
            except Exception:
                self.is_fresh = False
                self._failures += 1
                log.warning("the access epoch cannot be read", exc_info=True)
            await asyncio.sleep(_SECONDS)
