"""Who must be told that evaluation is late, and who was."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction
from subscriptions.core.constants import MODE_KNOWN_FOR
from subscriptions.core.silence import Watched
from subscriptions.store.silence_rows import USER
from subscriptions.store.watch_rows import Execute

# A treatment lasts a night at most: a machine not heard for longer treats nobody.
_HEARD_WITHIN: Final = timedelta(hours=12)
_MODE_KNOWN: Final = timedelta(seconds=MODE_KNOWN_FOR.value)

_IS_TOLD: Final[LiteralString] = (
    "a.key = 'evaluation-late' AND a.closed IS NULL AND a.condition = 'present'"
)


async def tenants_in_use(execute: Execute, now: datetime) -> Sequence[int]:
    """Return the tenants whose devices were heard lately."""
    found = await execute(
        "SELECT DISTINCT tenant FROM device_watch WHERE patient IS NOT NULL AND mode_at IS NOT NULL"
        " AND last_contact > %s",
        (now - _HEARD_WITHIN,),
    )
    return [tenant for (tenant,) in found]


async def tenants_told(execute: Execute) -> Sequence[int]:
    """Return the tenants in which somebody was told."""
    found = await execute("SELECT DISTINCT a.tenant FROM alert a WHERE " + _IS_TOLD, ())
    return [tenant for (tenant,) in found]


async def not_told(tx: Transaction, limit: int) -> Sequence[Watched]:
    """Lock and return devices in treatment whose patient has no such alert; busy rows are left for later."""
    found = await tx.execute(
        "SELECT w.device, w.patient, w.mode, w.mode_at, w.last_contact, w.online, w.stage, w.simulated,"
        " w.every"
        " FROM device_watch w, (VALUES (%s::timestamptz)) t(now) WHERE w.tenant = %s"
        " AND w.mode_at IS NOT NULL AND w.patient = " + USER + " AND w.last_contact > %s"
        " AND (w.mode IS NULL OR w.mode = 'TX' OR w.last_contact - w.mode_at > %s)"
        " AND NOT EXISTS (SELECT 1 FROM alert a WHERE a.tenant = w.tenant"
        " AND a.patient = w.patient AND " + _IS_TOLD + ") ORDER BY w.last_contact LIMIT %s"
        " FOR UPDATE OF w SKIP LOCKED",
        (tx.now, tx.tenant, tx.now - _HEARD_WITHIN, _MODE_KNOWN, limit),
    )
    return [Watched(*row) for row in found]


async def told(tx: Transaction, limit: int) -> Sequence[tuple[str, str | None, bool]]:
    """Return (patient, device, simulated) of those who were told."""
    found = await tx.execute(
        "SELECT a.patient, a.device, a.simulated FROM alert a WHERE a.tenant = %s AND "
        + _IS_TOLD
        + " LIMIT %s",
        (tx.tenant, limit),
    )
    return [(patient, device, simulated) for patient, device, simulated in found]
