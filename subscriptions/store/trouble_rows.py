"""Rows of ``device_trouble``: what is wrong with what a device sends, and how far it was told."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import FaultKind
from subscriptions.core.device_trouble import Trouble

_COLUMNS: Final[LiteralString] = (
    "t.device, t.kind, t.patient, t.amount, t.since, t.last, t.told, t.simulated"
)


async def lock(
    tx: Transaction, wanted: Iterable[tuple[str, FaultKind]]
) -> dict[tuple[str, FaultKind], Trouble]:
    """Lock in order and return what is known of these faults, by device and kind."""
    ordered = sorted(wanted)
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM device_trouble t"
        " JOIN unnest(%s::smallint[], %s::text[], %s::text[]) AS w (bucket, device, kind)"
        " ON t.bucket = w.bucket AND t.device = w.device AND t.kind = w.kind WHERE t.tenant = %s"
        " ORDER BY t.device, t.kind FOR UPDATE OF t",
        (
            [tx.bucket(None, "Device", device) for device, _ in ordered],
            [device for device, _ in ordered],
            [kind for _, kind in ordered],
            tx.tenant,
        ),
    )
    return {(row[0], row[1]): Trouble(*row) for row in found}


async def due(tx: Transaction, limit: int) -> Sequence[Trouble]:
    """Lock and return what time must look at; busy rows are left for later."""
    found = await tx.execute(
        "SELECT " + _COLUMNS + " FROM device_trouble t WHERE t.tenant = %s AND t.look_at <= %s"
        " ORDER BY t.look_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (tx.tenant, tx.now, limit),
    )
    return [Trouble(*row) for row in found]


async def save(tx: Transaction, trouble: Trouble, look_at: datetime | None) -> None:
    """Write what is known now, and when to look again."""
    await tx.execute(
        "INSERT INTO device_trouble (bucket, tenant, device, kind, patient, amount, since, last, told,"
        " simulated, look_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (bucket, tenant, device, kind) DO UPDATE SET patient = excluded.patient,"
        " amount = excluded.amount, since = excluded.since, last = excluded.last, told = excluded.told,"
        " simulated = excluded.simulated, look_at = excluded.look_at",
        (
            tx.bucket(None, "Device", trouble.device),
            tx.tenant,
            trouble.device,
            trouble.kind,
            trouble.patient,
            trouble.amount,
            trouble.since,
            trouble.last,
            trouble.told,
            trouble.simulated,
            look_at,
        ),
    )


async def forget(tx: Transaction, device: str, kind: FaultKind) -> None:
    """Remove what was known of a fault that is over."""
    await tx.execute(
        "DELETE FROM device_trouble WHERE bucket = %s AND tenant = %s AND device = %s AND kind = %s",
        (tx.bucket(None, "Device", device), tx.tenant, device, kind),
    )
