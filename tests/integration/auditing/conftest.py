"""The whole application with its audit, a queue that is written when a test says so, and the log behind it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest

from fhirserver import definitions
from fhirserver.auditing.expanding import Expander
from fhirserver.auditing.queue import AuditQueue
from fhirserver.auditing.sealer import Place, Sealer
from fhirserver.crypto import keyring
from fhirserver.crypto.signing import SigningKeys
from fhirserver.kernel.principal import Access, Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from fhirserver.rest import Services, application
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.wire import fhir_json
from tests.conftest import ROLE_PASSWORDS, Database, _database
from tests.integration.rest.conftest import BASE, JSON, Bystander, care_team, patient, put, ready

RING = keyring.create("test", bytes(range(32)))


@dataclass
class House:
    """One tenant: its record, its queue, and clients by role."""

    record: Record
    queue: AuditQueue
    transport: httpx.ASGITransport
    tenant: int
    database: Database
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def client(self, kind: PrincipalKind, reference: str = "") -> httpx.AsyncClient:
        token = await self.record.issue_token(Principal(self.tenant, kind, reference), 3600)
        return self.stranger(token)

    def stranger(self, token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        made = httpx.AsyncClient(
            transport=self.transport, base_url=BASE + "/", headers={"accept": JSON, **headers}
        )
        self.clients.append(made)
        return made

    async def events(self, **wanted: str) -> list[Json]:
        """Every AuditEvent of the tenant, oldest first, of this interaction or kind (`code`) where one is wanted."""
        await self.settle()
        found = []
        for row in self.rows():
            access = Access(Principal(self.tenant, "admin", ""), everything=True)
            stored = await self.record.read(access, "AuditEvent", row)
            found.append(fhir_json.read(stored.content))
        return [one for one in found if all(_is(one, *pair) for pair in wanted.items())]

    async def settle(self) -> None:
        """Have everything that was told stand as AuditEvents."""
        await self.queue.flush()
        expansion = self.record.audit_expansion(AuditRows(BASE))
        await Expander(expansion, lambda: 0.0).all()

    def rows(self) -> list[str]:
        number = definitions.load().type_number("AuditEvent")
        with psycopg.connect(self.database.dsn) as connection:
            found = connection.execute(
                "SELECT coalesce(fhir_id, id::text) FROM resource WHERE type = %s AND tenant = %s ORDER BY id",
                (number, self.tenant),
            ).fetchall()
        return [row[0] for row in found]

    def sealer(self, places: Sequence[Place] = (), holder: str = "test") -> Sealer:
        log = self.record.audit_log()
        return Sealer(log, SigningKeys(RING).sign, places, lambda: datetime.now(UTC), holder)


def _is(event: Json, name: str, value: str) -> bool:
    if name == "code":
        return any(one["code"] == value for one in event["subtype"])
    if name == "patient":
        return f"Patient/{value}" in references(event)
    return bool(event.get(name) == value)


def references(event: Json) -> list[str]:
    return [
        one["what"]["reference"]
        for one in event.get("entity", ())
        if "reference" in one.get("what", {})
    ]


@contextmanager
def module_database(server: PostgresServer, template: str) -> Iterator[Database]:
    yield from _database(server, template)


@pytest.fixture(scope="module")
def audit_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    with module_database(postgres_server, template_database) as made:
        yield made


_tenants = count(1)


@asynccontextmanager
async def open_house(database: Database, **services_: Any) -> AsyncIterator[House]:
    """A tenant of its own in `database`, with Ann and Joe, a nurse who has Ann, and nobody else.

    `services_` are those of the application that differ.
    """
    known = definitions.load()
    observer = Bystander()
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        record = Record(
            pools,
            RING,
            known,
            observer,  # type: ignore[arg-type] # positional-only names
            lambda: datetime.now(UTC),
            audit_rows=AuditSpool(),
        )
        tenant = await record.ensure_tenant(f"house-{next(_tenants)}")
        queue = AuditQueue(record.audit_writer(tenant).write)
        services = Services(
            store=record,
            definitions=known,
            observer=observer,  # type: ignore[arg-type] # positional-only names
            base=BASE,
            version="0.1.0",
            readiness=ready,
            auditing=queue,
            **services_,
        )
        house = House(record, queue, httpx.ASGITransport(application(services)), tenant, database)
        admin = await house.client("admin")
        for resource in (
            {"resourceType": "Practitioner", "id": "nurse"},
            patient("ann"),
            patient("joe"),
            care_team("ann", "Practitioner/nurse"),
            care_team("joe", "Practitioner/other"),
        ):
            answer = await put(admin, resource)
            assert answer.is_success, answer.text
        yield house
        await house.settle()
        for client in house.clients:
            await client.aclose()


@pytest.fixture
async def house(audit_database: Database) -> AsyncIterator[House]:
    async with open_house(audit_database) as made:
        yield made
