"""The HTTP application with its catalogue, one or several processes of it over one database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.principal import Principal
from fhirserver.rest import Services, application
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from subscriptions.composition import Options, Subscriptions
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.topic_catalog import Topics
from subscriptions.telephones import Companies
from tests.conftest import ROLE_PASSWORDS, Database
from tests.integration.rest.conftest import BASE, Bystander, issue, ready, seed
from tests.patience import PATIENCE_SECONDS


@dataclass
class Process:
    """One process: its record, its catalogue and topics, and the way to its clients."""

    record: Record
    catalogue: Catalogue
    topics: Topics
    transport: httpx.ASGITransport
    opened: AsyncExitStack

    async def client(self, token: str) -> httpx.AsyncClient:
        """A client with this token."""
        return await self.opened.enter_async_context(
            httpx.AsyncClient(
                transport=self.transport,
                base_url=f"{BASE}/",
                headers={"authorization": f"Bearer {token}"},
            )
        )

    async def admin(self, tenant: int) -> httpx.AsyncClient:
        """An administrator of a tenant."""
        token = await self.record.issue_token(Principal(tenant, "admin", ""), 3600)
        return await self.client(token)


@asynccontextmanager
async def open_process(database: Database, *, subscribing: bool = False) -> AsyncIterator[Process]:
    """A process over `database`, as bootstrap wires it; without `subscribing` nobody looks at changes."""
    known = definitions.load()
    async with (
        open_database(database.dsn, ROLE_PASSWORDS) as pools,
        AsyncExitStack() as opened,
    ):
        # The record is made with what the catalogue gives, and read through it: only the call joins them.
        record: Record
        catalogue = Catalogue(pools.work, known, lambda tenant: record.work(tenant))  # noqa: PLW0108
        parts = Subscriptions(
            Options(Companies(), BASE, BASE, EndpointPolicy(allow_insecure=True), demo=False),
            Visibility(),
            catalogue.definitions_of,
            lambda access, query: record.search(access, query),  # noqa: PLW0108
        )
        observer: Any = parts.observer if subscribing else Bystander()
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            known,
            observer,
            lambda: datetime.now(UTC),
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        await record.ensure_partitions()
        await catalogue.load()
        services = Services(
            store=record,
            definitions=known,
            observer=observer,
            base=BASE,
            version="0.1.0",
            readiness=ready,
            topics=parts.topics_of,
            definitions_of=catalogue.definitions_of,
        )
        transport = httpx.ASGITransport(application(services))
        yield Process(record, catalogue, parts.response.topics, transport, opened)


@pytest.fixture
async def process(database: Database) -> AsyncIterator[Process]:
    async with open_process(database) as one:
        await one.record.ensure_tenant("home")
        yield one


@pytest.fixture
async def admin(process: Process) -> httpx.AsyncClient:
    """The administrator of tenant 1, which has Ann, Joe and their teams."""
    client = await process.admin(1)
    await seed(client)
    return client


@pytest.fixture
async def nurse(process: Process, admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """A practitioner of Ann's team, not of Joe's."""
    return await process.client(await issue(admin, "practitioner", "Practitioner/nina"))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when `holds` does; fails when it never does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 - what is waited for happens in a database
            await asyncio.sleep(0.05)
