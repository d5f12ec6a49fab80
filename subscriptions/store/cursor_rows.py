"""Rows of `subscription_cursor`: how far each Subscription has been numbered and delivered.

What a row may become is decided by `subscriptions.core.delivery`: a row is locked, its cursor takes
a step, and what came out is saved. A statement serves as many Subscriptions as there are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, LiteralString, NamedTuple

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from fhirserver.kernel.keys import bucket_of
from fhirserver.kernel.ports import Transaction
from subscriptions.core.delivery import Cursor, Written, step
from subscriptions.core.lanes import Lane
from subscriptions.store import columns

MANAGED: Final = "sms"
BY_SOCKET: Final = "websocket"
# Run by the scanning role: Subscriptions with something to do that nobody is doing, or whose worker
# has stopped beating; each lane with its own limit, so that no backlog hides another
# (`due_arguments`). Each part has an index that holds nothing else.
DUE: Final[LiteralString] = (
    "WITH asked AS NOT MATERIALIZED (SELECT %s::timestamptz AS now, %s::text[] AS channels, %s::text AS alerts),"
    " free AS NOT MATERIALIZED (SELECT c.* FROM asked, subscription_cursor c WHERE c.due_at <= asked.now"
    "  AND (c.lease_until IS NULL OR c.lease_until < asked.now)"
    "  AND c.channel = ANY(asked.channels))"
    " (SELECT tenant, subscription, channel, 'alert' FROM free"
    " WHERE channel = 'sms' ORDER BY due_at LIMIT %s)"
    " UNION ALL (SELECT tenant, subscription, channel, 'alert' FROM free, asked"
    " WHERE channel <> 'sms' AND failing_since IS NULL AND topic = asked.alerts"
    " ORDER BY due_at LIMIT %s)"
    " UNION ALL (SELECT tenant, subscription, channel, 'common' FROM free, asked"
    " WHERE channel <> 'sms' AND failing_since IS NULL AND topic <> asked.alerts"
    " ORDER BY due_at LIMIT %s)"
    " UNION ALL (SELECT tenant, subscription, channel, 'failing' FROM free, asked"
    " WHERE channel <> 'sms' AND failing_since IS NOT NULL"
    " ORDER BY topic = asked.alerts DESC, due_at LIMIT %s)"
)

# Run by the scanning role: those whose end has come while nobody delivers them.
ENDED_UNNOTICED: Final[LiteralString] = (
    "SELECT tenant, subscription FROM subscription_cursor WHERE ends <= %s"
    " AND (status = 'error' OR (channel = 'websocket' AND status <> 'off')) LIMIT %s"
)

_COLUMNS: Final[LiteralString] = (
    "c.subscription, c.bucket, c.channel, c.member, c.phone_lookup, c.language, c.owner_kind,"
    " c.owner, c.status, c.topic, c.revision, c.heartbeat, c.ends, c.last_number,"
    " c.delivered_through, c.due_at, c.lease_until, c.epoch, c.failing_since, c.attempts,"
    " c.failure, c.last_sent, c.batch, c.replays"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A Subscription that has something to do, and the lane it goes by."""

    tenant: int
    subscription: str
    channel: str
    lane: Lane


def due_arguments(
    now: datetime, channels: Iterable[str], places: Mapping[Lane, int]
) -> tuple[Any, ...]:
    """Return the arguments of `DUE`: what `channels` are served, and how many of each lane."""
    limits = (places["alert"], places["alert"], places["common"], places["failing"])
    return (now, list(channels), TOPIC_DEVICE_ALERT, *limits)


@dataclass(frozen=True, slots=True)
class Claim:
    """A Subscription's row, locked until commit, with what its delivery stands at."""

    subscription: str
    bucket: int
    channel: str
    member: str | None
    phone_lookup: int | None
    language: str | None
    owner_kind: str | None
    owner: str | None
    cursor: Cursor


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
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """What a row becomes; `handed` and `missed` count a notification that was, or was not, taken."""

    claim: Claim
    cursor: Cursor
    handed: int = 0
    missed: int = 0


