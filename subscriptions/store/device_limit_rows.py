"""Rows of ``device_limit``: the alarm limits a machine has now. No word of a patient is in them."""

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from fhirserver.kernel.ports import Transaction
from subscriptions.store.silence_rows import Use


class Using(NamedTuple):
    """That `patient` uses `device`, or will."""

    device: str
    patient: str
    use: Use


async def write(tx: Transaction, limits: Mapping[str, Mapping[str, Any] | None]) -> set[str]:
    """Keep limits by device, None for none; return the devices that have any, or had."""
    said = {device: told for device, told in limits.items() if told is not None}
    if said:
        tx.execute_later(
            "INSERT INTO device_limit (bucket, tenant, device, limits) "
            "SELECT b, %s, d, l FROM unnest(%s::smallint[], %s::text[], %s::jsonb[]) AS told(b, d, l) "
            "ON CONFLICT (bucket, tenant, device) DO UPDATE SET limits = excluded.limits",
            (tx.tenant, _buckets(tx, said), list(said), [json.dumps(one) for one in said.values()]),
        )
    over = sorted(limits.keys() - said.keys())
    if not over:
        return set(said)
    gone = await tx.execute(
        "DELETE FROM device_limit WHERE tenant = %s AND (bucket, device) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::text[])) RETURNING device",
        (tx.tenant, _buckets(tx, over), over),
    )
    return said.keys() | {device for (device,) in gone}


async def read(tx: Transaction, devices: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Return the limits of those of `devices` that have any."""
    found = await tx.execute(
        "SELECT device, limits FROM device_limit WHERE tenant = %s AND (bucket, device) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::text[]))",
        (tx.tenant, _buckets(tx, devices), list(devices)),
    )
    return dict(found)


async def users(tx: Transaction, devices: Collection[str]) -> list[Using]:
    """Return who uses `devices` now or later, and when."""
    found = await tx.execute(
        "SELECT device, patient, starts, ends FROM device_binding WHERE tenant = %s "
        "AND (bucket, device) IN (SELECT * FROM unnest(%s::smallint[], %s::text[])) "
        "AND (ends IS NULL OR ends > %s) ORDER BY device, patient, starts NULLS FIRST, ends",
        (tx.tenant, _buckets(tx, devices), list(devices), tx.now),
    )
    return [Using(device, patient, Use(starts, ends)) for device, patient, starts, ends in found]


def _buckets(tx: Transaction, devices: Collection[str]) -> list[int]:
    return [tx.bucket(None, "Device", device) for device in devices]
