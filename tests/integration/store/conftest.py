"""A record over a real database, with an observer that only remembers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    Reading,
    StreamedObservation,
)
from fhirserver.kernel.resource import Json
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from tests.conftest import ROLE_PASSWORDS, Database


class Witness:
    """A `ChangeObserver` that changes nothing and remembers everything."""

    def __init__(self) -> None:
        self.seen: list[Change] = []
        self.values: list[Reading] = []
        self.events: list[DeviceEvent] = []
        self.alive: list[Contact] = []
        self.troubles: list[DeviceFault] = []
        self.limited: list[DeviceLimits] = []
        self.streams: list[StreamedObservation] = []

    async def admit(
        self, tx: Transaction, principal: Principal, resource: Json, previous: Json | None
    ) -> Json:
        return resource

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        self.seen.extend(changes)

    async def readings(self, tx: Transaction, readings: Sequence[Reading]) -> None:
        self.values.extend(readings)

    async def streamed(self, tx: Transaction, observations: Sequence[StreamedObservation]) -> None:
        self.streams.extend(observations)

    async def device_events(self, tx: Transaction, events: Sequence[DeviceEvent]) -> None:
        self.events.extend(events)

    async def contacts(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        self.alive.extend(contacts)

    async def limits(self, tx: Transaction, announced: Sequence[DeviceLimits]) -> None:
        self.limited.extend(announced)

    async def faults(self, tx: Transaction, faults: Sequence[DeviceFault]) -> None:
        self.troubles.extend(faults)


class Clock:
    """The time of the test; advance it by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 8, 1, 9, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


RING = keyring.create("test", bytes(range(32)))


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def open_record(database: Database, witness: Witness, clock: Clock) -> AsyncIterator[Record]:
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        record = Record(pools, RING, definitions.load(), witness, clock)
        await record.ensure_tenant("home")
        await record.ensure_partitions()
        yield record


@pytest.fixture
async def record(database: Database, witness: Witness, clock: Clock) -> AsyncIterator[Record]:
    async with open_record(database, witness, clock) as one:
        yield one


@pytest.fixture
def admin() -> Access:
    return Access(Principal(1, "admin", ""), everything=True)


def caller(*patients: str) -> Access:
    """Return the access of somebody related to `patients` alone."""
    return Access(
        Principal(1, "practitioner", "Practitioner/nurse"),
        everything=False,
        patients=frozenset(patients),
    )
