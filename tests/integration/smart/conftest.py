"""The authorization server over a real database, with a nurse in front of the app."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.rest import Services, application
from fhirserver.smart import registration
from fhirserver.smart.application import routes
from fhirserver.smart.client_keys import ClientKeys
from fhirserver.smart.client_origins import ClientOrigins
from fhirserver.smart.discovery import Addresses, oauth_uris
from fhirserver.smart.enrolment import enrolled
from fhirserver.smart.people import SignedIn
from fhirserver.smart.published_keys import PublishedKeys
from fhirserver.smart.server import Registration, authorization_server
from fhirserver.store import clients
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from tests.conftest import ROLE_PASSWORDS, Database
from tests.integration.rest.conftest import Bystander, ready, seed, shared_database
from tests.integration.smart.app import FHIR_BASE, ISSUER, REDIRECT, App, Clock, Somebody, person

__all__ = ["shared_database"]
_homes = count(1)


class Told:
    """An `Auditing` that remembers what it was told."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []

    async def report(self, *happenings: Happening) -> None:
        self.happenings += happenings

    async def within(self, _tx: Transaction, *happenings: Happening) -> None:
        self.happenings += happenings


@dataclass
class House:
    """One tenant of a running server: `nina` is a nurse of Ann's team."""

    record: Record
    http: httpx.AsyncClient
    admin: httpx.AsyncClient
    admin_token: str
    tenant: int
    clock: Clock
    people: Somebody
    origins: ClientOrigins
    nina: SignedIn
    documents: dict[str, bytes]
    told: Told
    monotonic: list[float] = field(default_factory=lambda: [0.0])

    async def app(self, *, introspects: bool = False, **metadata: Any) -> App:
        """A client with a secret, unless the metadata say otherwise."""
        usual = {
            "client_name": "An app",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        wanted = registration.read({**usual, **metadata}, by_administrator=True)
        client, secret = enrolled(wanted, self.tenant, self.clock(), introspects=introspects)
        async with self.record.transaction(self.tenant) as tx:
            await clients.add(tx, client)
        return App(self.http, client, secret, self.people)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(shared_database: Database) -> AsyncIterator[House]:
    async with open_house(shared_database) as house:
        yield house


@pytest.fixture
def house(opened: House) -> House:
    """The house as it is found by every test of a module: its nurse is signed in, and it is now."""
    opened.clock.ahead = timedelta()
    opened.people.who = opened.nina
    opened.people.asked = None
    opened.people.asked_encounter = None
    opened.people.stays = True
    opened.people.launches.clear()
    opened.people.sessions.clear()
    opened.documents.clear()
    opened.told.happenings.clear()
    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def fresh_house(database: Database) -> AsyncIterator[House]:
    """A house on a database of its own."""
    async with open_house(database) as house:
        yield house


@asynccontextmanager
async def open_house(
    database: Database, *, registers: Registration = "token"
) -> AsyncIterator[House]:
    observer, clock, known = Bystander(), Clock(), definitions.load()
    documents: dict[str, bytes] = {}
    told, monotonic = Told(), [0.0]
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        catalogue = Catalogue(pools.work, known, lambda tenant: record.work(tenant))  # noqa: PLW0108 - made below
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            known,
            observer,  # type: ignore[arg-type] # positional-only names
            clock,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        await record.ensure_partitions()
        await catalogue.load()
        store = record.authorizations
        await store.keep_going(())
        tenant = await record.ensure_tenant(f"clinic-{next(_homes)}")
        at = Addresses(ISSUER, FHIR_BASE)
        nina = person(Principal(tenant, "practitioner", "Practitioner/nina"), clock())
        people = Somebody(nina, clock)
        origins = ClientOrigins(store, lambda: 0)
        server = authorization_server(
            store=store,
            record=record,
            people=people,
            at=at,
            client_keys=ClientKeys(_fetch(documents), lambda: monotonic[0]),
            keys=PublishedKeys(store, lambda: monotonic[0]),
            auditing=told,  # type: ignore[arg-type] # positional-only names
            registration=registers,
            tenant_of_strangers=_constant(tenant),
        )
        services = Services(
            store=record,
            definitions=known,
            observer=observer,  # type: ignore[arg-type] # positional-only names
            base=FHIR_BASE,
            version="0.1.0",
            readiness=ready,
            definitions_of=catalogue.definitions_of,
            origins=(),
            registered_origins=origins.current,
            oauth_uris=oauth_uris(at, registers=True),
            extra_routes=tuple(routes(server)),
            clock=clock,
        )
        transport = httpx.ASGITransport(application(services))
        token = await record.issue_token(Principal(tenant, "admin", ""), 3600)
        async with (
            httpx.AsyncClient(transport=transport, base_url=ISSUER) as http,
            httpx.AsyncClient(
                transport=transport,
                base_url=f"{FHIR_BASE}/",
                headers={"authorization": f"Bearer {token}"},
            ) as admin,
        ):
            await seed(admin)
            yield House(
                record,
                http,
                admin,
                token,
                tenant,
                clock,
                people,
                origins,
                nina,
                documents,
                told,
                monotonic,
            )


def _fetch(documents: dict[str, bytes]) -> Callable[[str], Awaitable[bytes]]:
    from fhirserver.smart.client_keys import KeysUnavailable

    async def fetch(url: str) -> bytes:
        if url not in documents:
            raise KeysUnavailable(url)
        return documents[url]

    return fetch


def _constant(tenant: int) -> Callable[[], Awaitable[int]]:
    async def answer() -> int:
        return tenant

    return answer
