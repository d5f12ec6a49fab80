"""The whole HTTP application over a real database: two patients, their teams, a token per role.

Every test has a tenant of its own; the tests of a module share one database, because making one
costs more than most of these tests.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import httpx
import pytest

from fhirserver import definitions
from fhirserver.access_epoch import AccessEpoch
from fhirserver.crypto import keyring
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import Contact, DeviceEvent, Reading
from fhirserver.kernel.resource import Json
from fhirserver.rest import Services, application
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from tests.conftest import ROLE_PASSWORDS, Database, _database

if TYPE_CHECKING:
    from tests.integration.rest.relationships import Clinic

BASE = "http://test/fhir"
JSON = "application/fhir+json"


class Bystander:
    """A `ChangeObserver` that admits everything and does nothing."""

    async def admit(
        self, _tx: Transaction, _principal: Principal, resource: Json, _previous: Json | None
    ) -> Json:
        return resource

    async def changed(self, _tx: Transaction, _changes: list[Change]) -> None: ...

    async def readings(self, _tx: Transaction, _readings: list[Reading]) -> None: ...

    async def streamed(self, _tx: Transaction, _observations: object) -> None: ...

    async def device_events(self, _tx: Transaction, _events: list[DeviceEvent]) -> None: ...

    async def contacts(self, _tx: Transaction, _contacts: list[Contact]) -> None: ...

    async def limits(self, _tx: Transaction, _announced: object) -> None: ...

    async def faults(self, _tx: Transaction, _faults: object) -> None: ...


async def ready() -> dict[str, bool]:
    return {"database": True}


@asynccontextmanager
async def open_application(database: Database) -> AsyncIterator[tuple[Record, httpx.ASGITransport]]:
    """The application over `database`, and the record under it."""
    observer = Bystander()
    known = definitions.load()
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        catalogue = Catalogue(pools.work, known, lambda tenant: record.work(tenant))  # noqa: PLW0108 - made below
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            known,
            observer,  # type: ignore[arg-type] # positional-only names
            lambda: datetime.now(UTC),
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        await record.ensure_partitions()
        await catalogue.load()
        epoch = AccessEpoch(record, time.monotonic)
        services = Services(
            store=record,
            definitions=known,
            observer=observer,  # type: ignore[arg-type] # positional-only names
            base=BASE,
            version="0.1.0",
            readiness=ready,
            access_epoch=epoch.current,
            definitions_of=catalogue.definitions_of,
        )
        following = asyncio.create_task(epoch.follow())
        yield record, httpx.ASGITransport(application(services))
        following.cancel()


@dataclass
class Clients:
    """One HTTP client per role, and one without a token."""

    admin: httpx.AsyncClient
    nurse: httpx.AsyncClient
    partner: httpx.AsyncClient
    patient: httpx.AsyncClient
    nobody: httpx.AsyncClient

    def by_role(self, role: str) -> httpx.AsyncClient:
        client: httpx.AsyncClient = getattr(self, role)
        return client


async def put(client: httpx.AsyncClient, resource: Json) -> httpx.Response:
    """PUT `resource` to its own URL."""
    url = f"{resource['resourceType']}/{resource['id']}"
    return await client.put(url, json=resource, headers={"content-type": JSON})


def patient(id_: str, **more: object) -> Json:
    return {"resourceType": "Patient", "id": id_, "name": [{"family": id_.title()}], **more}


def care_team(of: str, *members: str) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": f"team-{of}",
        "status": "active",
        "subject": {"reference": f"Patient/{of}"},
        "participant": [{"member": {"reference": member}} for member in members],
    }


def observation(id_: str, of: str | None, **more: object) -> Json:
    resource: Json = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "effectiveDateTime": "2026-03-04T05:06:07Z",
        "valueQuantity": {
            "value": 120,
            "unit": "mmHg",
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        },
        **more,
    }
    return resource if of is None else {**resource, "subject": {"reference": f"Patient/{of}"}}


async def seed(admin: httpx.AsyncClient) -> None:
    """Two patients; nurse and care partner belong to Ann's team, another nurse to Joe's."""
    for resource in (
        patient("ann", gender="female", birthDate="1961-04-02"),
        patient("joe", gender="male", birthDate="1950-01-31"),
        {"resourceType": "Practitioner", "id": "nina"},
        {"resourceType": "Practitioner", "id": "omar"},
        {"resourceType": "RelatedPerson", "id": "bob", "patient": {"reference": "Patient/ann"}},
        care_team("ann", "Practitioner/nina", "RelatedPerson/bob"),
        care_team("joe", "Practitioner/omar"),
    ):
        answer = await put(admin, resource)
        assert answer.status_code == 201, answer.text


async def issue(admin: httpx.AsyncClient, kind: str, reference: str) -> str:
    """A token from $issue-token."""
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "kind", "valueCode": kind},
            {"name": "reference", "valueString": reference},
        ],
    }
    answer = await admin.post("$issue-token", json=body, headers={"content-type": JSON})
    assert answer.status_code == 200, answer.text
    return next(
        str(one["valueString"]) for one in answer.json()["parameter"] if one["name"] == "token"
    )


_homes = count(1)


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module."""
    with contextmanager(_database)(postgres_server, template_database) as database:
        yield database


@pytest.fixture
async def clinic(shared_database: Database) -> AsyncIterator["Clinic"]:
    from tests.integration.rest.relationships import open_clinic  # it needs what stands here

    async with open_clinic(shared_database) as found:
        yield found


@pytest.fixture
async def clients(shared_database: Database) -> AsyncIterator[Clients]:
    async with open_clients(shared_database) as clients:
        yield clients


@asynccontextmanager
async def open_clients(database: Database) -> AsyncIterator[Clients]:
    """Clients of a tenant nobody else uses, seeded."""
    async with open_application(database) as (record, transport):
        tenant = await record.ensure_tenant(f"home-{next(_homes)}")
        opened: list[httpx.AsyncClient] = []

        def client(token: str | None) -> httpx.AsyncClient:
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            opened.append(
                httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", headers=headers)
            )
            return opened[-1]

        admin = client(await record.issue_token(Principal(tenant, "admin", ""), 3600))
        await seed(admin)
        try:
            yield Clients(
                admin,
                client(await issue(admin, "practitioner", "Practitioner/nina")),
                client(await issue(admin, "related-person", "RelatedPerson/bob")),
                client(await issue(admin, "patient", "Patient/ann")),
                client(None),
            )
        finally:
            for one in opened:
                await one.aclose()
