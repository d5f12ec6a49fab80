"""Two processes over one database, whose keys are rotated, re-keyed and shredded."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.search.query import parse
from fhirserver.store import patient_rows, sealed_columns
from fhirserver.store.database import open_database
from fhirserver.store.key_works import Hanging
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from subscriptions.store import patient_rows as their_rows
from subscriptions.store import sealed_columns as their_columns
from tests.conftest import ROLE_PASSWORDS, Database
from tests.integration.rest.conftest import Bystander

RING = keyring.create("test", bytes(range(32)))
ADMIN = Access(Principal(1, "admin", ""), everything=True)
SYSTEM = Principal(1, "system", "")
HANGING = Hanging(
    (*sealed_columns.SEALED, *their_columns.SEALED),
    (*patient_rows.PATIENT_ROWS, *their_rows.PATIENT_ROWS),
    settled_seconds=0,
)


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_record(database: Database) -> AsyncIterator[Record]:
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        record = Record(pools, RING, definitions.load(), Bystander(), now, hanging=HANGING)  # type: ignore[arg-type]
        await record.ensure_tenant("home")
        await record.ensure_partitions()
        yield record


@pytest.fixture
async def record(database: Database) -> AsyncIterator[Record]:
    async with open_record(database) as one:
        yield one


@pytest.fixture
async def other(database: Database, record: Record) -> AsyncIterator[Record]:
    """Another process."""
    async with open_record(database) as one:
        yield one


async def enable_nothing(_tx: Transaction, _parameters: Mapping[str, str]) -> None: ...


async def run(record: Record, kind: str, request: bytes) -> dict[str, Any]:
    """Run a job to its end and return what it says of itself."""
    id_ = await record.jobs.submit(1, kind, request, SYSTEM)
    await record.job_worker({}, enable_nothing).run_due()
    status = await record.jobs.status(1, id_, ADMIN)
    assert status is not None
    assert status.state == "done", (status.state, status.fault)
    assert status.outcome is not None
    return {
        one["name"]: next(value for name, value in one.items() if name.startswith("value"))
        for one in fhir_json.read(status.outcome)["parameter"]
    }


async def put(record: Record, *resources: Json) -> None:
    async with record.transaction(1) as tx:
        for one in resources:
            await tx.put(one, id_=one["id"])


async def found(record: Record, type_: str, text: str) -> set[str]:
    pairs = [tuple(part.split("=", 1)) for part in text.split("&")]
    query = parse(type_, [(name, value) for name, value in pairs], definitions.load())
    return {one.id for one in (await record.search(ADMIN, query)).entries}


def asked(database: Database, sql: str, args: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ask as the superuser, to whom no policy applies."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        return connection.execute(sql, args).fetchall()


def patient(id_: str, family: str, **more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": id_,
        "gender": "female",
        "birthDate": "1961-04-07",
        "name": [{"family": family, "given": ["Ann"]}],
        **more,
    }


def weight(id_: str, of: str, kilograms: int) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2026-01-01T08:00:00Z",
        "valueQuantity": {"value": kilograms, "unit": "kg"},
    }
