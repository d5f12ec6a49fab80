"""Rows of `hl7_alarm`: which message told of an alarm of a machine last, so that a later answer can name it.

IHE PCD-05 tells whoever sent an alarm (PCD-04) what became of it, in an ORA^R41 whose MSA-2 is the control id of that
message.
"""

from collections.abc import Sequence
from datetime import datetime

from fhirserver.kernel import keys
from fhirserver.kernel.hl7 import AlarmTold
from fhirserver.kernel.ports import Transaction


def remember(tx: Transaction, told: Sequence[AlarmTold]) -> None:
    """Write these at the end of the transaction; what was told before of the same alarms is replaced."""
    if not told:
        return
    # In one order everywhere: two who write the same alarms never wait for each other in a circle.
    ordered = sorted(told, key=lambda one: (_bucket(tx.tenant, one.device), one.device, one.alarm))
    columns = [
        list(column)
        for column in zip(
            *(
                (_bucket(tx.tenant, one.device), one.device, one.alarm, one.sender, one.control_id, one.filler,
                 one.received)
                for one in ordered
            ),
            strict=True,
        )
    ]  # fmt: skip
    tx.execute_later(
        "INSERT INTO hl7_alarm (bucket, tenant, device, alarm, sender, control_id, filler, received) "
        "SELECT b, %s, d, a, s, c, f, r FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], "
        "%s::text[], %s::timestamptz[]) AS new(b, d, a, s, c, f, r) ON CONFLICT (bucket, tenant, device, alarm) "
        "DO UPDATE SET sender = excluded.sender, control_id = excluded.control_id, filler = excluded.filler, "
        "received = excluded.received",
        (tx.tenant, *columns),
    )


async def told_by(tx: Transaction, device: str, alarm: str) -> AlarmTold | None:
    """Return the message that told last of an alarm; None where the alarm came another way, or long ago.

    `device` is the id of the Device, `alarm` what the machine calls it: ``<event>:<source>``.
    """
    rows = await tx.execute(
        "SELECT device, alarm, sender, control_id, filler, received FROM hl7_alarm "
        "WHERE bucket = %s AND tenant = %s AND device = %s AND alarm = %s",
        (_bucket(tx.tenant, device), tx.tenant, device, alarm),
    )
    return AlarmTold(*rows[0]) if rows else None


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove what was told before this moment."""
    await tx.execute(
        "DELETE FROM hl7_alarm WHERE tenant = %s AND received < %s", (tx.tenant, before)
    )


def _bucket(tenant: int, device: str) -> int:
    return keys.bucket_of(tenant, "Device", device)
