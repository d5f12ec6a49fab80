"""One ladder, or one tenant, that cannot be carried out holds up no other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from subscriptions.evaluation.every_second import WatchTime
from subscriptions.store import timer_rows
from subscriptions.worker.timers import Timers

BROKEN, WHOLE = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


@asynccontextmanager
async def transaction(tenant: int) -> AsyncIterator[Any]:
    yield tenant


class Ladders:
    def __init__(self) -> None:
        self.carried_out: list[UUID] = []

    async def timers_due(self, _tx: Any, _patient: str | None, incident: UUID) -> int:
        if incident == BROKEN:
            raise ValueError("what is remembered of this ladder cannot be read")
        self.carried_out.append(incident)
        return 1


class Scanner:
    def __init__(self) -> None:
        self.scanned: list[Any] = []

    async def scan(self, tx: Any, _since: datetime) -> int:
        if tx == 1:
            raise ValueError("what is remembered of this patient cannot be read")
        self.scanned.append(tx)
        return 0


def test_a_ladder_that_cannot_be_read_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def due(_sql: str, _arguments: Sequence[Any]) -> list[tuple[int, int]]:
        return [(1, 7)]

    async def incidents(_tx: Any, _bucket: int, _limit: int) -> list[tuple[str | None, UUID]]:
        return [("ann", BROKEN), ("eve", WHOLE)]

    monkeypatch.setattr(timer_rows, "due_incidents", incidents)
    ladders = Ladders()
    work = Timers(
        response=ladders,  # type: ignore[arg-type]
        transactions=transaction,
        scan=due,  # type: ignore[arg-type]
        clock=lambda: NOW,
    )
    with pytest.raises(ValueError, match="ladder"):
        asyncio.run(work.run_due())
    assert ladders.carried_out == [WHOLE]


def test_a_tenant_that_cannot_be_looked_at_holds_up_no_other() -> None:
    async def due(_sql: str, _arguments: Sequence[Any]) -> list[tuple[int]]:
        return [(1,), (2,)]

    scanner = Scanner()
    watch = WatchTime(scanner, transaction, due, lambda: NOW, lambda: NOW)
    with pytest.raises(ValueError, match="patient"):
        asyncio.run(watch())
    assert scanner.scanned == [2]
