"""The queue makes wait rather than lose, asks again while the database is away, and empties itself at the end."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from fhirserver.auditing import queue as queueing
from fhirserver.auditing.queue import AuditQueue
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.errors import Unavailable

AT = datetime(2026, 1, 1, tzinfo=UTC)


def happening(tenant: int, detail: str = "") -> Happening:
    return Happening(tenant, "read", AT, Actor(), detail=detail)


class Written:
    """Where batches go; it is away as often as it is told."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.batches: list[tuple[int, int]] = []
        self.details: list[str] = []

    async def __call__(self, tenant: int, happenings: Sequence[Happening]) -> None:
        if self.away:
            self.away -= 1
            msg = "away"
            raise Unavailable(msg)
        self.batches.append((tenant, len(happenings)))
        self.details += [one.detail for one in happenings]


async def test_happenings_are_written_by_tenant_in_batches() -> None:
    written = Written()
    queue = AuditQueue(written)
    await queue.report(*[happening(1)] * (queueing.BATCH + 1), happening(2))
    await queue.flush()
    assert written.batches == [(1, queueing.BATCH), (1, 1), (2, 1)]


async def test_a_full_queue_makes_wait() -> None:
    written = Written()
    queue = AuditQueue(written, most=2)
    await queue.report(happening(1, "a"), happening(1, "b"))
    waiting = asyncio.create_task(queue.report(happening(1, "c")))
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.flush()
    await waiting
    await queue.flush()
    assert written.details == ["a", "b", "c"]


async def test_a_database_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "_PATIENCE", 0)
    written = Written(away=20)
    queue = AuditQueue(written)
    await queue.report(happening(1, "a"))
    await queue.flush()
    assert written.details == ["a"]


async def test_what_waits_at_the_end_is_written() -> None:
    written = Written()
    queue = AuditQueue(written, pause=3600)
    stop = asyncio.Event()
    running = asyncio.create_task(queue.run(stop))
    await queue.report(happening(1, "last"))
    stop.set()
    await running
    assert written.details == ["last"]


async def test_a_process_that_ends_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "_PATIENCE", 0)
    written = Written(away=1000)
    queue = AuditQueue(written, pause=3600)
    stop = asyncio.Event()
    await queue.report(happening(1))
    stop.set()
    await queue.run(stop)
    assert written.details == []


async def test_what_comes_while_a_batch_is_written_waits_for_its_turn() -> None:
    """However long a write takes, those behind it are written together and not one by one."""
    written, begun, end = Written(), asyncio.Event(), asyncio.Event()

    async def slowly(tenant: int, happenings: Sequence[Happening]) -> None:
        begun.set()
        await end.wait()
        await written(tenant, happenings)

    queue = AuditQueue(slowly, pause=3600)
    stop = asyncio.Event()
    running = asyncio.create_task(queue.run(stop))
    await queue.report(*[happening(1)] * queueing.BATCH)
    await begun.wait()
    await queue.report(happening(1))
    end.set()
    while not written.batches:  # noqa: ASYNC110 - written by another task of this loop
        await asyncio.sleep(0)
    await queue.report(*[happening(1)] * (queueing.BATCH - 1))
    stop.set()
    await running
    assert written.batches == [(1, queueing.BATCH), (1, queueing.BATCH)]
