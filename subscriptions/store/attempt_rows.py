"""Rows of `attempt`: one try to hand something over, committed before anything is sent.

An attempt without a result is ambiguous: whoever was sending died between the two. The id travels
to the telephone company and comes back with its reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, LiteralString
from uuid import UUID

from fhirserver.kernel.keys import bucket_of_row
from fhirserver.kernel.ports import Transaction

Outcome = Literal["handed-over", "refused", "unavailable", "not-sent", "lost"]


# Run by the scanning role: which tenants hold attempts that began before a moment.
EXPIRED: Final[LiteralString] = "SELECT DISTINCT tenant FROM attempt WHERE started < %s LIMIT 100"
_BATCH: Final = 5000


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """What is about to be sent to a person, by which Subscription and about what.

    `medium` is ``sms`` or ``voice``.
    """

    id: UUID
    subscription: str
    epoch: int
    medium: str
    task: str | None
    page: int | None
    incident: UUID | None
    patient: str | None
    member: str | None
    communication: str | None
    phone_lookup: int | None
    detail: bytes | None


@dataclass(frozen=True, slots=True)
class Delivering:
    """What is about to be sent to an endpoint: the events `first` to `last`, None for none."""

    id: UUID
    subscription: str
    epoch: int
    medium: str
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an attempt, and for a failure why."""

    id: UUID
    outcome: Outcome
    failure: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt as it stands; `outcome` None means nobody has reported a result."""

    id: UUID
    subscription: str
    medium: str
    task: str | None
    page: int | None
    incident: UUID | None
    patient: str | None
    member: str | None
    communication: str | None
    started: datetime
    finished: datetime | None
    outcome: Outcome | None
    provider_ref: str | None
    receipt: str | None
    receipt_stage: int


_COLUMNS = (
    "id, subscription, medium, task, page, incident, patient, member, communication, started,"
    " finished, outcome, provider_ref, receipt, receipt_stage"
)


async def begin(tx: Transaction, attempt: NewAttempt) -> None:
    """Record that the attempt begins now."""
    await tx.execute(
        "INSERT INTO attempt (bucket, tenant, id, subscription, epoch, medium, task, page,"
        " incident, patient, member, communication, phone_lookup, started, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            bucket_of_row(attempt.id),
            tx.tenant,
            attempt.id,
            attempt.subscription,
            attempt.epoch,
            attempt.medium,
            attempt.task,
            attempt.page,
            attempt.incident,
            attempt.patient,
            attempt.member,
            attempt.communication,
            attempt.phone_lookup,
            tx.now,
            attempt.detail,
        ),
    )


def begin_later(tx: Transaction, attempts: Sequence[Delivering]) -> None:
    """Record, together with the transaction's next statement, that the attempts begin now."""
    if not attempts:
        return
    tx.execute_later(
        "INSERT INTO attempt (bucket, tenant, id, subscription, epoch, medium, first_number, number,"
        " started) SELECT n.bucket, %s, n.id, n.subscription, n.epoch, n.medium, n.first, n.last, %s"
        " FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::bigint[],"
        " %s::bigint[]) AS n (bucket, id, subscription, epoch, medium, first, last)",
        (
            tx.tenant,
            tx.now,
            [bucket_of_row(one.id) for one in attempts],
            [one.id for one in attempts],
            [one.subscription for one in attempts],
            [one.epoch for one in attempts],
            [one.medium for one in attempts],
            [one.first for one in attempts],
            [one.last for one in attempts],
        ),
    )


def finish_later(tx: Transaction, results: Sequence[Result]) -> None:
    """Record results, each once, together with the transaction's next statement."""
    if not results:
        return
    tx.execute_later(
        "UPDATE attempt a SET finished = %s, outcome = r.outcome, failure = r.failure"
        " FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::text[])"
        " AS r (bucket, id, outcome, failure)"
        " WHERE a.bucket = r.bucket AND a.tenant = %s AND a.id = r.id AND a.outcome IS NULL",
        (
            tx.now,
            [bucket_of_row(one.id) for one in results],
            [one.id for one in results],
            [one.outcome for one in results],
            [one.failure for one in results],
            tx.tenant,
        ),
    )


