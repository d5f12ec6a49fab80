"""A clock for what is promised in time: it stands still while the machine is held up by others."""

import asyncio
import time
from bisect import bisect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

BEAT_SECONDS: Final = 0.01


class Pulse:
    """Asks every hundredth of a second to be woken, and counts each time as that much, however late it comes.

    Who is late to note what has arrived is late for the pulse too, and so is everybody on a machine that has much else
    to do.
    """

    def __init__(self) -> None:
        """Nothing has passed yet."""
        self._beats: list[float] = []

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Count until the block ends."""
        counting = asyncio.ensure_future(self._count())
        try:
            yield
        finally:
            counting.cancel()
            await asyncio.wait([counting])

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.beat(time.time())

    def beat(self, at: float) -> None:
        """Note that we were woken; `at` is seconds of the clock, later than the last."""
        self._beats.append(at)

    def elapsed(self, start: float, end: float) -> float:
        """Return how many seconds have passed from `start` to `end`, both of the clock and each possibly infinite."""
        return (bisect(self._beats, end) - bisect(self._beats, start)) * BEAT_SECONDS