class Lease(NamedTuple):
    """A lease somebody has; with `revision` only while the Subscription is as it was then (-1: however it is)."""

    subscription: str
    epoch: int
    revision: int = -1


def bucket(tx: Transaction, subscription: str) -> int:
    """Return the bucket of a Subscription's cursor."""
    return _bucket(tx.tenant, subscription)


@lru_cache(maxsize=65_536)
def _bucket(tenant: int, subscription: str) -> int:
    return bucket_of(tenant, "subscription-cursor", subscription)


async def follow(tx: Transaction, new: NewCursor) -> None:
    """Insert the cursor, or bring it to what the Subscription says now; numbers are kept."""
    owner_kind, owner = new.owner or (None, None)
    rows = await tx.execute(
        "INSERT INTO subscription_cursor AS c (bucket, tenant, subscription, topic, channel, status,"
        " member, owner_kind, owner, heartbeat, ends)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (bucket, tenant, subscription) DO UPDATE SET topic = excluded.topic,"
        " channel = excluded.channel, member = excluded.member, owner_kind = excluded.owner_kind,"
        " owner = excluded.owner, heartbeat = excluded.heartbeat, ends = excluded.ends"
        " RETURNING " + _COLUMNS,
        (
            bucket(tx, new.subscription),
            tx.tenant,
            new.subscription,
            new.topic,
            new.channel,
            new.status,
            new.member,
            owner_kind,
            owner,
            new.heartbeat,
            new.ends,
        ),
    )
    claim = _claim(rows[0])
    status: Any = new.status
    save_later(tx, [Saved(claim, step(claim.cursor, Written(status), tx.now)[0])])


async def locked(
    tx: Transaction, subscriptions: Collection[str], *, skip_busy: bool
) -> dict[str, Claim]:
    """Lock and return the rows of `subscriptions`, in one order everywhere.

    `skip_busy` leaves out those somebody else holds just now; otherwise they are waited for.
    """
    if not subscriptions:
        return {}
    tail: LiteralString = " SKIP LOCKED" if skip_busy else ""
    ordered = sorted(subscriptions)
    rows = await tx.execute(
        "SELECT "
        + _COLUMNS
        + " FROM unnest(%s::int[], string_to_array(%s, ',')) AS w (bucket, subscription)"
        " JOIN subscription_cursor c ON c.bucket = w.bucket AND c.subscription = w.subscription"
        " WHERE c.tenant = %s ORDER BY c.bucket, c.subscription FOR UPDATE OF c" + tail,
        (columns.numbers(bucket(tx, one) for one in ordered), columns.ids(ordered), tx.tenant),
    )
    return {row[0]: _claim(row) for row in rows}


def save_later(tx: Transaction, saved: Sequence[Saved]) -> None:
    """Write what rows locked in this transaction become, together with its next statement."""
    if not saved:
        return
    tx.execute_later(
        "UPDATE subscription_cursor c SET status = s.status, revision = s.revision,"
        " last_number = s.last_number, delivered_through = s.delivered_through, due_at = s.due_at,"
        " lease_until = s.lease_until, epoch = s.epoch, failing_since = s.failing_since,"
        " attempts = s.attempts, failure = s.failure, last_sent = s.last_sent, batch = s.batch,"
        " replays = s.replays, handed = c.handed + s.handed, missed = c.missed + s.missed"
        " FROM unnest(%s::int[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],"
        " %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::int[],"
        " %s::text[], %s::timestamptz[], %s::int[], %s::boolean[], %s::int[], %s::int[])"
        " AS s (bucket, subscription, status, revision, last_number, delivered_through, due_at,"
        " lease_until, epoch, failing_since, attempts, failure, last_sent, batch, replays, handed,"
        " missed)"
        " WHERE c.bucket = s.bucket AND c.tenant = %s AND c.subscription = s.subscription",
        (*(list(column) for column in zip(*map(_values, saved), strict=True)), tx.tenant),
    )