def lose_later(tx: Transaction, subscriptions: Sequence[str]) -> None:
    """Record that whoever was sending for `subscriptions` died before it knew the result."""
    if not subscriptions:
        return
    tx.execute_later(
        "UPDATE attempt SET finished = %s, outcome = 'lost'"
        " WHERE tenant = %s AND subscription = ANY(%s) AND outcome IS NULL",
        (tx.now, tx.tenant, list(subscriptions)),
    )


async def forget_before(tx: Transaction, deliveries: datetime, pages: datetime) -> int:
    """Delete attempts older than `deliveries`, those at people older than `pages`; return how many.

    Bounded per call.
    """
    rows = await tx.execute(
        "DELETE FROM attempt WHERE (bucket, tenant, id) IN (SELECT bucket, tenant, id FROM attempt"
        " WHERE tenant = %s AND started < %s"
        " AND (started < %s OR medium NOT IN ('sms', 'voice')) LIMIT %s) RETURNING 1",
        (tx.tenant, deliveries, pages, _BATCH),
    )
    return len(rows)


async def finish(
    tx: Transaction, attempt: UUID, outcome: Outcome, provider_ref: str | None
) -> bool:
    """Record the result once; False when there already is one."""
    rows = await tx.execute(
        "UPDATE attempt SET finished = %s, outcome = %s, provider_ref = coalesce(%s, provider_ref)"
        " WHERE bucket = %s AND tenant = %s AND id = %s AND outcome IS NULL RETURNING 1",
        (tx.now, outcome, provider_ref, bucket_of_row(attempt), tx.tenant, attempt),
    )
    return bool(rows)


async def find(tx: Transaction, attempt: UUID) -> AttemptRow | None:
    """Return an attempt, held until commit; None when there is none of this tenant."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS} FROM attempt WHERE bucket = %s AND tenant = %s AND id = %s FOR UPDATE",
        (bucket_of_row(attempt), tx.tenant, attempt),
    )
    return AttemptRow(*rows[0]) if rows else None


async def of_page(tx: Transaction, subscription: str, task: str, page: int) -> list[AttemptRow]:
    """Return every attempt at one page, oldest first."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS} FROM attempt"
        " WHERE tenant = %s AND subscription = %s AND task = %s AND page = %s ORDER BY started, id",
        (tx.tenant, subscription, task, page),
    )
    return [AttemptRow(*row) for row in rows]


async def unfinished(tx: Transaction, subscription: str) -> list[AttemptRow]:
    """Return the attempts of a Subscription whose result is not known, oldest first."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS} FROM attempt"
        " WHERE tenant = %s AND subscription = %s AND outcome IS NULL ORDER BY started, id",
        (tx.tenant, subscription),
    )
    return [AttemptRow(*row) for row in rows]


async def messages_since(tx: Transaction, phone_lookup: int, since: datetime) -> int:
    """Return how many text messages went to a telephone since then, or are on their way."""
    rows = await tx.execute(
        "SELECT count(*) FROM attempt WHERE tenant = %s AND phone_lookup = %s AND started > %s"
        " AND medium = 'sms' AND (outcome IS NULL OR outcome = 'handed-over')",
        (tx.tenant, phone_lookup, since),
    )
    return int(rows[0][0])


async def receive(tx: Transaction, attempt: UUID, receipt: str, stage: int) -> bool:
    """Record a report of the telephone company unless a later stage is known; False then."""
    rows = await tx.execute(
        "UPDATE attempt SET receipt = %s, receipt_stage = %s, receipt_at = %s"
        " WHERE bucket = %s AND tenant = %s AND id = %s AND receipt_stage < %s RETURNING 1",
        (receipt, stage, tx.now, bucket_of_row(attempt), tx.tenant, attempt, stage),
    )
    return bool(rows)


async def last_message(tx: Transaction, incident: UUID, member: str) -> AttemptRow | None:
    """Return the latest text message to `member` about an incident, None when there was none."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS} FROM attempt WHERE tenant = %s AND incident = %s AND member = %s"
        " AND medium = 'sms' ORDER BY started DESC, id DESC LIMIT 1",
        (tx.tenant, incident, member),
    )
    return AttemptRow(*rows[0]) if rows else None
