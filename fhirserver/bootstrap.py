"""The one place where the parts are put together, and the only one that knows them all.

``migrate`` brings a database to the current state, ``worker`` runs the roles of one process: `api` answers requests,
`ingest` takes device messages, `engine` watches time (timers, silence, numbering), `deliver` sends. What watches them is
`fhirserver.watchdog_process`.
"""

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
import uvloop

from fhirserver import __version__, broker_side, definitions, tls
from fhirserver.access_epoch import AccessEpoch
from fhirserver.auditing.expanding import Expander
from fhirserver.auditing.heads_export import HeadsDirectory, HeadsStream
from fhirserver.auditing.sealer import Sealer
from fhirserver.http_server import http_server, listeners, rates
from fhirserver.kernel.errors import NotFound, Problem
from fhirserver.kernel.jobs import JobWork
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.parts import Server, key_fetcher, now, open_server
from fhirserver.settings import Settings
from fhirserver.store.audit_rows import AuditRows
from fhirserver.supervisor.database_credentials import database_passwords
from fhirserver.supervisor.secret_files import write_private
from subscriptions import administration as administration  # noqa: PLC0414 - the command line has it from here
from subscriptions.response import shipped_topics
from subscriptions.watching.beats import Pulse, RoleBeats

if TYPE_CHECKING:
    from fhirserver.accounts.composition import Accounts
    from fhirserver.authorization import Authorization
    from fhirserver.rest.application import Services

FIRST_TENANT: Final = "home"
ADMIN_TOKEN_FILE: Final = "admin.token"  # noqa: S105 - the name of a file
_ADMIN_TOKEN_SECONDS: Final = 10 * 365 * 86_400
_HOUSEKEEPING_SECONDS: Final = 60.0
_TENANTS_SECONDS: Final = 5.0
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
        async with open_server(settings) as server:
            number = await server.record.tenant_number(tenant)
            if number is None:
                msg = f"there is no tenant {tenant!r}"
                raise NotFound(msg)
            async with server.record.transaction(number) as tx:
                return await act(tx)

    return asyncio.run(run())


def add_tenant(settings: Settings, name: str) -> str | None:
    """Make a tenant with its own keys and topics; return its first administrator's token, None when there is one so named."""

    async def run() -> str | None:
        async with open_server(settings) as server:
            if await server.record.tenant_number(name) is not None:
                return None
            tenant = await server.record.ensure_tenant(name)
            async with server.record.transaction(tenant) as tx:
                await server.subscriptions.ensure_content(tx)
            return await server.record.issue_token(
                Principal(tenant, "admin", ""), _ADMIN_TOKEN_SECONDS
            )

    return asyncio.run(run())


def tenants(settings: Settings) -> Sequence[tuple[int, str]]:
    """Return every tenant as (number, name)."""

    async def run() -> Sequence[tuple[int, str]]:
        async with open_server(settings) as server:
            return await server.record.tenants()

    return asyncio.run(run())


async def _first_content(settings: Settings) -> None:
    async with open_server(settings) as server:
        tenant = await server.record.ensure_tenant(FIRST_TENANT)
        await server.record.ensure_partitions()
        await server.record.authorizations.keep_going(())
        for number, name in await server.record.tenants():
            if name != broker_side.SYNTHETIC_TENANT:
                async with server.record.transaction(number) as tx:
                    await server.subscriptions.ensure_content(tx)
        if settings.synthetic_seconds:
            await broker_side.ensure_synthetic(server.record, server.subscriptions)
        for number, _ in await server.record.tenants():
            await server.record.file_relations(number)
            async with server.record.transaction(number) as tx:
                await server.subscriptions.file_again(tx)
        token_file = settings.data / ADMIN_TOKEN_FILE
        if not token_file.exists():
            token = await server.record.issue_token(
                Principal(tenant, "admin", ""), _ADMIN_TOKEN_SECONDS
            )
            write_private(token_file, token + "\n")


