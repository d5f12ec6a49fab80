"""The lease on an ingest partition: one worker at a time, another within seconds when it dies."""

from datetime import datetime, timedelta
from typing import Final

from fhirserver.store.database import Pool

LEASE: Final = timedelta(seconds=3)


async def hold(pool: Pool, partition: int, holder: str, now: datetime) -> bool:
    """Take or renew the lease and return whether `holder` has it now; the database's row decides between two."""
    async with pool.connection() as connection:
        found = await connection.rows(
            "INSERT INTO ingest_lease (partition, holder, epoch, until) VALUES (%(partition)s, %(holder)s, 1, %(until)s) "
            "ON CONFLICT (partition) DO UPDATE SET holder = excluded.holder, until = excluded.until, "
            "epoch = ingest_lease.epoch + (ingest_lease.holder <> excluded.holder)::int "
            "WHERE ingest_lease.holder = excluded.holder OR ingest_lease.until < %(now)s RETURNING epoch",
            {"partition": partition, "holder": holder, "until": now + LEASE, "now": now},
        )
    return bool(found)


async def release(pool: Pool, partition: int, holder: str, now: datetime) -> None:
    """Give the lease up, so that a successor need not wait for it to run out."""
    async with pool.connection() as connection:
        await connection.rows(
            "UPDATE ingest_lease SET until = %s WHERE partition = %s AND holder = %s",
            (now, partition, holder),
        )
