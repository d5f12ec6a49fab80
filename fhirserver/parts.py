"""The parts of one process, put together from settings; what runs them is `fhirserver.bootstrap`."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from fhirserver import definitions
from fhirserver.auditing.queue import AuditQueue
from fhirserver.crypto.root_keys import RootKeys, UnusableRootKey
from fhirserver.crypto.signing import SigningKeys
from fhirserver.kernel.audit import NOTHING_AUDITED, Auditing
from fhirserver.kernel.hl7 import Line
from fhirserver.keyring_source import root_keys
from fhirserver.settings import Settings, SettingsError
from fhirserver.store import hl7_alarms, interface_lines, patient_rows, sealed_columns
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.store.catalogue import Catalogue
from fhirserver.store.database import open_database
from fhirserver.store.key_works import Hanging
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from fhirserver.supervisor.database_credentials import database_passwords
from fhirserver.watchdog_process import mail_server
from subscriptions.channels.client_certificate import BadCertificate, ClientCertificate
from subscriptions.channels.egress import Egress, EndpointFailed
from subscriptions.channels.registry import BadChannel
from subscriptions.channels.twilio import Account
from subscriptions.composition import Options, RecordAccess, Subscriptions
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.store import patient_rows as subscriptions_rows
from subscriptions.store import sealed_columns as subscriptions_columns
from subscriptions.telephones import Companies

# How long an app's own server may take to hand over its public keys.
_KEY_SECONDS: Final = 5.0


class Server:
    """The parts of one process, wired."""

    def __init__(
        self,
        record: Record,
        subscriptions: Subscriptions,
        catalogue: Catalogue,
        signing: SigningKeys,
    ) -> None:
        """Know no tenants yet."""
        self.record = record
        self.signing = signing
        self.subscriptions = subscriptions
        self.catalogue = catalogue
        self.auditing: Auditing = NOTHING_AUDITED
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
            now,
            lambda: self._tenants,
            record.grant,
            record.figures,
            hl7_alarms.told_by,
            partial(tell_lines, record),
        )


def _hl7_certificate(settings: Settings) -> ClientCertificate | None:
    """Return what receivers of HL7 v2 are shown, None for nothing. Raises `SettingsError`."""
    chain, key = settings.hl7_out_certificate, settings.hl7_out_key
    if not chain:
        return None
    try:
        return ClientCertificate(chain, key)
    except BadCertificate as problem:
        raise SettingsError(f"HL7_OUT_CERT and HL7_OUT_KEY: {problem}") from problem


async def tell_lines(record: Record, lines: Mapping[Line, int]) -> None:
    """Keep how many connections of HL7 v2 this process has open."""
    await interface_lines.tell(record.tend, f"{socket.gethostname()}/{os.getpid()}", lines, now())


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
async def open_server(settings: Settings) -> AsyncIterator[Server]:
    """Open the database and put the parts together, until the block ends. Raises `SettingsError`."""
    root = _root_keys(settings)
    signing = SigningKeys(root)
    options = Options(
        companies=_companies(settings),
        public_url=settings.base_url,
        fhir_base=settings.fhir_base,
        endpoints=EndpointPolicy(settings.allow_insecure_endpoints, settings.opened_networks),
        demo=settings.demo,
        mail_server=mail_server(settings),
        channel_factories=settings.subscription_channels,
        arming_required=settings.arming == "required",
        signing=signing,
        hl7_certificate=_hl7_certificate(settings),
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
            root,
            base,
            parts.observer,
            now,
            definitions_of=catalogue.definitions_of,
            committed=catalogue.refresh,
            audit_rows=AuditSpool(),
            hanging=Hanging(
                (*sealed_columns.SEALED, *subscriptions_columns.SEALED),
                (*patient_rows.PATIENT_ROWS, *subscriptions_rows.PATIENT_ROWS),
            ),
        )
        server = Server(record, parts, catalogue, signing)
        await server.learn_tenants()
        await catalogue.load()
        server.read_topics()
        async with audit_queue(record) as queue:
            server.auditing = queue
            yield server


@contextlib.asynccontextmanager
async def audit_queue(record: Record) -> AsyncIterator[AuditQueue]:
    """Write what is told to the queue until the block ends, and then what is left in it."""
    first = min((number for number, _ in await record.tenants()), default=1)
    queue = AuditQueue(record.audit_writer(first).write)
    stop = asyncio.Event()
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run(stop))
        try:
            yield queue
        except Exception as problem:  # noqa: BLE001 - raised below, as it was: a group would hide a refusal
            failure = problem
        finally:
            stop.set()
    if failure is not None:
        raise failure


def _root_keys(settings: Settings) -> RootKeys:
    try:
        return root_keys(settings)
    except UnusableRootKey as problem:
        raise SettingsError(f"{problem}.") from problem


def key_fetcher(settings: Settings) -> Callable[[str], Awaitable[bytes]]:
    """Return what fetches the public keys of apps, under the same rules as deliveries to addresses others chose."""
    from fhirserver.smart.client_keys import KeysUnavailable  # noqa: PLC0415 - for the role that answers requests

    egress = Egress(EndpointPolicy(settings.allow_insecure_endpoints, settings.opened_networks))

    async def fetch(url: str) -> bytes:
        try:
            return await egress.get(url, (("accept", "application/json"),), _KEY_SECONDS)
        except EndpointFailed as problem:
            raise KeysUnavailable(str(problem)) from problem

    return fetch


def now() -> datetime:
    """Return the time, aware UTC."""
    return datetime.now(UTC)
