"""The one place where the parts are put together, and the only one that knows them all.

``migrate`` brings a database to the current state, ``worker`` runs the roles of one process: `api` answers requests,
`ingest` takes device messages, `engine` watches time (timers, silence, numbering), `deliver` sends.
"""

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nats
import structlog
import uvicorn
import uvloop

from adapters.ingest import Ingest
from adapters.mqtt.worker import IngestWorker
from fhirserver import __version__, definitions
from fhirserver.crypto import keyring
from fhirserver.crypto.keyring import Keyring
from fhirserver.kernel.jobs import JobWork
from fhirserver.kernel.principal import Principal
from fhirserver.settings import Settings
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from fhirserver.supervisor.broker_stream import DEVICE_STREAM, ensure_device_stream
from fhirserver.supervisor.database_credentials import database_passwords
from fhirserver.supervisor.device_authenticator import DeviceAuthenticator, DeviceGrant
from fhirserver.supervisor.nats_jwt import AccountKey
from fhirserver.supervisor.secret_files import write_private
from subscriptions.channels.twilio import Account
from subscriptions.composition import Options, RecordAccess, Subscriptions

if TYPE_CHECKING:
    from fhirserver.rest.application import Services

FIRST_TENANT: Final = "home"
ADMIN_TOKEN_FILE: Final = "admin.token"  # noqa: S105 - the name of a file
_ADMIN_TOKEN_SECONDS: Final = 10 * 365 * 86_400
_EPOCH_SECONDS: Final = 0.25
_HOUSEKEEPING_SECONDS: Final = 60.0
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


async def _first_content(settings: Settings) -> None:
    async with _open(settings) as server:
        tenant = await server.record.ensure_tenant(FIRST_TENANT)
        await server.record.ensure_partitions()
        async with server.record.transaction(tenant) as tx:
            await server.subscriptions.ensure_content(tx)
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

    def access(self) -> RecordAccess:
        """Return what the workers of the subscriptions need."""
        return RecordAccess(self.record.work, self.record.scan, _now, lambda: self._tenants)


@contextlib.asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[_Server]:
    account = Account(settings.sms_url, settings.sms_account, settings.sms_token, settings.sms_from)
    parts = Subscriptions(
        Options(
            account=account if settings.sms_url else None,
            public_url=settings.base_url,
            fhir_base=settings.fhir_base,
            allow_insecure_endpoints=settings.allow_insecure_endpoints,
            demo=settings.demo,
        ),
        Visibility(),
    )
    async with open_database(settings.database_url, database_passwords(settings.data)) as database:
        base = definitions.load()
        catalogue = Catalogue(database.work, base, lambda tenant: record.work(tenant))  # noqa: PLW0108 - `record` comes after
        record = Record(
            database,
            _keyring(settings),
            base,
            parts.observer,
            _now,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
        )
        server = _Server(record, parts, catalogue)
        await server.learn_tenants()
        await catalogue.load()
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
            tasks.create_task(_until(stop, _run_ingest(settings, server)))
        if roles & {"engine", "deliver"}:
            tasks.create_task(server.subscriptions.run(server.access(), roles, stop))
        if "engine" in roles:
            tasks.create_task(_until(stop, _keep_house(server)))
            tasks.create_task(_run_jobs(settings, server, stop))
        tasks.create_task(_until(stop, server.catalogue.follow()))
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
    from fhirserver.rest.connection import Connection  # noqa: PLC0415 - as above

    epoch = _Epoch(server.record)
    app = application(_services(settings, server, epoch))
    http = _Http(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=Connection,
            # Nothing here asks where a request came from: whoever stands in front may say what it likes.
            proxy_headers=False,
            server_header=False,
        )
    )
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(epoch.follow())
        serving = tasks.create_task(http.serve(_sockets(settings)))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        http.should_exit = True
        await serving
        stopping.cancel()
        following.cancel()


def _sockets(settings: Settings) -> list[socket.socket] | None:
    """Return the socket that several processes of this role listen on together, None for a single one."""
    if sum("api" in roles for roles in settings.workers) < 2:
        return None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    return [socket.create_server(address, family=family, reuse_port=True, backlog=2048)]


def _services(settings: Settings, server: _Server, epoch: "_Epoch") -> "Services":
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
        topics=server.subscriptions.topics,
        demo_page=settings.demo_page_url or None if settings.demo else None,
        extra_routes=server.subscriptions.routes(server.access()),
        origins=settings.origins,
        clock=_now,
    )


class _Http(uvicorn.Server):
    """A server that leaves signals to the process it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Epoch:
    """The newest access epoch this process knows; while it cannot be read, nothing cached counts as fresh."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._epoch = 0
        self._failures = 0
        self.is_fresh = False

    def current(self) -> int:
        """Return the epoch; a number never seen before while the database cannot be asked."""
        return self._epoch if self.is_fresh else -self._failures

    async def follow(self) -> None:
        """Read the epoch four times a second."""
        while True:
            try:
                self._epoch = await self._record.access_epoch()
                self.is_fresh = True
            except Exception:
                self.is_fresh = False
                self._failures += 1
                log.warning("the access epoch cannot be read", exc_info=True)
            await asyncio.sleep(_EPOCH_SECONDS)


async def _run_ingest(settings: Settings, server: _Server) -> None:
    client = await nats.connect(
        settings.nats_url,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        error_cb=_broker_error,
    )
    door = await nats.connect(
        settings.nats_authenticator_url,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        error_cb=_broker_error,
    )

    async def check(username: str, password: str) -> DeviceGrant | None:
        device = await server.record.check_device(username, password)
        return None if device is None else DeviceGrant(*device, simulated=settings.demo)

    authenticator = DeviceAuthenticator(
        door, AccountKey.from_seed(settings.nats_callout_seed), check
    )
    try:
        await ensure_device_stream(client.jetstream())
        ingest = IngestWorker(
            client,
            server.record,
            Ingest(server.record, server.subscriptions.observer),
            DEVICE_STREAM,
        )
        await ingest.prepare()
        await authenticator.start()
        await ingest.run()
    finally:
        await authenticator.stop()
        await door.close()
        await client.close()


async def _run_jobs(settings: Settings, server: _Server, stop: asyncio.Event) -> None:
    """Run what takes longer than a request; requests handed in to be answered later are such jobs."""
    from fhirserver.rest import deferred  # noqa: PLC0415 - for this role alone
    from fhirserver.rest.application import fhir_api  # noqa: PLC0415 - as above

    api = fhir_api(_services(settings, server, _Epoch(server.record)))
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


async def _broker_error(error: Exception) -> None:
    log.warning("broker connection", cause=repr(error))


def _keyring(settings: Settings) -> Keyring:
    """Return the keyring, made at the first start. Losing this file is losing the data."""
    path: Path = settings.data / "secrets" / "keyring.json"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, keyring.render(keyring.create("k1", secrets.token_bytes(32))).decode())
    return keyring.parse(path.read_bytes())


def _now() -> datetime:
    return datetime.now(UTC)
