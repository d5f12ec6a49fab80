"""Rows of `timer`: what comes due on a ladder. The bucket is the incident's.

A timer is carried out in the transaction that removes its row, so it needs no lease: when the
worker dies the row is simply still there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.kernel.keys import bucket_of_row
from fhirserver.kernel.ports import Transaction
from subscriptions.core.ladder_state import TimerKind

# Run by the scanning role without a transaction: which tenants and buckets have something due.
DUE: Final[LiteralString] = "SELECT DISTINCT tenant, bucket FROM timer WHERE due_at <= %s LIMIT 200"


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer that was claimed: its row is gone with this transaction's commit."""

    kind: TimerKind
    due_at: datetime
    generation: int


async def set_timer(
    tx: Transaction,
    patient: str | None,
    incident: UUID,
    kind: TimerKind,
    due_at: datetime,
    generation: int,
) -> None:
    """Set or move one timer."""
    await tx.execute(
        "INSERT INTO timer (bucket, tenant, incident, kind, patient, due_at, generation)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (bucket, tenant, incident, kind) DO UPDATE SET due_at = excluded.due_at,"
        " generation = excluded.generation",
        (bucket_of_row(incident), tx.tenant, incident, kind, patient, due_at, generation),
    )


async def remove(tx: Transaction, incident: UUID, kind: TimerKind) -> None:
    """Remove one timer; nothing happens when it is not there."""
    await tx.execute(
        "DELETE FROM timer WHERE bucket = %s AND tenant = %s AND incident = %s AND kind = %s",
        (bucket_of_row(incident), tx.tenant, incident, kind),
    )


async def due_incidents(tx: Transaction, bucket: int, limit: int) -> list[tuple[str | None, UUID]]:
    """Return (patient, incident) of the ladders in one bucket with something due, oldest first."""
    rows = await tx.execute(
        "SELECT patient, incident FROM timer WHERE bucket = %s AND tenant = %s AND due_at <= %s"
        " GROUP BY patient, incident ORDER BY min(due_at) LIMIT %s",
        (bucket, tx.tenant, tx.now, limit),
    )
    return [(row[0], row[1]) for row in rows]


async def claim(tx: Transaction, incident: UUID) -> Sequence[DueTimer]:
    """Take what is due of one ladder, oldest first; rows another worker holds are passed over."""
    rows = await tx.execute(
        "DELETE FROM timer WHERE (bucket, tenant, incident, kind) IN ("
        " SELECT bucket, tenant, incident, kind FROM timer"
        " WHERE bucket = %s AND tenant = %s AND incident = %s AND due_at <= %s"
        " FOR UPDATE SKIP LOCKED)"
        " RETURNING kind, due_at, generation",
        (bucket_of_row(incident), tx.tenant, incident, tx.now),
    )
    return sorted((DueTimer(*row) for row in rows), key=lambda timer: timer.due_at)
