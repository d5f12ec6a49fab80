"""What keys need without anybody asking: the index is watched, and retired data keys are deleted.

Both are jobs of the upkeep lane (`spreading`, `key_retirement`), which runs one at a time in a tenant. This hands them in.
"""

from datetime import datetime, timedelta
from typing import Final

import orjson

from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.principal import Principal
from fhirserver.store import key_retirement, spreading
from fhirserver.store.jobs import JobRows
from fhirserver.store.rotation import KEPT

# From the end of a look at the index to the next.
EVERY: Final = timedelta(minutes=10)
# The same for retired keys, which live for a day anyway.
RETIRED_EVERY: Final = timedelta(hours=12)
ALWAYS: Final = "on"
NEVER: Final = "off"


def is_time(hours: str, now: datetime) -> bool:
    """Return whether `now` (UTC) is in `hours`: "on", "off" or, as 22:00-05:00, from the one until the other."""
    if hours in (ALWAYS, NEVER):
        return hours == ALWAYS
    begins, ends = hours.split("-")
    clock = f"{now:%H:%M}"
    if begins <= ends:
        return begins <= clock < ends
    return clock >= begins or clock < ends


async def hand_in(jobs: JobRows, transactions: Transactions, tenant: int, hours: str) -> None:
    """Hand in the jobs that are due in a tenant; the index is looked at within `hours` (see `is_time`)."""
    async with transactions(tenant) as tx:
        look = is_time(hours, tx.now) and not await _lately(tx, spreading.KIND, EVERY)
        retired = await tx.execute(key_retirement.DUE, (tenant, tx.now - KEPT))
        retire = bool(retired) and not await _lately(tx, key_retirement.KIND, RETIRED_EVERY)
        if look:
            # Of those that found nothing to do the last is enough.
            await tx.execute(
                "DELETE FROM job WHERE tenant = %s AND kind = %s AND state = 'done'",
                (tenant, spreading.KIND),
            )
    system = Principal(tenant, "system", "")
    if look:
        asked = orjson.dumps({"share": spreading.SHARE})
        await jobs.submit(tenant, spreading.KIND, asked, system)
    if retire:
        await jobs.submit(tenant, key_retirement.KIND, b"", system)


async def _lately(tx: Transaction, kind: str, every: timedelta) -> bool:
    """Return whether a job of `kind` is open, or ended less than `every` ago."""
    found = await tx.execute(
        "SELECT 1 FROM job WHERE tenant = %s AND kind = %s AND (finished IS NULL OR finished > %s) LIMIT 1",
        (tx.tenant, kind, tx.now - every),
    )
    return bool(found)
