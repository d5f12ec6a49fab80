"""Opens write transactions, commits or undoes them, and says in our own words why one failed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, LiteralString, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from fhirserver.kernel.errors import Unavailable
from fhirserver.store.caller import SET_TENANT
from fhirserver.store.connection import Query
from fhirserver.store.horizon import lock_number
from fhirserver.store.transaction import WriteTransaction
from fhirserver.store.write_context import Overtaken, WriteContext

_BEGIN: Final = Query("BEGIN", prepare=False)
# The epoch of keys comes along: what is written is never sealed by keys that were replaced before it began.
_ENTER: Final[LiteralString] = (
    f"{SET_TENANT}, pg_advisory_xact_lock_shared(%s::bigint), (SELECT epoch FROM key_epoch)"
)
# Who is second to write the same message waits for the first, and then does not write it.
_ONCE: Final = "hl7_message_bucket_tenant_sender_control_id_key"
_Kind = TypeVar("_Kind", bound=WriteTransaction)


@asynccontextmanager
async def open_transaction(
    context: WriteContext, tenant: int, kind: type[_Kind]
) -> AsyncIterator[_Kind]:
    """Open a transaction of `tenant`; leaving the block lets observers react and commits.

    Raises `Overtaken` when the database chose this transaction to end a deadlock, or another one took the same message,
    `Unavailable` when the database is away: in all cases nothing was stored.
    """
    try:
        async with context.pool.connection() as connection:
            try:
                # The lock before the time: see `fhirserver.store.horizon`.
                began = await connection.round((_BEGIN, _holding(tenant, context.clock())))
                context.keys.follow(began[1][0][2])
                own = await context.keys.tenant(tenant)
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
    except psycopg.errors.UniqueViolation as defeat:
        if defeat.diag.constraint_name != _ONCE:
            raise
        msg = "the same message was taken a moment ago; nothing was stored, try again"
        raise Overtaken(msg) from defeat
    except psycopg.OperationalError as outage:
        msg = "the database is not available; nothing was stored, try again"
        raise Unavailable(msg) from outage
    if transaction.changed_canonicals:
        await context.committed(tenant)


def _holding(tenant: int, moment: datetime) -> Query:
    """Return what makes a transaction one of `tenant` and holds the lock of `moment`."""
    return Query(_ENTER, (str(tenant), lock_number(moment)))
