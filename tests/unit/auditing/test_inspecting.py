"""A look at the whole log: in memory that does not grow with it, telling how far it is."""

import tracemalloc
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

import pytest

from fhirserver.auditing.findings import Batch, Event, Inspection, Pending, Receipt
from fhirserver.auditing.head import Head, Statement, digest_of_parts
from fhirserver.auditing.inspecting import inspect
from fhirserver.auditing.merkle import Frontier, cut
from fhirserver.auditing.sieve import Sieve
from fhirserver.kernel import keys
from fhirserver.kernel.resource import Json

AT = datetime(2026, 1, 1, tzinfo=UTC)
IN_A_BATCH = 500


def verify(_content: bytes, _signature: str) -> str:
    return "key"


@cache
def event(number: int) -> str:
    moment = AT + timedelta(milliseconds=number)
    return str(keys.row_id(keys.unix_ms(moment), number % 1024, number * 0x9E3779B97F4A7C15))


@dataclass
class Seen:
    leaves: Mapping[Event, bytes]
    receipts: Sequence[Receipt | None]
    expiries: Sequence[tuple[int, Json]] = ()


@dataclass
class MadeLog:
    """A log of so many batches that are made when they are asked for; nothing of it is kept."""

    count: int
    gone: frozenset[int] = frozenset()
    extra: tuple[str, ...] = ()
    unsealed: tuple[str, ...] = ()
    waits: tuple[UUID, ...] = ()
    receipts_of: Mapping[int, Receipt] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)

    async def batches(self, after: int = 0) -> AsyncIterator[Batch]:
        before, root = Frontier(), Frontier().root
        for number in range(1, self.count + 1):
            first = (number - 1) * IN_A_BATCH
            events = [(7, event(first + one)) for one in range(IN_A_BATCH)]
            leaves = b"".join([UUID(one).bytes * 2 for _, one in events])
            tree = before.plus(cut(leaves))
            parts = [(IN_A_BATCH, b"receipt" if number in self.receipts_of else b"")]
            says = Statement(
                "log", number, tree.size, tree.root, before.size, root, AT, digest_of_parts(parts)
            )
            if number > after:
                self.read.append(number)
                head = Head(says.to_bytes(), "signed")
                yield Batch(number, first, tree.size, events, leaves, head, parts)
            before, root = tree, tree.root

    async def seen(self, batch: Batch) -> Seen:
        leaves = {
            one: UUID(one[1]).bytes * 2
            for at, one in enumerate(batch.events, batch.first)
            if at not in self.gone
        }
        return Seen(leaves, await self.receipts(batch))

    async def receipts(self, batch: Batch) -> Sequence[Receipt | None]:
        return [self.receipts_of[batch.number]] if batch.number in self.receipts_of else []

    async def pending(self) -> AsyncIterator[Pending]:
        yield Pending([(7, one) for one in self.unsealed], None)

    async def waiting(self, lines: Sequence[UUID]) -> Sequence[UUID]:
        return [one for one in lines if one in self.waits]

    async def stored(self, tenant: int) -> AsyncIterator[str]:
        assert tenant == 7
        for number in range(self.count * IN_A_BATCH):
            if number not in self.gone:
                yield event(number)
        for one in (*self.extra, *self.unsealed):
            yield one

    async def numbered(self, numbers: Sequence[int]) -> Mapping[int, Head]:
        return {one.number: one.head async for one in self.batches() if one.number in numbers}


async def peak_of(count: int) -> int:
    """How many bytes are held at once while so many batches are looked at."""
    for number in range(count * IN_A_BATCH):
        event(number)
    tracemalloc.start()
    try:
        result = await inspect(MadeLog(count), [7], verify, ())
        assert (result.size, result.findings) == (count * IN_A_BATCH, [])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_memory_does_not_grow_with_the_log() -> None:
    await peak_of(1)
    small, large = await peak_of(4), await peak_of(12)
    # Less than the ids alone of eight batches take.
    assert large - small < 8 * IN_A_BATCH * 40, (small, large)


async def test_an_event_past_the_log_is_named_and_others_are_not() -> None:
    stranger, waiting = event(10_000_000), event(10_000_001)
    log = MadeLog(3, extra=(stranger,), unsealed=(waiting,))
    result = await inspect(log, [7], verify, (), sieve=Sieve(most=100))
    assert [(one.kind, one.where) for one in result.findings] == [
        ("unlogged", f"AuditEvent/{stranger} of tenant 7")
    ]


async def test_what_is_older_than_the_log_is_counted() -> None:
    old = str(keys.row_id(keys.unix_ms(AT - timedelta(days=1)), 0, 5))
    result = await inspect(MadeLog(2, extra=(old,)), [7], verify, ())
    assert (result.findings, result.older) == ([], 1)
    nothing = await inspect(MadeLog(0, extra=(old,)), [7], verify, ())
    assert (nothing.findings, nothing.older) == ([], 1)


async def test_a_deleted_event_is_named() -> None:
    result = await inspect(MadeLog(2, gone=frozenset({600})), [7], verify, ())
    assert [(one.kind, one.where) for one in result.findings] == [
        ("deleted", f"AuditEvent/{event(600)} of tenant 7")
    ]


async def test_progress_is_told_after_each_batch() -> None:
    told: list[int] = []

    def progress(inspection: Inspection) -> None:
        told.append(inspection.size)

    await inspect(MadeLog(3), [7], verify, (), progress)
    assert told == [500, 1000, 1500]


LINES = [UUID(int=one) for one in range(1, 5)]


@pytest.mark.parametrize(
    ("receipts", "waits", "lost"),
    [
        ({1: Receipt(LINES[0], []), 2: Receipt(LINES[1], [LINES[0]])}, (), []),
        # Written out in another order.
        ({1: Receipt(LINES[1], [LINES[0]]), 2: Receipt(LINES[0], [])}, (), []),
        ({1: Receipt(LINES[1], [LINES[0]])}, (), [LINES[0]]),
        ({1: Receipt(LINES[1], [LINES[0]])}, (LINES[0],), []),
        # Named twice: a connection was lost while the first one was committed.
        ({1: Receipt(LINES[0], []), 2: Receipt(LINES[1], [LINES[0]]), 3: Receipt(LINES[2], [LINES[0], LINES[1]])},
         (), []),
    ],
)  # fmt: skip
async def test_lines_that_were_named_are_somewhere(
    receipts: Mapping[int, Receipt], waits: tuple[UUID, ...], lost: list[UUID]
) -> None:
    log = MadeLog(3, receipts_of=receipts, waits=waits)
    result = await inspect(log, [7], verify, ())
    assert [(one.kind, one.where) for one in result.findings] == [
        ("lost-line", f"line {one}") for one in lost
    ]
