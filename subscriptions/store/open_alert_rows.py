"""Which alerts go on, and by which event a Subscription was last told of each."""

from typing import Final

from fhirserver.kernel.ports import Transaction
from subscriptions.store.event_rows import EventRow

# A Subscription that was told of so many events since counts an alert as told too long ago.
_LOOKED_BACK: Final = 2000
_MOST: Final = 1000


async def told_of(tx: Transaction, subscription: str, through: int) -> list[EventRow]:
    """Return the events up to number `through` by which `subscription` was last told of alerts that go on, in order.

    Their version is 0: what the Flag says now counts.
    """
    flags = await tx.execute(
        "SELECT flag FROM alert WHERE tenant = %s AND closed IS NULL AND flag IS NOT NULL"
        " ORDER BY raised DESC LIMIT %s",
        (tx.tenant, _MOST),
    )
    if not flags:
        return []
    rows = await tx.execute(
        "SELECT DISTINCT ON (focus_id) number, action, focus_type, focus_id, 0, patient, at FROM"
        " (SELECT * FROM event WHERE tenant = %s AND subscription = %s AND number IS NOT NULL"
        "  AND number <= %s ORDER BY number DESC LIMIT %s) told"
        " WHERE focus_type = 'Flag' AND action <> 'delete' AND focus_id = ANY(%s::text[])"
        " ORDER BY focus_id, number DESC",
        (tx.tenant, subscription, through, _LOOKED_BACK, [flag for (flag,) in flags]),
    )
    return sorted((EventRow(*row) for row in rows), key=lambda one: one.number)
