"""Rows of `delivery_dead_letter`: events that could not be delivered and were passed over.

The Subscription goes on behind them; an administrator may have them sent again while the events are
kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.core.delivery import SetAside
from subscriptions.store import cursor_rows

# Run by the scanning role: which tenants hold letters older than a moment.
EXPIRED: Final[LiteralString] = (
    "SELECT DISTINCT tenant FROM delivery_dead_letter WHERE at < %s LIMIT 100"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Events `first` to `last` of a Subscription, why they were set aside, and when.

    `wanted`: when an administrator asked for them again; `sent`: when that succeeded.
    """

    id: UUID
    subscription: str
    first: int
    last: int
    reason: str
    at: datetime
    wanted: datetime | None
    sent: datetime | None


_COLUMNS: Final[LiteralString] = (
    "id, subscription, first_number, last_number, reason, at, wanted, sent"
)


def keep_later(tx: Transaction, aside: Sequence[tuple[str, SetAside]]) -> None:
    """Keep what is set aside of each Subscription, together with the transaction's next statement."""
    if not aside:
        return
    tx.execute_later(
        "INSERT INTO delivery_dead_letter"
        " (bucket, tenant, id, subscription, first_number, last_number, reason, at)"
        " SELECT n.bucket, %s, n.id, n.subscription, n.first, n.last, n.reason, %s"
        " FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])"
        " AS n (bucket, id, subscription, first, last, reason)",
        (
            tx.tenant,
            tx.now,
            [cursor_rows.bucket(tx, subscription) for subscription, _ in aside],
            [UUID(tx.new_id(None)) for _ in aside],
            [subscription for subscription, _ in aside],
            [one.first for _, one in aside],
            [one.last for _, one in aside],
            [one.reason for _, one in aside],
        ),
    )


async def of(tx: Transaction, subscription: str) -> list[DeadLetter]:
    """Return everything set aside of a Subscription, in the order of its events."""
    rows = await tx.execute(
        "SELECT " + _COLUMNS + " FROM delivery_dead_letter"
        " WHERE tenant = %s AND subscription = %s ORDER BY first_number, at",
        (tx.tenant, subscription),
    )
    return [DeadLetter(*row) for row in rows]


async def want(tx: Transaction, subscription: str) -> int:
    """Mark what is set aside of a Subscription to be sent again; return how many letters that is."""
    rows = await tx.execute(
        "UPDATE delivery_dead_letter SET wanted = %s"
        " WHERE tenant = %s AND subscription = %s AND sent IS NULL RETURNING 1",
        (tx.now, tx.tenant, subscription),
    )
    return len(rows)


async def wanted(tx: Transaction, subscriptions: Sequence[str]) -> dict[str, list[DeadLetter]]:
    """Return what is to be sent again of each of `subscriptions`, in the order of its events."""
    if not subscriptions:
        return {}
    rows = await tx.execute(
        "SELECT " + _COLUMNS + " FROM delivery_dead_letter WHERE tenant = %s"
        " AND subscription = ANY(%s) AND wanted IS NOT NULL AND sent IS NULL"
        " ORDER BY subscription, first_number, at",
        (tx.tenant, list(subscriptions)),
    )
    found: dict[str, list[DeadLetter]] = {}
    for row in rows:
        found.setdefault(row[1], []).append(DeadLetter(*row))
    return found


def settle_later(tx: Transaction, letter: DeadLetter, *, sent: bool) -> None:
    """Note that a letter was sent again, or is not to be tried again, with the next statement."""
    tx.execute_later(
        "UPDATE delivery_dead_letter SET sent = %s, wanted = NULL"
        " WHERE bucket = %s AND tenant = %s AND id = %s",
        (
            tx.now if sent else None,
            cursor_rows.bucket(tx, letter.subscription),
            tx.tenant,
            letter.id,
        ),
    )


async def forget_before(tx: Transaction, moment: datetime) -> None:
    """Delete letters older than `moment`."""
    await tx.execute(
        "DELETE FROM delivery_dead_letter WHERE tenant = %s AND at < %s", (tx.tenant, moment)
    )
