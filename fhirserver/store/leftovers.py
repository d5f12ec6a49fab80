"""Removes what a test tenant left behind: whole resources, whatever would protect them elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString

from fhirserver.kernel import keys
from fhirserver.kernel.ports import Transaction
from fhirserver.store.removal import remove

_AT_ONCE: Final = 2000
_OF_DEVICES: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM device_stream WHERE tenant = %s AND last_received < %s",
    "DELETE FROM device_fault WHERE tenant = %s AND noticed < %s",
)


async def forget(tx: Transaction, types: Sequence[str], before: datetime) -> int:
    """Remove resources of `types` made before that in the tenant of `tx`; return how many, some at a time."""
    gone = 0
    for type_ in types:
        number = tx.definitions.type_number(type_)
        rows = await tx.execute(
            "SELECT bucket, id FROM resource WHERE tenant = %s AND type = %s AND id < %s LIMIT %s",
            (tx.tenant, number, keys.first_row_at(before), _AT_ONCE),
        )
        if rows:
            await remove(tx, number, [(bucket, id_) for bucket, id_ in rows])
        gone += len(rows)
    for table in _OF_DEVICES:
        await tx.execute(table, (tx.tenant, before))
    return gone
