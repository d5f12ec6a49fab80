"""The whole application with its Subscriptions, wired as a process wires them, over a real database."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, LiteralString

import httpx
import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.kernel.search_page import SearchPage
from fhirserver.rest.application import Services, application
from fhirserver.search.query import Query
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from fhirserver.supervisor.postgres import PostgresServer
from subscriptions.composition import Options, Subscriptions
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.telephones import Companies
from subscriptions.worker.sequencer import Sequencer
from tests.conftest import ROLE_PASSWORDS, Database, _database
from tests.integration.rest.conftest import BASE, JSON, issue, put, ready, seed

_numbers = count(1)


@dataclass
class Ward:
    """A tenant of its own: clients by role, the record, and what is told of it."""

    record: Record
    subscriptions: Subscriptions
    tenant: int
    admin: httpx.AsyncClient
    nurse: httpx.AsyncClient
    partner: httpx.AsyncClient
    stranger: httpx.AsyncClient

    async def subscribe(self, resource: Json, client: httpx.AsyncClient | None = None) -> str:
        """Create a Subscription, as the nurse unless told, and activate it; return its id."""
        by = client or self.nurse
        answer = await by.post("Subscription", json=resource, headers={"content-type": JSON})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        await self.set_status(made["id"], "active")
        return str(made["id"])

    async def set_status(self, id_: str, status: str, error: str | None = None) -> None:
        """Say of a Subscription what deliveries say."""
        async with self.record.transaction(self.tenant) as tx:
            resource = await tx.get("Subscription", id_)
            assert resource is not None
            more = {} if error is None else {"error": error}
            await tx.put({**resource, "status": status, **more}, id_=id_)

    async def write(self, *resources: Json) -> None:
        """Store resources one after the other, and number what they are events of."""
        for one in resources:
            answer = await put(self.admin, one)
            assert answer.status_code in (200, 201), answer.text
        await self.number()

    async def number(self) -> None:
        """Give numbers to what was committed."""
        sequencer = Sequencer(
            transactions=self.record.work, scan=self.record.scan, numbered=asyncio.Event()
        )
        while await sequencer.run_due():
            pass

    async def execute(self, sql: LiteralString, args: Sequence[Any] = ()) -> list[Any]:
        """Run a statement in the tenant."""
        async with self.record.transaction(self.tenant) as tx:
            return await tx.execute(sql, args)


def subscription(
    *filters: str, content: str = "full-resource", topic: str = TOPIC_DEVICE_ALERT
) -> Json:
    """A client's Subscription by rest-hook."""
    payload = {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]}
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "alerts in the chart",
        "criteria": topic,
        "_criteria": {
            "extension": [
                {"url": BACKPORT + "backport-filter-criteria", "valueString": text}
                for text in filters or ("Flag?patient=Patient/ann",)
            ]
        },
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://ehr.example.org/hook",
            "payload": "application/fhir+json",
            "_payload": payload,
        },
    }


def flag(id_: str, status: str = "active", patient: str = "ann") -> Json:
    """An alert of a patient."""
    return {
        "resourceType": "Flag",
        "id": id_,
        "status": status,
        "code": {"text": "pressure"},
        "subject": {"reference": f"Patient/{patient}"},
    }


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module."""
    with contextmanager(_database)(postgres_server, template_database) as database:
        yield database


@pytest.fixture
async def ward(shared_database: Database) -> AsyncIterator[Ward]:
    base = definitions.load()

    def definitions_of(tenant: int) -> definitions.Definitions:
        return catalogue.definitions_of(tenant)

    async def search(access: Access, query: Query) -> SearchPage:
        return await record.search(access, query)

    parts = Subscriptions(
        Options(
            companies=Companies(),
            public_url=BASE.removesuffix("/fhir"),
            fhir_base=BASE,
            endpoints=EndpointPolicy(allow_insecure=False),
            demo=False,
        ),
        Visibility(),
        definitions_of,
        search,
    )
    async with open_database(shared_database.dsn, ROLE_PASSWORDS) as pools:
        catalogue = Catalogue(pools.work, base, lambda tenant: record.work(tenant))  # noqa: PLW0108 - made below
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            base,
            parts.observer,
            lambda: datetime.now(UTC),
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        await record.ensure_partitions()
        await catalogue.load()
        app = application(
            Services(
                store=record,
                definitions=base,
                definitions_of=catalogue.definitions_of,
                observer=parts.observer,
                base=BASE,
                version="0.1.0",
                readiness=ready,
                # Every request asks anew what its caller may see.
                access_epoch=count().__next__,
                topics=parts.topics_of,
                operations=parts.operations(),
            )
        )
        tenant = await record.ensure_tenant(f"ward-{next(_numbers)}")
        async with record.transaction(tenant) as tx:
            await parts.ensure_content(tx)
        opened: list[httpx.AsyncClient] = []

        def client(token: str) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app)
            headers = {"authorization": f"Bearer {token}"}
            opened.append(
                httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", headers=headers)
            )
            return opened[-1]

        admin = client(await record.issue_token(Principal(tenant, "admin", ""), 3600))
        await seed(admin)
        yield Ward(
            record,
            parts,
            tenant,
            admin,
            client(await issue(admin, "practitioner", "Practitioner/nina")),
            client(await issue(admin, "related-person", "RelatedPerson/bob")),
            client(await issue(admin, "practitioner", "Practitioner/omar")),
        )
        for one in opened:
            await one.aclose()


def status_of(parameters: Json) -> dict[str, Any]:
    """The status as a mapping; its events as lists of values by name."""
    said: dict[str, Any] = {"events": []}
    for one in parameters["parameter"]:
        if "part" in one:
            event: dict[str, list[str]] = {}
            for part in one["part"]:
                event.setdefault(part["name"], []).append(_text(part))
            said["events"].append(event)
        else:
            said[one["name"]] = _text(one)
    return said


def _text(parameter: Json) -> str:
    value = next(value for name, value in parameter.items() if name != "name")
    text = value.get("reference", value) if isinstance(value, dict) else value
    return str(text).removeprefix(BASE + "/")
