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
from subscriptions.core.carriage import Fate
from subscriptions.core.receipt import stage, verdict
from subscriptions.core.timing import Medium

Outcome = Literal["handed-over", "refused", "unavailable", "not-sent", "lost", "unheard"]


# Run by the scanning role: which tenants hold attempts that began before a moment.
EXPIRED: Final[LiteralString] = "SELECT DISTINCT tenant FROM attempt WHERE started < %s LIMIT 100"
# Run by the scanning role: which tenants wait for a report that is overdue.
OVERDUE: Final[LiteralString] = (
    "SELECT DISTINCT tenant FROM attempt WHERE receipt_due <= %s LIMIT 100"
)
_BATCH: Final = 5000
_OVERDUE_BATCH: Final = 200
_DELIVERED: Final = stage("delivered")


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """What is about to be sent to a person, by which Subscription and company, and about what."""

    id: UUID
    subscription: str
    epoch: int
    medium: Medium
    company: str
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
    medium: Medium
    company: str | None
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

    @property
    def fate(self) -> Fate:
        """Return what became of it, as far as the choice of the next company goes."""
        if self.outcome is None:
            return "open"
        if self.outcome in ("refused", "not-sent"):
            return "refused"
        if self.outcome in ("unavailable", "lost"):
            return "failed"
        said = verdict(self.receipt or "")
        if said == "arrived" or (self.outcome == "handed-over" and said == "on-its-way"):
            return "taken"
        return "unheard"


_COLUMNS = (
    "id, subscription, medium, company, task, page, incident, patient, member, communication, started,"
    " finished, outcome, provider_ref, receipt, receipt_stage"
)


