"""Connections to PostgreSQL: one pool per role, so that a process can do no more than its role may."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from fhirserver.store.connection import Connection

Pool = AsyncConnectionPool[Connection]


@dataclass(frozen=True, slots=True)
class Database:
    """Open pools. `write` serves one tenant a transaction, `read` one caller, `work` finds due rows, and `keys` is kept
    apart so that a transaction in need of a new data key never waits for a connection held by another of its kind.
    """

    read: Pool
    write: Pool
    work: Pool
    keys: Pool


@asynccontextmanager
async def open_database(
    url: str, passwords: dict[str, str], *, size: int = 8
) -> AsyncIterator[Database]:
    """Open the pools against `url` (any user; roles and `passwords` replace it) with up to `size` connections each."""

    def pool(role: str, most: int) -> Pool:
        return AsyncConnectionPool(
            make_conninfo(url, user=role, password=passwords[role]),
            connection_class=Connection,
            min_size=0,
            max_size=most,
            max_idle=300,
            open=False,
            kwargs={"autocommit": True, "application_name": f"fhirserver {os.getpid()}"},
            configure=_configure if role == "fhir_read" else _configure_for_writing,
        )

    async with AsyncExitStack() as stack:
        pools = [
            pool("fhir_read", size),
            pool("fhir_write", size),
            pool("fhir_worker", size),
            pool("fhir_write", 2),
        ]
        for one in pools:
            await stack.enter_async_context(one)
        yield Database(*pools)


async def _configure(connection: Connection) -> None:
    # What psycopg prepares it also forgets, all at once and with what `Connection.round` has prepared.
    connection.prepare_threshold = None
    await connection.execute("SET TIME ZONE 'UTC'")
    await connection.execute("SET plan_cache_mode = 'auto'")


async def _configure_for_writing(connection: Connection) -> None:
    await _configure(connection)
    # What writes names its rows by their keys. The planner, which knows nothing of a table that was never analyzed,
    # would rather read all of it than look a few rows up, and keep to that plan while the table grows: a thousand
    # events took 180 ms to be numbered, and 20 ms once the table was analyzed.
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET enable_material = off")
    await connection.execute("SET enable_hashjoin = off")
    await connection.execute("SET enable_mergejoin = off")
