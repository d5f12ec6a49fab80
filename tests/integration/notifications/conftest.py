"""The whole application with its Subscriptions, wired as a process wires them, over a real database."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, LiteralString

import httpx
import pytest

from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from subscriptions.composition import Subscriptions
from subscriptions.worker.sequencer import Sequencer
from tests.conftest import Database
from tests.integration.rest.conftest import BASE, JSON, issue, put, seed
from tests.integration.wired import database_of_module, wired

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
    with database_of_module(postgres_server, template_database) as database:
        yield database


@pytest.fixture
async def ward(shared_database: Database) -> AsyncIterator[Ward]:
    async with wired(shared_database, lambda: datetime.now(UTC)) as process:
        record, parts = process.record, process.parts
        tenant = await record.ensure_tenant(f"ward-{next(_numbers)}")
        async with record.transaction(tenant) as tx:
            await parts.ensure_content(tx)
        admin = process.client(await record.issue_token(Principal(tenant, "admin", ""), 3600))
        await seed(admin)
        yield Ward(
            record,
            parts,
            tenant,
            admin,
            process.client(await issue(admin, "practitioner", "Practitioner/nina")),
            process.client(await issue(admin, "related-person", "RelatedPerson/bob")),
            process.client(await issue(admin, "practitioner", "Practitioner/omar")),
        )


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
