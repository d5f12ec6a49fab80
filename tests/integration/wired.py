"""A record with its Subscriptions and the application over it, wired as a process wires them, without loops."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import httpx

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.crypto.signing import SigningKeys
from fhirserver.kernel.audit import Happening, Recording
from fhirserver.kernel.principal import Access
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
from tests.conftest import ROLE_PASSWORDS, Database, _database
from tests.integration.rest.conftest import BASE, ready


@dataclass
class Wired:
    """What a process has: the record, the parts of Subscriptions, and clients of the application."""

    record: Record
    parts: Subscriptions
    transport: httpx.ASGITransport
    clients: list[httpx.AsyncClient]
    told: "Told"

    def client(self, token: str, **headers: str) -> httpx.AsyncClient:
        """Return a client that carries a token; it is closed at the end."""
        made = httpx.AsyncClient(
            transport=self.transport,
            base_url=f"{BASE}/",
            headers={"authorization": f"Bearer {token}", **headers},
        )
        self.clients.append(made)
        return made


class Told:
    """What requests tell the audit that write nothing."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []

    async def report(self, *happenings: Happening) -> None:
        self.happenings += happenings

    async def within(self, tx: Recording, *happenings: Happening) -> None:
        tx.audit(*happenings)


@contextmanager
def database_of_module(server: PostgresServer, template: str) -> Iterator[Database]:
    """Return a migrated database that several tests share, each in a tenant of its own."""
    with contextmanager(_database)(server, template) as database:
        yield database


@asynccontextmanager
async def wired(
    database: Database, clock: Callable[[], datetime], *, arming_required: bool = True
) -> AsyncIterator[Wired]:
    """Wire a process whose time is `clock`'s; every request asks anew what its caller may see."""
    base = definitions.load()
    ring = keyring.create("test", bytes(range(32)))

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
            arming_required=arming_required,
            signing=SigningKeys(ring),
        ),
        Visibility(),
        definitions_of,
        search,
    )
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        catalogue = Catalogue(pools.work, base, lambda tenant: record.work(tenant))  # noqa: PLW0108 - made below
        record = Record(
            pools,
            ring,
            base,
            parts.observer,
            clock,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        await record.ensure_partitions()
        await catalogue.load()
        told = Told()
        app = application(
            Services(
                store=record,
                definitions=base,
                definitions_of=catalogue.definitions_of,
                observer=parts.observer,
                base=BASE,
                version="0.1.0",
                readiness=ready,
                access_epoch=count().__next__,
                topics=parts.topics_of,
                operations=parts.operations(),
                clock=clock,
                auditing=told,
            )
        )
        made = Wired(record, parts, httpx.ASGITransport(app), [], told)
        yield made
        for one in made.clients:
            await one.aclose()
