"""How long tests wait: long for what must happen at all, by an unhurried clock for what is promised in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from typing import Final

# Nothing that works takes anywhere near so long, however busy the machine: only a test that fails waits for it.
PATIENCE_SECONDS: Final = 60.0
_TICK_SECONDS: Final = 0.01


@asynccontextmanager
async def unhurried(seconds: float) -> AsyncIterator[None]:
    """Cancel the block and raise `TimeoutError` after `seconds` of a machine that has time for us.

    For promises like "within a second". Every hundredth of a second we ask to be woken; being woken late counts as being
    woken in time, so a machine that is held up by others holds up this clock as well.
    """

    async def count() -> None:
        for _ in range(ceil(seconds / _TICK_SECONDS)):
            await asyncio.sleep(_TICK_SECONDS)
        limit.reschedule(0.0)

    async with asyncio.timeout(None) as limit:
        counting = asyncio.ensure_future(count())
        try:
            yield
        finally:
            counting.cancel()
            await asyncio.wait([counting])
