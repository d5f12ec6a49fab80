"""The one place where the parts are put together, and the only one that knows them all.

``migrate`` brings a database to the current state, ``worker`` runs the roles of one process: `api` answers requests,
`ingest` takes device messages, `engine` watches time (timers, silence, numbering), `deliver` sends. What watches them is
`fhirserver.watchdog_process`.
"""

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
import uvloop

from fhirserver import __version__, broker_side, definitions
from fhirserver.access_epoch import AccessEpoch
from fhirserver.crypto import keyring
from fhirserver.crypto.keyring import Keyring
from fhirserver.crypto.signing import SigningKeys
from fhirserver.http_server import http_server, listeners
from fhirserver.kernel.errors import NotFound, Problem
from fhirserver.kernel.jobs import JobWork
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.settings import Settings, SettingsError
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from fhirserver.supervisor.database_credentials import database_passwords
from fhirserver.supervisor.secret_files import write_private
from fhirserver.watchdog_process import mail_server
from subscriptions import administration as administration  # noqa: PLC0414 - the command line has it from here
from subscriptions.channels.registry import BadChannel
from subscriptions.channels.twilio import Account
from subscriptions.composition import Options, RecordAccess, Subscriptions
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.response import shipped_topics
from subscriptions.telephones import Companies
from subscriptions.watching.beats import Pulse, RoleBeats

if TYPE_CHECKING:
    from fhirserver.rest.application import Services

FIRST_TENANT: Final = "home"
ADMIN_TOKEN_FILE: Final = "admin.token"  # noqa: S105 - the name of a file
_ADMIN_TOKEN_SECONDS: Final = 10 * 365 * 86_400
_HOUSEKEEPING_SECONDS: Final = 60.0
Done = TypeVar("Done")
# Objects made and not dropped before cycles among them are looked for.
_NEW_OBJECTS: Final = 20_000

log = structlog.get_logger(__name__)


def migrate(settings: Settings) -> None:
    """Bring roles, tables and first content to the current state. Running it again changes nothing."""
    from fhirserver.store import migrate as schema  # noqa: PLC0415 - workers start without it, in half the time

    schema.upgrade(settings.database_url, database_passwords(settings.data))
    asyncio.run(_first_content(settings))


def worker(settings: Settings, roles: Sequence[str]) -> None:
    """Run `roles` in this process until SIGTERM or SIGINT."""
    uvloop.run(_run_worker(settings, frozenset(roles)))


def check_topic(content: Json, known: definitions.Definitions) -> list[Problem]:
    """Return why a SubscriptionTopic of a package cannot be used with what is `known`; none when it can."""
    return shipped_topics.check_topic(content, known)


def administer(
    settings: Settings, tenant: str, act: Callable[[Transaction], Awaitable[Done]]
) -> Done:
    """Do what an administrator asks in one transaction of the tenant with this name. Raises `NotFound`."""

    async def run() -> Done:
        async with _open(settings) as server:
            number = await server.record.tenant_number(tenant)
            if number is None:
                msg = f"there is no tenant {tenant!r}"
                raise NotFound(msg)
            async with server.record.transaction(number) as tx:
                return await act(tx)

    return asyncio.run(run())


async def _first_content(settings: Settings) -> None:
    async with _open(settings) as server:
        tenant = await server.record.ensure_tenant(FIRST_TENANT)
        await server.record.ensure_partitions()
        async with server.record.transaction(tenant) as tx:
            await server.subscriptions.ensure_content(tx)
        if settings.synthetic_seconds:
            await broker_side.ensure_synthetic(server.record, server.subscriptions)
        for number, _ in await server.record.tenants():
            async with server.record.transaction(number) as tx:
                await server.subscriptions.file_again(tx)
        token_file = settings.data / ADMIN_TOKEN_FILE
        if not token_file.exists():
            token = await server.record.issue_token(
                Principal(tenant, "admin", ""), _ADMIN_TOKEN_SECONDS
            )
            write_private(token_file, token + "\n")


class _Server:
    """The parts of one process, wired."""

    def __init__(self, record: Record, subscriptions: Subscriptions, catalogue: Catalogue) -> None:
        self.record = record
        self.subscriptions = subscriptions
        self.catalogue = catalogue
        self._tenants: dict[str, int] = {}

    async def learn_tenants(self) -> None:
        """Read the list of tenants, which the workers go through every second."""
        self._tenants = {name: number for number, name in await self.record.tenants()}

    def read_topics(self) -> None:
        """Read every tenant's topics, so that a bad one is told of at the start and no write waits for it."""
        for tenant in self._tenants.values():
            self.subscriptions.topics_of(self.catalogue.definitions_of(tenant))

    def access(self) -> RecordAccess:
        """Return what the workers and routes of the subscriptions need."""
        record = self.record
        return RecordAccess(
            record.work,
            record.scan,
            _now,
            lambda: self._tenants,
            record.grant,
            record.figures,
        )


def _companies(settings: Settings) -> Companies:
    return Companies(
        accounts=[
            Account(*company, name=name)
            for name, company in zip(("first", "second"), settings.companies, strict=True)
            if all(company)
        ],
        old_tokens=(settings.sms_token_old,),
        links=settings.sms_links and settings.base_url.startswith("https://"),
    )


