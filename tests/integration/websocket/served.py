"""The whole application on a loopback port over a real database, with the loop that numbers events.

As `fhirserver.bootstrap` wires it, so that third-party clients meet the real thing.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import httpx

from fhirserver import definitions
from fhirserver.auditing.queue import AuditQueue
from fhirserver.crypto import keyring
from fhirserver.http_server import HttpServer, http_server
from fhirserver.kernel.principal import Principal
from fhirserver.parts import tell_lines
from fhirserver.rest import Services, application
from fhirserver.rest.rate_limits import Rates
from fhirserver.store import hl7_alarms
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from subscriptions.channels.sockets import Sockets
from subscriptions.composition import Options, RecordAccess, Subscriptions
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.rest import websocket
from subscriptions.telephones import Companies
from tests.conftest import ROLE_PASSWORDS
from tests.patience import PATIENCE_SECONDS

_tenants = count(1)
JSON = "application/fhir+json"


@dataclass
class Served:
    """A running application; `ahead` moves its clock."""

    url: str
    record: Record
    sockets: Sockets
    token: str
    tenant: int
    http: HttpServer
    clock: "MovedClock"
    audit: AuditQueue
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"{self.url}/fhir"

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client of the FHIR API with this bearer token, the administrator's by default."""
        headers = {"authorization": f"Bearer {token or self.token}", "content-type": JSON}
        self.clients.append(
            httpx.AsyncClient(base_url=f"{self.base}/", headers=headers, timeout=PATIENCE_SECONDS)
        )
        return self.clients[-1]

    async def client_of(self, kind: Any, reference: str) -> httpx.AsyncClient:
        """A client that acts as `reference`."""
        principal = Principal(self.tenant, kind, reference)
        return self.client(await self.record.issue_token(principal, 86_400))


class MovedClock:
    """The time of day, moved on by `ahead`."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Epoch:
    """The access epoch as the server follows it."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.now = 0

    async def follow(self) -> None:
        while True:
            self.now = await self._record.access_epoch()
            await asyncio.sleep(0.25)


async def ready() -> dict[str, bool]:
    return {"database": True}


@asynccontextmanager
async def served(
    dsn: str,
    *,
    port: int = 0,
    origins: tuple[str, ...] = ("*",),
    limits: Any = None,
    rates: Rates | None = None,
    audited: bool = False,
    companies: Companies | None = None,
) -> AsyncIterator[Served]:
    """The application, with an administrator's token, until the block ends."""
    listening = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    known, clock = definitions.load(), MovedClock()
    record: Record
    async with open_database(dsn, ROLE_PASSWORDS) as pools:
        catalogue = Catalogue(pools.work, known, lambda tenant: record.work(tenant))  # noqa: PLW0108 - made below
        parts = Subscriptions(
            Options(
                companies=companies or Companies(),
                public_url=url,
                fhir_base=f"{url}/fhir",
                endpoints=EndpointPolicy(allow_insecure=True),
                demo=False,
            ),
            Visibility(),
            catalogue.definitions_of,
            lambda access, query: record.search(access, query),  # noqa: PLW0108 - made below
        )
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            known,
            parts.observer,
            clock,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
            audit_rows=AuditSpool() if audited else None,
        )
        await record.ensure_partitions()
        await catalogue.load()
        name = f"home-{os.getpid()}-{next(_tenants)}"
        tenant = await record.ensure_tenant(name)
        tenants = {name: tenant}
        access = RecordAccess(
            record.work,
            record.scan,
            clock,
            lambda: tenants,
            record.grant,
            record.figures,
            hl7_alarms.told_by,
            partial(tell_lines, record),
        )
        epoch = Epoch(record)
        sockets = parts.sockets(access, lambda: epoch.now, lambda: True)
        presences = parts.presences(access, lambda: epoch.now)
        if limits is not None:
            sockets._limits = limits
        audit = AuditQueue(record.audit_writer(tenant).write)
        services = Services(
            store=record,
            definitions=known,
            observer=parts.observer,
            base=f"{url}/fhir",
            version="0.1.0",
            readiness=ready,
            access_epoch=lambda: epoch.now,
            topics=parts.topics_of,
            operations=parts.operations(),
            definitions_of=catalogue.definitions_of,
            extra_routes=[*parts.routes(access), websocket.route(sockets, presences, origins)],
            origins=origins,
            rates=rates or Rates(),
            auditing=audit if audited else None,
        )
        http = http_server(application(services))
        stop = asyncio.Event()
        token = await record.issue_token(Principal(tenant, "admin", ""), 86_400)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(epoch.follow())
            serving = tasks.create_task(http.serve([listening]))
            tasks.create_task(sockets.run(stop))
            tasks.create_task(presences.run(stop))
            tasks.create_task(parts.run(access, {"engine", "deliver"}, stop))
            while not http.started:  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            place = Served(url, record, sockets, token, tenant, http, clock, audit)
            try:
                yield place
            finally:
                for client in place.clients:
                    await client.aclose()
                await sockets.close()
                stop.set()
                http.should_exit = True
                with contextlib.suppress(asyncio.CancelledError):
                    await serving
                following.cancel()
