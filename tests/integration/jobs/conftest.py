"""A record over a real database, its job queue, and a worker that is told when to work."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.jobs import JobWork
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Principal
from fhirserver.store.database import open_database
from fhirserver.store.job_worker import JobWorker
from fhirserver.store.record import Record
from tests.conftest import ROLE_PASSWORDS, Database
from tests.integration.rest.conftest import Bystander

RING = keyring.create("test", bytes(range(32)))
ADMIN = Access(Principal(1, "admin", ""), everything=True)
NURSE = Access(Principal(1, "practitioner", "Practitioner/nina"), everything=False)
OTHER = Access(Principal(1, "practitioner", "Practitioner/omar"), everything=False)


class Clock:
    """The time of the test."""

    def __init__(self) -> None:
        self.now = datetime(2026, 8, 1, 9, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, **more: float) -> None:
        self.now += timedelta(**more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def open_record(database: Database, clock: Clock) -> AsyncIterator[Record]:
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        record = Record(pools, RING, definitions.load(), Bystander(), clock)  # type: ignore[arg-type]
        await record.ensure_tenant("home")
        await record.ensure_partitions()
        yield record


@pytest.fixture
async def record(database: Database, clock: Clock) -> AsyncIterator[Record]:
    async with open_record(database, clock) as one:
        yield one


async def enable_nothing(_tx: Transaction, _parameters: Mapping[str, str]) -> None: ...


def worker(
    record: Record,
    requests: Mapping[str, JobWork] | None = None,
    upkeep: Mapping[str, JobWork] | None = None,
    lease: float = 15,
) -> JobWorker:
    """A worker of the given works."""
    return JobWorker(
        record.jobs,
        record.scan,
        record._clock,
        requests=requests or {},
        upkeep=upkeep or {},
        lease=timedelta(seconds=lease),
    )
