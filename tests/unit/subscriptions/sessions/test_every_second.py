"""The tick: each patient apart, so that one whose rows cannot be read holds up nobody else."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.ports import Transaction
from subscriptions.sessions.every_second import SettleTreatments
from subscriptions.sessions.part import Sessions

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


class Database:
    """Three patients are due, no run sheet is owed."""

    tenant = 1
    now = NOW

    async def execute(self, sql: str, _args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if sql.startswith("SELECT tenant"):
            return [(1,)]
        if sql.startswith("SELECT patient"):
            return [("ann",), ("joe",), ("zoe",)]
        return []


class Settling:
    """Settles, but for a patient at whom it fails."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        self.settled: list[str] = []

    async def settle(self, _tx: Transaction, patient: str) -> int:
        if patient == "joe":
            raise self.problem
        self.settled.append(patient)
        return 0


@pytest.mark.parametrize("problem", [Conflict("busy"), ValueError("a row nobody can read")])
async def test_one_failing_patient_holds_up_nobody(problem: Exception) -> None:
    database, settling = Database(), Settling(problem)

    @asynccontextmanager
    async def transaction(_tenant: int) -> AsyncIterator[Transaction]:
        yield cast("Transaction", database)

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    tick = SettleTreatments(
        cast("Sessions", settling), transaction, database.execute, lambda: NOW, nothing
    )
    await tick()
    assert settling.settled == ["ann", "zoe"]