async def begin(tx: Transaction, attempt: NewAttempt) -> None:
    """Record that the attempt begins now."""
    await tx.execute(
        "INSERT INTO attempt (bucket, tenant, id, subscription, epoch, medium, company, task, page,"
        " incident, patient, member, communication, phone_lookup, started, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            bucket_of_row(attempt.id),
            tx.tenant,
            attempt.id,
            attempt.subscription,
            attempt.epoch,
            attempt.medium,
            attempt.company,
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


async def begin_again(
    tx: Transaction, earlier: UUID, attempt: UUID, company: str, epoch: int
) -> None:
    """Record that what `earlier` could not hand over begins now with another company."""
    await tx.execute(
        "INSERT INTO attempt (bucket, tenant, id, subscription, epoch, medium, company, task, page,"
        " incident, patient, member, communication, phone_lookup, started, detail)"
        " SELECT %s, tenant, %s, subscription, %s, medium, %s, task, page, incident, patient, member,"
        " communication, phone_lookup, %s, detail FROM attempt"
        " WHERE bucket = %s AND tenant = %s AND id = %s",
        (
            bucket_of_row(attempt),
            attempt,
            epoch,
            company,
            tx.now,
            bucket_of_row(earlier),
            tx.tenant,
            earlier,
        ),
    )


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


async def expect_receipt(tx: Transaction, attempt: UUID, due: datetime, settled: int) -> None:
    """Wait until `due` for a report of at least the stage `settled`, unless it is there already."""
    await tx.execute(
        "UPDATE attempt SET receipt_due = %s WHERE bucket = %s AND tenant = %s AND id = %s"
        " AND receipt_stage < %s AND outcome = 'handed-over'",
        (due, bucket_of_row(attempt), tx.tenant, attempt, settled),
    )


async def take_overdue(tx: Transaction) -> list[AttemptRow]:
    """Mark what no report came of in time as unheard and return it; each once."""
    rows = await tx.execute(
        "UPDATE attempt SET receipt_due = NULL, outcome = 'unheard' WHERE (bucket, tenant, id) IN ("
        "SELECT bucket, tenant, id FROM attempt WHERE tenant = %s AND receipt_due <= %s"
        " ORDER BY receipt_due LIMIT %s FOR UPDATE SKIP LOCKED)"
        f" RETURNING {_COLUMNS}",
        (tx.tenant, tx.now, _OVERDUE_BATCH),
    )
    return [AttemptRow(*row) for row in rows]


async def of_reference(tx: Transaction, company: str, reference: str) -> UUID | None:
    """Return the attempt that `company` knows as `reference`, None when there is none here."""
    rows = await tx.execute(
        "SELECT id FROM attempt WHERE tenant = %s AND provider_ref = %s AND company = %s LIMIT 1",
        (tx.tenant, reference, company),
    )
    return rows[0][0] if rows else None


async def answer_once(tx: Transaction, attempt: UUID, answer: str) -> bool:
    """Record that a call's key, or a message's link, gave `answer`; False when it did before."""
    rows = await tx.execute(
        "UPDATE attempt SET answers = answers || %s"
        " WHERE bucket = %s AND tenant = %s AND id = %s AND position(%s IN answers) = 0"
        " RETURNING 1",
        (answer, bucket_of_row(attempt), tx.tenant, attempt, answer),
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


async def troubled_tasks(tx: Transaction, subscription: str, since: datetime) -> list[str]:
    """Return the Tasks of pages begun since then that a company took and did not deliver."""
    rows = await tx.execute(
        "SELECT DISTINCT task FROM attempt WHERE tenant = %s AND subscription = %s AND started > %s"
        " AND task IS NOT NULL AND (outcome = 'unheard'"
        " OR (outcome = 'handed-over' AND receipt IN ('undelivered', 'failed'))) ORDER BY task",
        (tx.tenant, subscription, since),
    )
    return [row[0] for row in rows]


async def unheard_companies(tx: Transaction, since: datetime) -> frozenset[str]:
    """Return the companies that took something since then and never reported on it."""
    rows = await tx.execute(
        "SELECT DISTINCT company FROM attempt WHERE tenant = %s AND outcome = 'unheard'"
        " AND started > %s AND receipt_stage < %s",
        (tx.tenant, since, _DELIVERED),
    )
    return frozenset(row[0] for row in rows)


async def messages_since(tx: Transaction, phone_lookup: int, since: datetime) -> int:
    """Return how many text messages went to a telephone since then, or are on their way."""
    rows = await tx.execute(
        "SELECT count(*) FROM attempt WHERE tenant = %s AND phone_lookup = %s AND started > %s"
        " AND medium = 'sms' AND (outcome IS NULL OR outcome IN ('handed-over', 'lost', 'unheard'))",
        (tx.tenant, phone_lookup, since),
    )
    return int(rows[0][0])


async def incidents_since(tx: Transaction, phone_lookup: int, since: datetime) -> frozenset[UUID]:
    """Return the incidents that text messages to a telephone were about since then."""
    rows = await tx.execute(
        "SELECT DISTINCT incident FROM attempt WHERE tenant = %s AND phone_lookup = %s"
        " AND started > %s AND medium = 'sms' AND incident IS NOT NULL"
        " AND (outcome IS NULL OR outcome IN ('handed-over', 'lost', 'unheard'))",
        (tx.tenant, phone_lookup, since),
    )
    return frozenset(incident for (incident,) in rows)


async def messages_beside(tx: Transaction, attempt: UUID, since: datetime) -> int:
    """Return how many text messages went to the telephone of `attempt`, itself among them."""
    rows = await tx.execute(
        "SELECT phone_lookup FROM attempt WHERE bucket = %s AND tenant = %s AND id = %s",
        (bucket_of_row(attempt), tx.tenant, attempt),
    )
    return await messages_since(tx, rows[0][0], since) if rows else 0


async def receive(
    tx: Transaction, attempt: UUID, receipt: str, reached: int, *, settled: bool
) -> bool:
    """Record a report of the telephone company unless a later stage is known; False then.

    `settled`: no further report is waited for.
    """
    rows = await tx.execute(
        "UPDATE attempt SET receipt = %s, receipt_stage = %s, receipt_at = %s,"
        " receipt_due = CASE WHEN %s THEN NULL ELSE receipt_due END"
        " WHERE bucket = %s AND tenant = %s AND id = %s AND receipt_stage < %s RETURNING 1",
        (receipt, reached, tx.now, settled, bucket_of_row(attempt), tx.tenant, attempt, reached),
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