@contextlib.asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[_Server]:
    ring = _keyring(settings)
    options = Options(
        companies=_companies(settings),
        public_url=settings.base_url,
        fhir_base=settings.fhir_base,
        endpoints=EndpointPolicy(settings.allow_insecure_endpoints, settings.opened_networks),
        demo=settings.demo,
        mail_server=mail_server(settings),
        channel_factories=settings.subscription_channels,
        arming_required=settings.arming == "required",
        signing=SigningKeys(ring),
    )
    async with open_database(settings.database_url, database_passwords(settings.data)) as database:
        base = definitions.load()
        # The next two reach the record that comes after them: only the call joins them.
        record: Record
        catalogue = Catalogue(database.work, base, lambda tenant: record.work(tenant))  # noqa: PLW0108
        try:
            parts = Subscriptions(
                options,
                Visibility(),
                catalogue.definitions_of,
                lambda access, query: record.search(access, query),  # noqa: PLW0108
            )
        except BadChannel as problem:
            raise SettingsError(f"SUBSCRIPTION_CHANNELS: {problem}.") from problem
        record = Record(
            database,
            ring,
            base,
            parts.observer,
            _now,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        server = _Server(record, parts, catalogue)
        await server.learn_tenants()
        await catalogue.load()
        server.read_topics()
        yield server


async def _run_worker(settings: Settings, roles: frozenset[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    async with _open(settings) as server, asyncio.TaskGroup() as tasks:
        _collect_less_often()
        if "api" in roles:
            tasks.create_task(_serve_api(settings, server, stop))
        if "ingest" in roles:
            tasks.create_task(
                _until(
                    stop,
                    broker_side.run_ingest(settings, server.record, server.subscriptions.observer),
                )
            )
        if roles & {"engine", "deliver"}:
            tasks.create_task(server.subscriptions.run(server.access(), roles, stop))
        if "engine" in roles:
            tasks.create_task(_until(stop, _keep_house(server)))
            tasks.create_task(_run_jobs(settings, server, stop))
            if settings.synthetic_seconds:
                patient = partial(server.subscriptions.synthetic_patient, server.access())
                running = broker_side.run_synthetic(settings, server.record, patient, stop)
                tasks.create_task(_until(stop, running))
        tasks.create_task(_until(stop, server.catalogue.follow()))
        process = f"{socket.gethostname()}/{os.getpid()}"
        beats = RoleBeats(server.record.tend, _now, roles, process)
        tasks.create_task(beats.run(stop))
        log.info("worker runs", roles=sorted(roles), pid=os.getpid())


def _collect_less_often() -> None:
    """Look for garbage in cycles where there may be some: definitions stay, and a request leaves hardly any.

    Measured: what a search makes and drops had the collector walk for a fifteenth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Run `work` until `stop` is set; its failure is the process's, which the supervisor starts anew."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(work)
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        stopping.cancel()


async def _serve_api(settings: Settings, server: _Server, stop: asyncio.Event) -> None:
    from fhirserver.rest.application import application  # noqa: PLC0415 - for this role alone
    from subscriptions.rest import websocket  # noqa: PLC0415 - as above

    epoch = AccessEpoch(server.record)
    pulse = Pulse(server.record.scan, _now)
    sockets = server.subscriptions.sockets(server.access(), epoch.current, lambda: pulse.is_well)
    services = _services(settings, server, epoch)
    door = websocket.route(sockets, settings.origins)
    app = application(replace(services, extra_routes=(*services.extra_routes, door)))
    http = http_server(app, host=settings.host, port=settings.port)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(epoch.follow())
        tasks.create_task(pulse.run(stop))
        serving = tasks.create_task(http.serve(listeners(settings)))
        stopping = tasks.create_task(stop.wait())
        closed = asyncio.Event()
        delivering = tasks.create_task(sockets.run(closed))
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # Before the HTTP server, which would not say why and not record what arrived.
        await sockets.close()
        closed.set()
        http.should_exit = True
        await serving
        await delivering
        stopping.cancel()
        following.cancel()


def _services(settings: Settings, server: _Server, epoch: AccessEpoch) -> "Services":
    from fhirserver.rest.application import Services  # noqa: PLC0415 - for roles that answer requests

    async def readiness() -> Mapping[str, bool]:
        return {"database": epoch.is_fresh}

    return Services(
        store=server.record,
        definitions=definitions.load(),
        definitions_of=server.catalogue.definitions_of,
        observer=server.subscriptions.observer,
        base=settings.fhir_base,
        version=__version__,
        readiness=readiness,
        access_epoch=epoch.current,
        topics=server.subscriptions.topics_of,
        operations=server.subscriptions.operations(),
        demo_page=settings.demo_page_url or None if settings.demo else None,
        extra_routes=server.subscriptions.routes(server.access()),
        origins=settings.origins,
        clock=_now,
    )


async def _run_jobs(settings: Settings, server: _Server, stop: asyncio.Event) -> None:
    """Run what takes longer than a request; requests handed in to be answered later are such jobs."""
    from fhirserver.rest import deferred  # noqa: PLC0415 - for this role alone
    from fhirserver.rest.application import fhir_api  # noqa: PLC0415 - as above

    api = fhir_api(_services(settings, server, AccessEpoch(server.record)))
    requests: Mapping[str, JobWork] = {deferred.KIND: api.run_deferred}
    await server.record.job_worker(requests, server.catalogue.enable).run(stop)


async def _keep_house(server: _Server) -> None:
    """Make partitions ahead of time, notice new tenants and apply policies of retention."""
    while True:
        await server.record.ensure_partitions()
        await server.learn_tenants()
        await server.record.apply_policies()
        await server.record.forget_claims()
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


def _keyring(settings: Settings) -> Keyring:
    """Return the keyring, made at the first start. Losing this file is losing the data."""
    path: Path = settings.data / "secrets" / "keyring.json"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, keyring.render(keyring.create("k1", secrets.token_bytes(32))).decode())
    return keyring.parse(path.read_bytes())


def _now() -> datetime:
    return datetime.now(UTC)
