"""Rows of `subscription_cursor`: how far each Subscription has been numbered and delivered.

A delivery in flight is leased: `epoch` grows with every claim, and whoever reports a result with an
older epoch has lost its lease and changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction

# Run by the scanning role: Subscriptions with something to send that nobody is sending, or whose
# sender has stopped beating. Telephones first, so that no backlog of endpoints hides an alarm.
DUE: Final[LiteralString] = (
    "SELECT tenant, bucket, subscription, channel FROM subscription_cursor"
    " WHERE due_at <= %s AND (lease_until IS NULL OR lease_until < %s)"
    " ORDER BY channel = 'sms' DESC, due_at LIMIT 500"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A Subscription whose delivery this worker holds until `epoch` changes or the lease ends."""

    subscription: str
    bucket: int
    topic: str
    channel: str
    status: str
    member: str | None
    phone_lookup: int | None
    language: str | None
    owner_kind: str | None
    owner: str | None
    heartbeat: int | None
    last_number: int
    delivered_through: int
    failing_since: datetime | None
    attempts: int
    epoch: int
    last_sent: datetime | None
    taken_over: bool


@dataclass(frozen=True, slots=True)
class NewCursor:
    """What a Subscription resource says, as far as delivery needs it."""

    subscription: str
    topic: str
    channel: str
    status: str
    member: str | None
    owner: tuple[str, str] | None
    heartbeat: int | None
    due_at: datetime | None


def bucket(tx: Transaction, subscription: str) -> int:
    """Return the bucket of a Subscription's cursor."""
    return tx.bucket(None, "subscription-cursor", subscription)


async def follow(tx: Transaction, cursor: NewCursor) -> None:
    """Insert the cursor, or bring it to what the Subscription says now; numbers are kept.

    A Subscription that starts anew (``requested``) forgets earlier failures.
    """
    owner_kind, owner = cursor.owner or (None, None)
    await tx.execute(
        "INSERT INTO subscription_cursor (bucket, tenant, subscription, topic, channel, status,"
        " member, owner_kind, owner, heartbeat, due_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (bucket, tenant, subscription) DO UPDATE SET topic = excluded.topic,"
        " channel = excluded.channel, status = excluded.status, member = excluded.member,"
        " owner_kind = excluded.owner_kind, owner = excluded.owner, heartbeat = excluded.heartbeat,"
        " due_at = excluded.due_at,"
        " failing_since = CASE WHEN excluded.status IN ('requested', 'active') THEN NULL"
        "  ELSE subscription_cursor.failing_since END,"
        " attempts = CASE WHEN excluded.status IN ('requested', 'active') THEN 0"
        "  ELSE subscription_cursor.attempts END",
        (
            bucket(tx, cursor.subscription),
            tx.tenant,
            cursor.subscription,
            cursor.topic,
            cursor.channel,
            cursor.status,
            cursor.member,
            owner_kind,
            owner,
            cursor.heartbeat,
            cursor.due_at,
        ),
    )


async def set_phone(
    tx: Transaction, subscription: str, phone_lookup: int, language: str, *, proven: bool
) -> None:
    """Record the telephone of a managed Subscription; what was proven stays so at the same one."""
    await tx.execute(
        "UPDATE subscription_cursor SET proven = (%s OR (proven AND phone_lookup = %s)),"
        " phone_lookup = %s, language = %s"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (
            proven,
            phone_lookup,
            phone_lookup,
            language,
            bucket(tx, subscription),
            tx.tenant,
            subscription,
        ),
    )


@dataclass(frozen=True, slots=True)
class PhoneSubscription:
    """A managed Subscription at one telephone."""

    subscription: str
    member: str
    status: str
    language: str
    proven: bool


async def at_phone(tx: Transaction, phone_lookup: int) -> list[PhoneSubscription]:
    """Return every managed Subscription of a telephone: one per person it belongs to."""
    rows = await tx.execute(
        "SELECT subscription, member, status, language, proven FROM subscription_cursor"
        " WHERE tenant = %s AND phone_lookup = %s ORDER BY subscription",
        (tx.tenant, phone_lookup),
    )
    return [PhoneSubscription(*row) for row in rows]


async def remove(tx: Transaction, subscription: str) -> None:
    """Forget a deleted Subscription."""
    await tx.execute(
        "DELETE FROM subscription_cursor WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (bucket(tx, subscription), tx.tenant, subscription),
    )


async def lock_for_numbering(tx: Transaction, subscription: str) -> tuple[int, str] | None:
    """Return (last number, status), held until commit; None when gone or numbered by another."""
    rows = await tx.execute(
        "SELECT last_number, status FROM subscription_cursor"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s FOR UPDATE SKIP LOCKED",
        (bucket(tx, subscription), tx.tenant, subscription),
    )
    return (rows[0][0], rows[0][1]) if rows else None


async def exists(tx: Transaction, subscription: str) -> bool:
    """Return whether there is a cursor, locked by another or not."""
    rows = await tx.execute(
        "SELECT 1 FROM subscription_cursor WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (bucket(tx, subscription), tx.tenant, subscription),
    )
    return bool(rows)


