"""Opens write transactions, commits or undoes them, and says in our own words why one failed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from fhirserver.kernel.errors import Unavailable
from fhirserver.store.horizon import lock_number
from fhirserver.store.transaction import WriteTransaction
from fhirserver.store.write_context import Overtaken, WriteContext

_Kind = TypeVar("_Kind", bound=WriteTransaction)


@asynccontextmanager
async def open_transaction(
    context: WriteContext, tenant: int, kind: type[_Kind]
) -> AsyncIterator[_Kind]:
    """Open a transaction of `tenant`; leaving the block lets observers react and commits.

    Raises `Overtaken` when the database chose this transaction to end a deadlock, `Unavailable` when the database is
    away: in both cases nothing was stored.
    """
    try:
        own = await context.keys.tenant(tenant)
        async with context.pool.connection() as connection:
            try:
                # The lock before the time: see `fhirserver.store.horizon`.
                await connection.execute(_begin(tenant, context.clock()), prepare=False)
                transaction = kind(context, connection, own)
                yield transaction
                await transaction.commit()
            except BaseException:
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    await connection.rollback()
                raise
    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as defeat:
        msg = "a concurrent change won; nothing was stored, try again"
        raise Overtaken(msg) from defeat
    except psycopg.OperationalError as outage:
        msg = "the database is not available; nothing was stored, try again"
        raise Unavailable(msg) from outage
    if transaction.changed_canonicals:
        await context.committed(tenant)


def _begin(tenant: int, moment: datetime) -> bytes:
    """Return what opens a transaction of `tenant`, in one round trip, holding the lock of `moment`."""
    lock = lock_number(moment)
    return (
        f"BEGIN; SELECT set_config('app.tenant', '{tenant:d}', true), "
        f"pg_advisory_xact_lock_shared({lock:d})"
    ).encode()
