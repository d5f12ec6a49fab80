"""Single statements of the scanning role, by a process that needs nothing else of the record.

The watchdog is one: it must run, and tell, while the database does not answer.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg
import psycopg_pool

from fhirserver.kernel.errors import Unavailable
from fhirserver.store.database import Pool

_PATIENCE_SECONDS: Final = 2.0


class OwnRows:
    """Runs one statement at a time as ``fhir_worker``, and gives up soon."""

    def __init__(self, pool: Pool) -> None:
        """Work through `pool`."""
        self._pool = pool

    async def __call__(self, sql: LiteralString, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows. Raises `Unavailable` when there is no answer in time."""
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._pool.connection(timeout=_PATIENCE_SECONDS) as connection,
            ):
                return await connection.rows(sql, args)
        except (psycopg.OperationalError, psycopg_pool.PoolTimeout, TimeoutError) as outage:
            msg = "the database does not answer"
            raise Unavailable(msg) from outage