async def numbered_through(tx: Transaction, subscription: str, last_number: int) -> None:
    """Record how far numbering has come and make an active Subscription due, retries in peace."""
    await tx.execute(
        "UPDATE subscription_cursor SET last_number = %s, due_at = CASE"
        " WHEN status <> 'active' THEN due_at"
        " WHEN failing_since IS NOT NULL THEN coalesce(due_at, %s)"
        " ELSE %s END"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (last_number, tx.now, tx.now, bucket(tx, subscription), tx.tenant, subscription),
    )


async def claim(tx: Transaction, subscription: str, lease: timedelta) -> Claim | None:
    """Lease one due Subscription; None when it is not due any more or somebody else is faster."""
    rows = await tx.execute(
        "UPDATE subscription_cursor c SET lease_until = %(until)s, epoch = c.epoch + 1"
        " FROM (SELECT bucket, tenant, subscription, lease_until FROM subscription_cursor"
        "  WHERE bucket = %(bucket)s AND tenant = %(tenant)s AND subscription = %(subscription)s"
        "  AND due_at <= %(now)s AND (lease_until IS NULL OR lease_until < %(now)s)"
        "  FOR UPDATE SKIP LOCKED) due"
        " WHERE c.bucket = due.bucket AND c.tenant = due.tenant"
        " AND c.subscription = due.subscription"
        " RETURNING c.subscription, c.bucket, c.topic, c.channel, c.status, c.member,"
        " c.phone_lookup, c.language, c.owner_kind, c.owner, c.heartbeat, c.last_number,"
        " c.delivered_through, c.failing_since, c.attempts, c.epoch, c.last_sent,"
        " due.lease_until IS NOT NULL",
        {
            "until": tx.now + lease,
            "bucket": bucket(tx, subscription),
            "tenant": tx.tenant,
            "subscription": subscription,
            "now": tx.now,
        },
    )
    return Claim(*rows[0]) if rows else None


async def beat(tx: Transaction, subscription: str, epoch: int, lease: timedelta) -> bool:
    """Extend a lease; False when it was lost."""
    rows = await tx.execute(
        "UPDATE subscription_cursor SET lease_until = %s"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s AND epoch = %s"
        " AND lease_until IS NOT NULL RETURNING 1",
        (tx.now + lease, bucket(tx, subscription), tx.tenant, subscription, epoch),
    )
    return bool(rows)


async def succeeded(tx: Transaction, claim_: Claim, through: int) -> bool:
    """Record that everything up to `through` was handed over and give the lease back.

    The Subscription stays due when more is numbered; otherwise at its next heartbeat, or not at
    all. False when the lease was lost.
    """
    rows = await tx.execute(
        "UPDATE subscription_cursor SET"
        " delivered_through = greatest(delivered_through, %(through)s), lease_until = NULL,"
        " failing_since = NULL, attempts = 0, last_sent = %(now)s,"
        " due_at = CASE WHEN status = 'requested' THEN NULL WHEN last_number > %(through)s"
        "  THEN %(now)s WHEN heartbeat IS NOT NULL THEN %(now)s + heartbeat * interval '1 second'"
        "  ELSE NULL END"
        " WHERE bucket = %(bucket)s AND tenant = %(tenant)s AND subscription = %(subscription)s"
        " AND epoch = %(epoch)s RETURNING 1",
        {**_place(tx, claim_), "through": through, "now": tx.now},
    )
    return bool(rows)


async def failed(tx: Transaction, claim_: Claim, retry_at: datetime) -> bool:
    """Record a failed try, to be repeated at `retry_at`; False when the lease was lost."""
    rows = await tx.execute(
        "UPDATE subscription_cursor SET lease_until = NULL, attempts = attempts + 1,"
        " failing_since = coalesce(failing_since, %(now)s), due_at = %(retry)s"
        " WHERE bucket = %(bucket)s AND tenant = %(tenant)s AND subscription = %(subscription)s"
        " AND epoch = %(epoch)s RETURNING 1",
        {**_place(tx, claim_), "retry": retry_at, "now": tx.now},
    )
    return bool(rows)


async def release(tx: Transaction, claim_: Claim) -> bool:
    """Give the lease back with nothing left to do; False when it was lost."""
    rows = await tx.execute(
        "UPDATE subscription_cursor SET lease_until = NULL, due_at = NULL"
        " WHERE bucket = %(bucket)s AND tenant = %(tenant)s AND subscription = %(subscription)s"
        " AND epoch = %(epoch)s RETURNING 1",
        _place(tx, claim_),
    )
    return bool(rows)


def _place(tx: Transaction, claim_: Claim) -> dict[str, object]:
    return {
        "bucket": claim_.bucket,
        "tenant": tx.tenant,
        "subscription": claim_.subscription,
        "epoch": claim_.epoch,
    }


async def language(tx: Transaction, subscription: str) -> str | None:
    """Return the language of a managed Subscription's owner, None when there is none."""
    rows = await tx.execute(
        "SELECT language FROM subscription_cursor"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (bucket(tx, subscription), tx.tenant, subscription),
    )
    return rows[0][0] if rows else None
