"""How much of its time a background pass may take from those who wait for answers."""

import asyncio
from time import monotonic
from typing import Final

# Whoever stops the process does not wait longer for a pass that rests.
_LONGEST_SECONDS: Final = 5.0


class Pace:
    """Rests so long between pieces of work that working takes `share` of the time (0 < share <= 1)."""

    def __init__(self, share: float) -> None:
        """Begin the first piece of work now."""
        self._share = share
        self._since = monotonic()

    async def rest(self) -> None:
        """End a piece of work, rest, and begin the next."""
        worked = monotonic() - self._since
        await asyncio.sleep(min(worked * (1 / self._share - 1), _LONGEST_SECONDS))
        self._since = monotonic()
