"""Reads the whole log and everything it is about, and returns what `findings` makes of it.

Every sealed event is fetched, opened and compared, a few batches at a time: memory does not grow with the log.

The server may run meanwhile. What is written moves one way only: a line waits, becomes events that wait to be sealed,
which become a batch. So whoever looks for something in that order finds it, wherever it was.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from fhirserver.auditing.findings import Batch, Event, Inspection, Pending, Receipt, Verify
from fhirserver.auditing.head import Head, NotAHeadError
from fhirserver.auditing.sieve import Sieve, bucket_of
from fhirserver.kernel.resource import Json

# Exported heads that are compared at once.
_HEADS: Final = 500


class Seen(Protocol):
    """What the events of a batch are now."""

    @property
    def leaves(self) -> Mapping[Event, bytes]:
        """Their leaves; empty where an event cannot be opened."""

    @property
    def expiries(self) -> Sequence[tuple[int, Json]]:
        """Those that tell of expired events, by tenant."""

    @property
    def receipts(self) -> Sequence[Receipt | None]:
        """The batch's receipts, None for one that does not belong there."""


class Log(Protocol):
    """The log as it is stored."""

    def batches(self, after: int = 0) -> AsyncIterator[Batch]:
        """Yield every batch behind number `after`, in order."""

    async def seen(self, batch: Batch) -> Seen:
        """Return what the events of a batch are now."""

    async def receipts(self, batch: Batch) -> Sequence[Receipt | None]:
        """Return the receipts of a batch alone."""

    def pending(self) -> AsyncIterator[Pending]:
        """Yield what is not sealed yet."""

    async def waiting(self, lines: Sequence[UUID]) -> Sequence[UUID]:
        """Return which of these lines are not written out yet."""

    def stored(self, tenant: int) -> AsyncIterator[str]:
        """Yield the id of every AuditEvent of a tenant."""

    async def numbered(self, numbers: Sequence[int]) -> Mapping[int, Head]:
        """Return the heads of the batches with these numbers."""


Progress = Callable[[Inspection], None]


async def inspect(
    log: Log,
    tenants: Sequence[int],
    verify: Verify,
    exported: Iterable[Head],
    progress: Progress = lambda _inspection: None,
    sieve: Sieve | None = None,
) -> Inspection:
    """Return what a look at all of `log` finds; `exported` are heads that were kept elsewhere.

    `progress` is told after each batch.
    """
    inspection = Inspection(verify)
    sieve = sieve or Sieve()
    older = await _sealed(log, inspection, sieve, progress)
    for tenant in tenants:
        async for one in log.stored(tenant):
            if inspection.is_older(written_at(one)):
                inspection.older += 1
            else:
                sieve.take(UUID(one).int)
    inspection.older = max(inspection.older - older, 0)
    for buckets in sieve.differing():
        await _unlogged(log, tenants, inspection, buckets)
    await _lost(log, inspection, progress)
    heads = iter(exported)
    while some := list(islice(heads, _HEADS)):
        mine = await log.numbered([*_numbers(some)])
        for head in some:
            inspection.exported(
                head, next((mine[one] for one in _numbers([head]) if one in mine), None)
            )
    inspection.close()
    return inspection


async def _sealed(log: Log, inspection: Inspection, sieve: Sieve, progress: Progress) -> int:
    """Look at the batches behind those looked at; return how many of their events may be older than the log."""
    older = 0
    async for batch in log.batches(inspection.batches):
        seen = await log.seen(batch)
        inspection.batch(batch, seen.leaves, written_at, seen.receipts)
        for tenant, event in seen.expiries:
            inspection.expired_before(tenant, before_of(event))
        for _, one in seen.leaves:
            if inspection.is_older(written_at(one)):
                older += 1
            else:
                sieve.add(UUID(one).int)
        progress(inspection)
    return older


async def _unlogged(
    log: Log, tenants: Sequence[int], inspection: Inspection, buckets: frozenset[int]
) -> None:
    """Find which events in `buckets` are stored and in no batch; others only came or were sealed meanwhile."""
    stored: dict[int, int] = {}
    for tenant in tenants:
        async for one in log.stored(tenant):
            number = UUID(one).int
            if bucket_of(number) in buckets and not inspection.is_older(written_at(one)):
                stored[number] = tenant
    async for pending in log.pending():
        for _, one in pending.events:
            stored.pop(UUID(one).int, None)
    async for batch in log.batches():
        for _, one in batch.events:
            stored.pop(UUID(one).int, None)
    for number, tenant in sorted(stored.items()):
        inspection.unlogged(tenant, str(UUID(int=number)))


async def _lost(log: Log, inspection: Inspection, progress: Progress) -> None:
    """Find which of the lines that were missed are nowhere."""
    lost = set(inspection.missed)
    if not lost:
        return
    lost.difference_update(await log.waiting(sorted(lost)))
    async for pending in log.pending():
        if pending.receipt is not None:
            lost.discard(pending.receipt.line)
    if not lost:
        return
    # Those behind, and those in which it was met before it was named twice.
    async for batch in log.batches():
        lost.difference_update(one.line for one in await log.receipts(batch) if one is not None)
        progress(inspection)
    inspection.lost(lost)


def _numbers(heads: Iterable[Head]) -> Iterator[int]:
    for head in heads:
        try:
            yield head.statement.number
        except NotAHeadError:
            continue


def written_at(id_: str) -> datetime:
    """Return when the event with this row id was written: a UUIDv7 begins with it (RFC 9562 section 5.7)."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=UUID(id_).int >> 80)


def before_of(event: Json) -> datetime:
    """Return until when events had expired, as one that tells of it says."""
    return datetime.fromisoformat(str(event["outcomeDesc"]).partition(" ")[2])
