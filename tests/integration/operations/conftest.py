"""The whole application as the server wires it, definitions of tenants and a worker of jobs among it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.rest import deferred
from fhirserver.rest.application import Services, application, fhir_api
from fhirserver.rest.fhir import FhirApi
from fhirserver.store import reindex
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from tests.conftest import ROLE_PASSWORDS, Database, _database
from tests.integration.rest.conftest import BASE, JSON, Bystander, issue, put, ready, seed

_numbers = count(1)


@dataclass
class House:
    """A tenant of its own: clients by role, and the record under them."""

    record: Record
    catalogue: Catalogue
    api: FhirApi
    tenant: int
    admin: httpx.AsyncClient
    nurse: httpx.AsyncClient
    partner: httpx.AsyncClient
    patient: httpx.AsyncClient
    stranger: httpx.AsyncClient

    async def work(self) -> int:
        """Run the jobs that wait; return how many there were."""
        requests = {deferred.KIND: self.api.run_deferred}
        return await self.record.job_worker(requests, self.catalogue.enable).run_due()

    async def outcome(self, accepted: httpx.Response) -> httpx.Response:
        """Run what `accepted` says was handed in, and return what came of it."""
        assert accepted.status_code == 202, accepted.text
        await self.work()
        return await self.admin.get(accepted.headers["content-location"])


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module."""
    with contextmanager(_database)(postgres_server, template_database) as database:
        yield database


@pytest.fixture
async def house(shared_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(reindex, "CATALOGUE_LAG_SECONDS", 0.0)
    observer: Any = Bystander()
    base = definitions.load()

    def now() -> datetime:
        return datetime.now(UTC)

    async with open_database(shared_database.dsn, ROLE_PASSWORDS) as pools:
        catalogue = Catalogue(pools.work, base, lambda tenant: record.work(tenant))  # noqa: PLW0108 - made below
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            base,
            observer,
            now,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        await record.ensure_partitions()
        await catalogue.load()
        services = Services(
            store=record,
            definitions=base,
            definitions_of=catalogue.definitions_of,
            observer=observer,
            base=BASE,
            version="0.1.0",
            readiness=ready,
        )
        app = application(services)
        tenant = await record.ensure_tenant(f"house-{next(_numbers)}")
        token = await record.issue_token(Principal(tenant, "admin", ""), 3600)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=f"{BASE}/"
        ) as admin:
            admin.headers["authorization"] = f"Bearer {token}"
            await seed(admin)
            people = []
            for kind, reference in (
                ("practitioner", "Practitioner/nina"),
                ("related-person", "RelatedPerson/bob"),
                ("patient", "Patient/ann"),
                ("practitioner", "Practitioner/omar"),
            ):
                one = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{BASE}/")
                one.headers["authorization"] = f"Bearer {await issue(admin, kind, reference)}"
                people.append(one)
            yield House(record, catalogue, fhir_api(services), tenant, admin, *people)
            for one in people:
                await one.aclose()


async def store(client: httpx.AsyncClient, *resources: Json) -> None:
    """PUT resources under their ids."""
    for one in resources:
        answer = await put(client, one)
        assert answer.status_code in (200, 201), answer.text


async def call(client: httpx.AsyncClient, path: str, *rows: tuple[str, str, Any]) -> httpx.Response:
    """POST to an operation with a Parameters resource."""
    body: Json = {"resourceType": "Parameters"}
    if rows:
        body["parameter"] = [{"name": name, element: value} for name, element, value in rows]
    return await client.post(path, json=body, headers={"content-type": JSON})


def entries(answer: httpx.Response, mode: str | None = None) -> list[str]:
    """The references in a Bundle, in order."""
    assert answer.status_code == 200, answer.text
    return [
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in answer.json().get("entry", ())
        if mode is None or one["search"]["mode"] == mode
    ]
