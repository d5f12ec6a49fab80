"""Reads the whole log and everything it is about, and returns what `findings` makes of it.

Every sealed event is fetched, opened and compared; the ids of all of them are held in memory (some 100 bytes each).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from fhirserver.auditing.findings import Batch, Event, Inspection, Verify
from fhirserver.auditing.head import Head
from fhirserver.kernel.resource import Json


class Seen(Protocol):
    """What the events of a batch are now."""

    @property
    def leaves(self) -> Mapping[Event, bytes]:
        """Their leaves; empty where an event cannot be opened."""

    @property
    def expiries(self) -> Sequence[tuple[int, Json]]:
        """Those that tell of expired events, by tenant."""


class Log(Protocol):
    """The log as it is stored."""

    def batches(self, after: int = 0) -> AsyncIterator[Batch]:
        """Yield every batch behind number `after`, in order."""

    async def seen(self, batch: Batch) -> Seen:
        """Return what the events of a batch are now."""

    async def pending(self) -> Sequence[Event]:
        """Return the events that are not sealed yet."""

    def stored(self, tenant: int) -> AsyncIterator[str]:
        """Yield the id of every AuditEvent of a tenant."""


async def inspect(
    log: Log, tenants: Iterable[int], verify: Verify, exported: Iterable[Head]
) -> Inspection:
    """Return what a look at all of `log` finds; `exported` are heads that were kept elsewhere."""
    inspection = Inspection(verify)
    known = await _sealed(log, inspection)
    stored = [(tenant, one) for tenant in tenants async for one in log.stored(tenant)]
    known.update(UUID(one).int for _, one in await log.pending())
    # What stopped waiting meanwhile has been sealed.
    known |= await _sealed(log, inspection)
    missing = [event for event in stored if UUID(event[1]).int not in known]
    inspection.unlogged(missing, written_at)
    inspection.close(exported)
    return inspection


async def _sealed(log: Log, inspection: Inspection) -> set[int]:
    """Look at the batches behind those looked at, and return the ids of their events."""
    known: set[int] = set()
    async for batch in log.batches(inspection.batches):
        seen = await log.seen(batch)
        inspection.batch(batch, seen.leaves, written_at)
        for tenant, event in seen.expiries:
            inspection.expired_before(tenant, before_of(event))
        known.update(UUID(one).int for _, one in batch.events)
    return known


def written_at(id_: str) -> datetime:
    """Return when the event with this row id was written: a UUIDv7 begins with it (RFC 9562 section 5.7)."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=UUID(id_).int >> 80)


def before_of(event: Json) -> datetime:
    """Return until when events had expired, as one that tells of it says."""
    return datetime.fromisoformat(str(event["outcomeDesc"]).partition(" ")[2])