def _values(saved: Saved) -> tuple[Any, ...]:
    claim, cursor = saved.claim, saved.cursor
    return (
        claim.bucket,
        claim.subscription,
        cursor.status,
        cursor.revision,
        cursor.last_number,
        cursor.delivered_through,
        cursor.due_at,
        cursor.lease_until,
        cursor.epoch,
        cursor.failing_since,
        cursor.failures,
        cursor.failure,
        cursor.last_sent,
        cursor.batch,
        cursor.replays,
        saved.handed,
        saved.missed,
    )


def _claim(row: Sequence[Any]) -> Claim:
    heartbeat = None if row[11] is None else timedelta(seconds=row[11])
    cursor = Cursor(
        status=row[8],
        topic=row[9],
        managed=row[2] == MANAGED,
        by_socket=row[2] == BY_SOCKET,
        revision=row[10],
        heartbeat=heartbeat,
        ends=row[12],
        last_number=row[13],
        delivered_through=row[14],
        due_at=row[15],
        lease_until=row[16],
        epoch=row[17],
        failing_since=row[18],
        failures=row[19],
        failure=row[20],
        last_sent=row[21],
        batch=row[22],
        replays=row[23],
    )
    return Claim(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], cursor)


async def remove(tx: Transaction, subscription: str) -> None:
    """Forget a deleted Subscription and all it is owed: one made anew counts from one again."""
    place = (bucket(tx, subscription), tx.tenant, subscription)
    tx.execute_later(
        "DELETE FROM delivery_dead_letter WHERE tenant = %s AND subscription = %s", place[1:]
    )
    tx.execute_later("DELETE FROM event WHERE tenant = %s AND subscription = %s", place[1:])
    await tx.execute(
        "DELETE FROM subscription_cursor WHERE bucket = %s AND tenant = %s AND subscription = %s",
        place,
    )


async def existing(tx: Transaction, subscriptions: Sequence[str]) -> frozenset[str]:
    """Return those of `subscriptions` that have a cursor, locked by somebody or not."""
    rows = await tx.execute(
        "SELECT subscription FROM subscription_cursor WHERE tenant = %s AND subscription = ANY(%s)",
        (tx.tenant, list(subscriptions)),
    )
    return frozenset(row[0] for row in rows)


async def last_numbers(tx: Transaction, subscriptions: Sequence[str]) -> dict[str, int]:
    """Return the last number given to an event of each of `subscriptions` that has a cursor."""
    rows = await tx.execute(
        "SELECT subscription, last_number FROM subscription_cursor"
        " WHERE tenant = %s AND subscription = ANY(%s)",
        (tx.tenant, list(subscriptions)),
    )
    return dict(rows)


async def renew(tx: Transaction, held: Iterable[Lease], lease: timedelta) -> frozenset[str]:
    """Extend leases and return the Subscriptions of those that are still held.

    What was edited is not extended, and held until its lease ends.
    """
    ordered = sorted(held)
    rows = await tx.execute(
        "UPDATE subscription_cursor c SET lease_until ="
        " CASE WHEN h.revision IN (c.revision, -1) THEN %s ELSE c.lease_until END"
        " FROM unnest(%s::int[], string_to_array(%s, ','), %s::bigint[], %s::bigint[])"
        " AS h (bucket, subscription, epoch, revision)"
        " WHERE c.bucket = h.bucket AND c.tenant = %s AND c.subscription = h.subscription"
        " AND c.epoch = h.epoch AND c.lease_until IS NOT NULL"
        " AND (h.revision IN (c.revision, -1) OR c.lease_until > %s) RETURNING c.subscription",
        (
            tx.now + lease,
            columns.numbers(bucket(tx, one.subscription) for one in ordered),
            columns.ids(one.subscription for one in ordered),
            columns.numbers(one.epoch for one in ordered),
            columns.numbers(one.revision for one in ordered),
            tx.tenant,
            tx.now,
        ),
    )
    return frozenset(row[0] for row in rows)


# Telephones of managed Subscriptions


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


async def language(tx: Transaction, subscription: str) -> str | None:
    """Return the language of a managed Subscription's owner, None when there is none."""
    rows = await tx.execute(
        "SELECT language FROM subscription_cursor"
        " WHERE bucket = %s AND tenant = %s AND subscription = %s",
        (bucket(tx, subscription), tx.tenant, subscription),
    )
    return rows[0][0] if rows else None
