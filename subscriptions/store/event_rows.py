"""Rows of `event`: what each Subscription is owed.

Written without a number in the transaction of the change; the Subscription's sequencer numbers what
was committed, without gaps, in a transaction of its own. Numbers given inside concurrent write
transactions would have to wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.core.notification import Action

# Run by the scanning role: which Subscriptions have events nobody has numbered yet.
UNNUMBERED: Final[LiteralString] = (
    "SELECT DISTINCT tenant, subscription FROM event WHERE number IS NULL LIMIT 500"
)
# Which tenants hold events older than a moment.
EXPIRED: Final[LiteralString] = "SELECT DISTINCT tenant FROM event WHERE at < %s LIMIT 100"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class EventRow:
    """One numbered event of one Subscription."""

    number: int
    action: Action
    focus_type: str
    focus_id: str
    focus_version: int
    patient: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What is appended: the change itself, once per Subscription."""

    action: Action
    focus_type: str
    focus_id: str
    focus_version: int
    patient: str | None


async def append(tx: Transaction, event: NewEvent, subscriptions: Sequence[str]) -> None:
    """Append `event` for each of `subscriptions`, in the bucket of its patient."""
    bucket = tx.bucket(event.patient, event.focus_type, event.focus_id)
    for subscription in subscriptions:
        await tx.execute(
            "INSERT INTO event (bucket, tenant, id, subscription, action, focus_type, focus_id,"
            " focus_version, patient, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                bucket,
                tx.tenant,
                UUID(tx.new_id(event.patient)),
                subscription,
                event.action,
                event.focus_type,
                event.focus_id,
                event.focus_version,
                event.patient,
                tx.now,
            ),
        )


async def number(tx: Transaction, subscription: str, last_number: int) -> int:
    """Number what is committed and unnumbered, from `last_number` + 1; return how many there were.

    The caller holds the Subscription's cursor row, so no two sequencers do this at once.
    """
    rows = await tx.execute(
        "WITH waiting AS ("
        " SELECT bucket, id, row_number() OVER (ORDER BY appended) AS place FROM ("
        "  SELECT bucket, id, appended FROM event"
        "  WHERE tenant = %(tenant)s AND subscription = %(subscription)s AND number IS NULL"
        "  ORDER BY appended LIMIT %(batch)s) first)"
        " UPDATE event e SET number = %(last)s + w.place FROM waiting w"
        " WHERE e.bucket = w.bucket AND e.tenant = %(tenant)s AND e.id = w.id RETURNING 1",
        {
            "tenant": tx.tenant,
            "subscription": subscription,
            "last": last_number,
            "batch": _BATCH,
        },
    )
    return len(rows)


async def numbered(
    tx: Transaction, subscription: str, after: int, through: int, limit: int
) -> list[EventRow]:
    """Return events numbered above `after` up to `through`, in order, at most `limit`."""
    rows = await tx.execute(
        "SELECT number, action, focus_type, focus_id, focus_version, patient, at FROM event"
        " WHERE tenant = %s AND subscription = %s AND number > %s AND number <= %s"
        " ORDER BY number LIMIT %s",
        (tx.tenant, subscription, after, through, limit),
    )
    return [EventRow(*row) for row in rows]


async def forget_before(tx: Transaction, moment: datetime) -> int:
    """Delete numbered events older than `moment`; return how many (bounded per call)."""
    rows = await tx.execute(
        "DELETE FROM event WHERE (bucket, tenant, id) IN (SELECT bucket, tenant, id FROM event"
        " WHERE tenant = %s AND at < %s AND number IS NOT NULL LIMIT %s) RETURNING 1",
        (tx.tenant, moment, _BATCH),
    )
    return len(rows)


async def forget_all(tx: Transaction, subscription: str) -> None:
    """Delete what a Subscription that no longer exists would have been owed."""
    await tx.execute(
        "DELETE FROM event WHERE tenant = %s AND subscription = %s", (tx.tenant, subscription)
    )
