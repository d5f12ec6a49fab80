"""Messages that are carried out over a real database, as the sender of an integration engine."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from adapters.hl7v2 import sites
from adapters.hl7v2.applying import Applied, access_of, apply
from adapters.hl7v2.provenance import Source
from adapters.hl7v2.routing import interpret
from fhirserver import definitions
from fhirserver.interactions.context import Context
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.search.query import parse
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.wire import fhir_json
from fhirserver.wire.hl7v2.message import read
from tests.conftest import Database, _database
from tests.integration.rest.conftest import BASE, Bystander, open_application

_SITE = sites.load(unknown="accept")
_HOMES = count(1)


@dataclass
class Engine:
    """An integration engine and a tenant of its own."""

    record: Record
    tenant: int
    known: definitions.Definitions
    last: str = ""

    async def send(self, *segments: str) -> Applied:
        """Carry out a message; the first segment is what follows MSH-6: ``time|ADT^A01|id``."""
        sent, kind, control_id = segments[0].split("|")
        header = f"MSH|^~\\&|ENGINE|CLINIC|||{sent}||{kind}|{control_id}|P|2.5.1"
        (sender,) = _SITE.senders
        found = interpret(read("\r".join([header, *segments[1:]])), sender, _SITE.plans)
        assert found.refusal is None, found.refusal
        assert found.mapped is not None
        self.last = str(uuid4())
        source = Source(self.last, sender.name, found.header.kind, control_id, found.header.sent)
        context = Context(
            access_of(self.tenant, sender.name),
            self.record,
            self.known,
            Bystander(),  # type: ignore[arg-type] # positional-only names
            BASE,
        )
        return await self.record.write(self.tenant, apply(context, found.mapped, source))

    async def all(self, type_: str, **parameters: str) -> list[Any]:
        """Return all resources of a type that the parameters find."""
        access = Access(Principal(self.tenant, "admin", ""), everything=True)
        query = parse(type_, list(parameters.items()), self.known, base=BASE)
        page = await self.record.search(access, query)
        return [fhir_json.read_own(one.content) for one in page.entries]

    async def one(self, type_: str, **parameters: str) -> Json:
        """Return the only resource that the parameters find."""
        (found,) = await self.all(type_, **parameters)
        assert isinstance(found, dict)
        return found

    async def put(self, resource: Json) -> None:
        """Store a resource as somebody else would."""
        async with self.record.transaction(self.tenant) as tx:
            await tx.put(resource, id_=resource["id"])


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module."""
    with contextmanager(_database)(postgres_server, template_database) as made:
        yield made


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[Engine]:
    async with open_application(database) as (record, _):
        tenant = await record.ensure_tenant(f"clinic-{next(_HOMES)}")
        yield Engine(record, tenant, definitions.load())