async def _run_worker(settings: Settings, roles: frozenset[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    async with open_server(settings) as server, asyncio.TaskGroup() as tasks:
        _collect_less_often()
        if "api" in roles:
            tasks.create_task(_serve_api(settings, server, stop))
        if "ingest" in roles:
            tasks.create_task(
                _until(
                    stop,
                    broker_side.run_ingest(
                        settings, server.record, server.subscriptions.observer, server.auditing
                    ),
                )
            )
        if "ingest" in roles and settings.hl7_ports:
            from fhirserver import hl7v2_side  # noqa: PLC0415 - for this role alone, where there are interfaces

            tasks.create_task(hl7v2_side.run_listeners(settings, server, stop))
        if roles & {"engine", "deliver"}:
            tasks.create_task(server.subscriptions.run(server.access(), roles, stop))
        if "engine" in roles:
            tasks.create_task(_until(stop, _keep_house(settings, server)))
            expansion = server.record.audit_expansion(AuditRows(settings.fhir_base))
            tasks.create_task(_until(stop, Expander(expansion, time.monotonic).run()))
            tasks.create_task(_until(stop, _sealer(settings, server).run()))
            tasks.create_task(_run_jobs(settings, server, stop))
            if settings.synthetic_seconds:
                patient = partial(server.subscriptions.synthetic_patient, server.access())
                running = broker_side.run_synthetic(settings, server.record, patient, stop)
                tasks.create_task(_until(stop, running))
        tasks.create_task(_until(stop, server.catalogue.follow()))
        tasks.create_task(_until(stop, server.record.follow_keys()))
        tasks.create_task(_until(stop, _follow_tenants(server)))
        process = f"{socket.gethostname()}/{os.getpid()}"
        beats = RoleBeats(server.record.tend, now, roles, process)
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


async def _serve_api(settings: Settings, server: Server, stop: asyncio.Event) -> None:
    from fhirserver.rest.application import application  # noqa: PLC0415 - for this role alone
    from subscriptions.rest import websocket  # noqa: PLC0415 - as above

    epoch = AccessEpoch(server.record, time.monotonic)
    pulse = Pulse(server.record.scan, now)
    sockets = server.subscriptions.sockets(server.access(), epoch.current, lambda: pulse.is_well)
    presences = server.subscriptions.presences(server.access(), epoch.current)
    services = _services(settings, server, epoch)
    door = websocket.route(sockets, presences, settings.origins)
    people = _accounts(settings, server)
    apps = _authorization(settings, server, people, epoch)
    app = application(
        replace(
            services,
            extra_routes=(*services.extra_routes, *people.routes, *apps.routes, door),
            registered_origins=apps.origins.current,
            oauth_uris=apps.oauth_uris,
        )
    )
    certificate = tls.of(settings)
    http = http_server(
        app, host=settings.host, port=settings.port, tls=certificate, proxies=settings.proxies
    )
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(epoch.follow())
        following_apps = tasks.create_task(apps.origins.follow())
        renewing = tasks.create_task(tls.follow(certificate, settings))
        tasks.create_task(pulse.run(stop))
        tasks.create_task(presences.run(stop))
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
        following_apps.cancel()
        renewing.cancel()


def _services(settings: Settings, server: Server, epoch: AccessEpoch) -> "Services":
    from fhirserver.accounts.launch import LAUNCH  # noqa: PLC0415 - for roles that answer requests
    from fhirserver.rest.app_pages import app_pages  # noqa: PLC0415 - as above
    from fhirserver.rest.application import Services  # noqa: PLC0415 - as above

    async def readiness() -> Mapping[str, bool]:
        return {"database": epoch.is_readable}

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
        operations=(*server.subscriptions.operations(), LAUNCH),
        demo_page=settings.demo_page_url or None if settings.demo else None,
        extra_routes=(
            *server.subscriptions.routes(server.access()),
            *app_pages(settings.app_directory, settings.base_url),
        ),
        origins=settings.origins,
        rates=rates(settings),
        auditing=server.auditing,
        clock=now,
    )


def _authorization(
    settings: Settings, server: Server, people: "Accounts", epoch: AccessEpoch
) -> "Authorization":
    from fhirserver.authorization import authorization  # noqa: PLC0415 - for the role that answers apps

    return authorization(
        settings,
        server.record,
        people.people,
        epoch,
        key_fetcher(settings),
        auditing=server.auditing,
        first_tenant=FIRST_TENANT,
    )


def _accounts(settings: Settings, server: Server) -> "Accounts":
    from fhirserver.accounts import composition  # noqa: PLC0415 - for the role that shows pages
    from fhirserver.interactions.context import Context  # noqa: PLC0415 - as above

    def context_of(access: Access) -> Context:
        return Context(
            access,
            server.record,
            server.catalogue.definitions_of(access.principal.tenant),
            server.subscriptions.observer,
            settings.fhir_base,
        )

    return composition.accounts(
        server.record,
        context_of,
        base_url=settings.base_url,
        rules=composition.rules(
            settings.session_idle_seconds, settings.session_seconds, settings.second_factor
        ),
        auditing=server.auditing,
        first_tenant=FIRST_TENANT,
    )


async def _run_jobs(settings: Settings, server: Server, stop: asyncio.Event) -> None:
    """Run what takes longer than a request; requests handed in to be answered later are such jobs."""
    from fhirserver.rest import deferred  # noqa: PLC0415 - for this role alone
    from fhirserver.rest.application import fhir_api  # noqa: PLC0415 - as above

    api = fhir_api(_services(settings, server, AccessEpoch(server.record, time.monotonic)))
    requests: Mapping[str, JobWork] = {deferred.KIND: api.run_deferred}
    await server.record.job_worker(requests, server.catalogue.enable).run(stop)


async def _keep_house(settings: Settings, server: Server) -> None:
    """Make partitions ahead of time, apply policies of retention, look after keys, and remove what is over."""
    from fhirserver.accounts import composition  # noqa: PLC0415 - for this role alone

    while True:
        await server.record.ensure_partitions()
        await server.record.apply_policies()
        await server.record.tend_keys(settings.index_spreading)
        await server.record.forget_claims()
        await server.record.authorizations.keep_going(
            [number for number, _ in await server.record.tenants()]
        )
        await composition.forget(server.record, settings.session_seconds)
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


def _sealer(settings: Settings, server: Server) -> Sealer:
    """Return what seals the audit log in this process, when it is its turn."""
    places = [
        HeadsStream() if one == "-" else HeadsDirectory(Path(one))
        for one in settings.audit_heads_places
    ]
    holder = f"{socket.gethostname()}/{os.getpid()}"
    return Sealer(server.record.audit_log(), server.signing.sign, places, now, holder)


async def _follow_tenants(server: Server) -> None:
    """Notice tenants that were added while the server runs."""
    while True:
        await server.learn_tenants()
        await asyncio.sleep(_TENANTS_SECONDS)
