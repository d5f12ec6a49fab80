"""Which keys are common, as PostgreSQL has counted them.

The planner knows how many rows have one of the common keys, and takes every other key for about as frequent as the least
of them. In truth a key that is not among them is a person, an identifier or a value nobody has: orders of magnitude
rarer. A search that needs such a key is written so that its few rows are found first and sorted then.
"""

import asyncio
from time import monotonic
from typing import Final

import psycopg

from fhirserver.store.database import Pool

# Seconds between two looks at what ANALYZE has found.
_LASTS: Final = 60.0


class CommonKeys:
    """The common keys of every tenant and type, refreshed now and then."""

    def __init__(self, pool: Pool) -> None:
        """Ask through the pool of role fhir_read."""
        self._pool = pool
        self._keys: frozenset[int] = frozenset()
        self._asked: float | None = None
        self._asking = asyncio.Lock()

    async def known(self) -> frozenset[int]:
        """Return the common keys as they were at most a minute ago; without an answer, the last ones."""
        if self._asked is None or (
            monotonic() - self._asked > _LASTS and not self._asking.locked()
        ):
            async with self._asking:
                if self._asked is None or monotonic() - self._asked > _LASTS:
                    await self._ask()
        return self._keys

    async def _ask(self) -> None:
        try:
            async with self._pool.connection() as connection:
                found = await connection.execute("SELECT key FROM common_keys() AS key")
                self._keys = frozenset(row[0] for row in await found.fetchall())
        except psycopg.OperationalError:
            # The search itself will tell that the database is away.
            return
        self._asked = monotonic()
