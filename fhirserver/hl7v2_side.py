"""The way in for HL7 v2, put together: listeners, what they hand messages to, and what stands behind that.

Like `fhirserver.bootstrap` it knows all parts.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from adapters.hl7v2 import sites
from adapters.hl7v2.applying import access_of
from adapters.hl7v2.committing import Committer
from adapters.hl7v2.connection import Bounds
from adapters.hl7v2.intake import Intake
from adapters.hl7v2.listener import Door, Listener
from adapters.hl7v2.mapping.errors import MappingError
from adapters.hl7v2.sites import Sites
from adapters.ingest import Ingest
from fhirserver import tls
from fhirserver.definitions import Definitions
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.hl7 import AlertAnswers, Line
from fhirserver.kernel.ports import ChangeObserver
from fhirserver.parts import Server, now, tell_lines
from fhirserver.settings import Settings, SettingsError
from fhirserver.store.hl7_messages import HeldMessages
from fhirserver.store.record import Record

# How long to wait for a port another process has, or a tenant nobody has made yet.
_RETRY_SECONDS: Final = 2.0
_FORGET_SECONDS: Final = 3600.0
_TELL_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Behind:
    """What messages end in. `base` is the public FHIR base URL; `answers` takes what is said of our own alarms; `clock`
    says when a message was received.
    """

    record: Record
    observer: ChangeObserver
    definitions_of: Callable[[int], Definitions]
    base: str
    answers: AlertAnswers | None = None
    clock: Callable[[], datetime] = now


def behind(settings: Settings, server: Server) -> Behind:
    """Return the parts of this process."""
    return Behind(
        server.record,
        server.subscriptions.observer,
        server.catalogue.definitions_of,
        settings.fhir_base,
        server.subscriptions.alert_answers,
    )


async def run_listeners(settings: Settings, server: Server, stop: asyncio.Event) -> None:
    """Listen on every port of HL7_PORTS until `stop` is set; messages under way are answered before this returns.

    Raises `SettingsError` when the site's files cannot be used.
    """
    site = site_of(settings)
    if site.is_deaf:
        log.warning("nobody may send HL7 v2: describe the senders in the files of HL7_SITE")
    context = tls_of(settings)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(tls.follow(context, settings))
        async with asyncio.TaskGroup() as doors:
            for pair in settings.hl7_ports:
                number, _, name = pair.partition("=")
                door = Door(
                    settings.hl7_host,
                    int(number),
                    context,
                    settings.hl7_connections,
                    settings.hl7_connections_peer,
                    shared=sum("ingest" in roles for roles in settings.workers) > 1,
                )
                doors.create_task(_listen(settings, server, site, (door, name), stop))
        following.cancel()


def site_of(settings: Settings) -> Sites:
    """Return the mappings in force. Raises `SettingsError` with every problem of the site's files.

    In the demonstration whoever reaches the port is listened to, unless a file says otherwise.
    """
    place = settings.hl7_site
    files = sorted(Path(place).glob("*.yaml")) if place else []
    unknown: sites.Unknown = "accept" if settings.demo else "refuse"
    try:
        return sites.load([(one.name, one.read_bytes()) for one in files], unknown=unknown)
    except MappingError as problem:
        raise SettingsError(f"HL7_SITE {place}: {problem}") from problem


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Return what connections are secured by, None for plain text. Raises `SettingsError`."""
    if settings.hl7_tls not in ("on", "client"):
        return None
    context = tls.server_context(settings.tls_certificate, settings.tls_key)
    if settings.hl7_tls == "client":
        try:
            context.load_verify_locations(settings.hl7_client_ca)
        except (OSError, ValueError) as problem:
            raise SettingsError(
                f"HL7_CLIENT_CA {settings.hl7_client_ca} cannot be used."
            ) from problem
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.asynccontextmanager
async def intake(parts: Behind, site: Sites, tenant: tuple[int, str]) -> AsyncIterator[Intake]:
    """Take messages of `tenant` (number and name) until the block ends."""
    number, _ = tenant
    record, observer = parts.record, parts.observer
    held = HeldMessages()

    def context_of(sender: str) -> Context:
        return Context(
            access_of(number, sender),
            record,
            parts.definitions_of(number),
            observer,
            parts.base,
        )

    committer = Committer(tenant, record, Ingest(record, observer), held)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(committer.run())
        try:
            yield Intake(
                number,
                site,
                committer,
                held,
                context_of,
                parts.clock,
                writes=record,
                answers=parts.answers,
            )
        finally:
            running.cancel()


async def _listen(
    settings: Settings,
    server: Server,
    site: Sites,
    door_of: tuple[Door, str],
    stop: asyncio.Event,
) -> None:
    door, name = door_of
    bounds = Bounds(settings.hl7_message_bytes, settings.hl7_idle_seconds)
    told = False
    while not stop.is_set():
        number = await server.record.tenant_number(name)
        if number is not None:
            async with intake(behind(settings, server), site, (number, name)) as taking:
                listener = Listener(door, taking, bounds)
                try:
                    await listener.start()
                except OSError as problem:
                    if not told:
                        log.warning(
                            "port is taken, waiting for it", port=door.port, cause=str(problem)
                        )
                else:
                    log.info("listening for HL7 v2", port=listener.port, tenant=name)
                    async with asyncio.TaskGroup() as beside:
                        telling = beside.create_task(
                            _tell_connections(server.record, number, listener)
                        )
                        await _until_stopped(server.record, number, settings, stop)
                        telling.cancel()
                    await listener.stop()
                    return
        elif not told:
            log.warning("no such tenant, waiting for it", port=door.port, tenant=name)
        told = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _RETRY_SECONDS)


async def _tell_connections(record: Record, tenant: int, listener: Listener) -> None:
    """Tell the metrics how many are connected, until cancelled."""
    while True:
        try:
            await tell_lines(record, {Line(tenant, "in", str(listener.port)): listener.connections})
        except Unavailable as outage:
            log.info("how many are connected is told later", cause=str(outage))
        await asyncio.sleep(_TELL_SECONDS)


async def _until_stopped(
    record: Record, tenant: int, settings: Settings, stop: asyncio.Event
) -> None:
    """Wait for the end, and remove old messages meanwhile."""
    kept = timedelta(days=settings.hl7_keep_days)
    while not stop.is_set():
        try:
            async with record.transaction(tenant) as tx:
                await HeldMessages().forget(tx, tx.now - kept)
        except Unavailable as outage:
            log.warning("old messages stay for now", cause=str(outage))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _FORGET_SECONDS)
