"""The record as the rest of the server sees it: implements `fhirserver.kernel.ports.RecordStore` and
`fhirserver.kernel.telemetry.TelemetryStore`.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import psycopg

from fhirserver.auditing.trail import TRAIL
from fhirserver.crypto.root_keys import RootKeys
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.errors import NotFound, Unavailable
from fhirserver.kernel.figures import Figures
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.jobs import JobWork
from fhirserver.kernel.measured import Measured
from fhirserver.kernel.ports import ChangeObserver, DeadLetterCount, Result, Transaction
from fhirserver.kernel.principal import Access, Grant, Principal, Relations
from fhirserver.kernel.resource import Page, Stored
from fhirserver.kernel.retention import RetentionPolicy
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.query import Query
from fhirserver.store import (
    access_tokens,
    claims,
    dead_letters,
    device_access,
    key_upkeep,
    lease,
    policies,
    tenants,
)
from fhirserver.store.audit_insertion import AuditInsertion
from fhirserver.store.audit_log import AuditLog
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.audit_spool import AuditExpansion
from fhirserver.store.audit_writer import AuditWriter
from fhirserver.store.authorizations import Authorizations
from fhirserver.store.combine import Combine
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.database import Database
from fhirserver.store.device_access import ChangedDevice, DeviceCredential
from fhirserver.store.expunge import Expunge
from fhirserver.store.figures import figures, series
from fhirserver.store.history import Histories
from fhirserver.store.job_worker import JobWorker
from fhirserver.store.jobs import JobRows
from fhirserver.store.key_census import Census, census
from fhirserver.store.key_works import Hanging, key_works
from fhirserver.store.opening import open_transaction
from fhirserver.store.own_rows import OwnRows
from fhirserver.store.partitions import ensure_partitions
from fhirserver.store.prepared_templates import PreparedTemplates
from fhirserver.store.read import ReadContext, Reader
from fhirserver.store.reindex import Enable, Reindex
from fhirserver.store.relations import relations
from fhirserver.store.relationships import RelationshipRows, backfill, epoch
from fhirserver.store.retention import Retention
from fhirserver.store.root_rotation import hanging_on, rewrap_tenant_keys
from fhirserver.store.search import Searches
from fhirserver.store.telemetry import TelemetryTransaction
from fhirserver.store.transaction import WriteTransaction
from fhirserver.store.visibility import Visibility
from fhirserver.store.write_context import Overtaken, WriteContext, nothing

# Often enough for every storm that was tried; then the caller is told.
_ATTEMPTS: Final = 8
_KEYS_SECONDS: Final = 1.0


class Record:
    """Reads, writes and telemetry over one open database."""

    def __init__(  # noqa: PLR0913 - the one place where its parts meet
        self,
        database: Database,
        root: RootKeys,
        definitions: Definitions,
        observer: ChangeObserver,
        clock: Callable[[], datetime],
        *,
        definitions_of: Callable[[int], Definitions] | None = None,
        committed: Callable[[int], Awaitable[None]] = nothing,
        audit_rows: AuditInsertion | None = None,
        hanging: Hanging | None = None,
    ) -> None:
        """Serve `database`, whose tenants' keys are wrapped under `root`; every write is shown to `observer`.

        `definitions_of` gives a tenant's own definitions; `committed` is awaited, with the tenant's number, after a
        commit that changed them. Without `audit_rows` nothing is audited. `hanging` is what rotation and
        shredding go by.
        """
        self._database = database
        self._clock = clock
        self._hanging = hanging or Hanging()
        self.root = root
        keys = DataKeys(database.keys, root)
        self._read = ReadContext(database.read, keys, definitions)
        self._reader = Reader(self._read)
        of_tenant = definitions_of or (lambda _tenant: definitions)
        self._definitions_of = of_tenant
        self._searches = Searches(self._reader, self._read)
        parts = (keys, of_tenant, observer, clock, committed, audit_rows)
        self._write = WriteContext(database.write, *parts)
        self._work = WriteContext(database.work, *parts)
        self._combine = Combine(self._write, self._alone)
        self._templates = PreparedTemplates()
        self.jobs = JobRows(self.work)
        self.relationships = RelationshipRows()
        self.authorizations = Authorizations(database, self.transaction, root, clock)
        self._histories = Histories(self._reader, self._read, clock)
        self._visibility = Visibility()

    def now(self) -> datetime:
        """Return the server's time (aware, UTC)."""
        return self._clock()

    async def read(self, access: Access, type_: str, id_: str) -> Stored:
        """Return the current version. Raises `NotFound`, `Gone`."""
        return await self._reader.read(access, type_, id_)

    async def vread(self, access: Access, type_: str, id_: str, version: int) -> Stored:
        """Return one version. Raises `NotFound`, `Gone`."""
        return await self._reader.vread(access, type_, id_, version)

    async def history(self, access: Access, asked: HistoryQuery) -> Page:
        """Return versions, newest first. Raises `NotFound`, `BadRequest` for a cursor that is not of this history."""
        return await self._histories.page(access, asked)

    async def search(self, access: Access, query: Query) -> SearchPage:
        """Return one page of matches; see `fhirserver.kernel.ports.RecordStore.search`."""
        definitions = self._definitions_of(access.principal.tenant)
        return await self._searches.page(access, query, definitions)

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator[WriteTransaction]:
        """Open a write transaction of `tenant`."""
        async with open_transaction(self._write, tenant, WriteTransaction) as tx:
            yield tx
            trail = TRAIL.get()
            if trail is not None:
                trail.note(tx, tx.changes)

    def audit_writer(self, first_tenant: int) -> AuditWriter:
        """Return what writes happenings; those of no tenant go to `first_tenant`."""
        return AuditWriter(self._write, first_tenant)

    def audit_expansion(self, rows: AuditRows) -> AuditExpansion:
        """Return what makes AuditEvents of what `audit_spool.AuditSpool` left."""
        return AuditExpansion(self._work, self._reader, rows)

    def audit_log(self) -> AuditLog:
        """Return the log of AuditEvents."""
        number = self._read.definitions.type_number("AuditEvent")
        return AuditLog(self._database.work, self._work.keys, number)

    async def write(
        self,
        tenant: int,
        work: Callable[[Transaction], Awaitable[Result]],
        *,
        touching: Sequence[tuple[str, str]] | None = None,
    ) -> Result:
        """Run `work` in a write transaction, anew when a concurrent change won; see `fhirserver.kernel.ports`."""
        trail = TRAIL.get()
        if trail is not None:
            work = trail.within(work)
        if touching is None:
            return await self._alone(tenant, work)
        result: Result = await self._combine.run(tenant, touching, work)
        return result

    async def _alone(
        self, tenant: int, work: Callable[[WriteTransaction], Awaitable[Result]]
    ) -> Result:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with open_transaction(self._write, tenant, WriteTransaction) as tx:
                    tx.can_run_again = True
                    result = await work(tx)
            except Overtaken:
                if attempt == _ATTEMPTS:
                    raise
                # Those who collided must not meet again at the same moment.
                await asyncio.sleep(secrets.randbelow(10 * attempt * attempt) / 1000)
            else:
                return result
        raise AssertionError

    async def forget_claims(self) -> None:
        """Remove the claims of conditional writes that are long over."""
        for tenant, _ in await self.tenants():
            await claims.forget(self._database.write, tenant)

    def work(self, tenant: int) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a write transaction for a worker, which may also find due rows of other tenants."""
        return open_transaction(self._work, tenant, WriteTransaction)

    async def key_census(self, tenant: int) -> Census:
        """Return how many rows hang on which keys of `tenant`."""
        blind = (await self._write.keys.tenant(tenant)).blind
        # As a worker: some of what is sealed only workers may look at.
        async with self.work(tenant) as tx:
            return await census(tx, self._hanging.columns, blind)

    async def rewrap_tenant_keys(self) -> int:
        """Wrap what hangs on other root keys by the active one; return how many keys that were."""
        numbers = [number for number, _ in await self.tenants()]
        return await rewrap_tenant_keys(self._database.write, self.root, numbers)

    async def hanging_on_root_keys(self) -> Mapping[str, int]:
        """Return how many keys hang on each root key."""
        return await hanging_on(self._database.write, [one for one, _ in await self.tenants()])

    async def follow_keys(self) -> None:
        """Ask once a second whether keys have changed, for those who only read."""
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                await self._read.keys.refresh()
            await asyncio.sleep(_KEYS_SECONDS)

    async def figures(
        self,
        tenant: int,
        patient: str,
        codes: Mapping[str, str | None],
        since: datetime,
        until: datetime,
    ) -> Mapping[str, Figures]:
        """Return what was measured of `patient` in [since, until); see `fhirserver.store.figures`."""
        own = await self._work.keys.tenant(tenant)
        async with self.work(tenant) as tx:
            return await figures(tx, own.blinds, patient, codes, since, until)

    async def series(
        self,
        tenant: int,
        patient: str,
        codes: Mapping[str, str | None],
        since: datetime,
        until: datetime,
        most: int,
    ) -> Sequence[Measured]:
        """Return the first `most` values of `patient` in [since, until); see `fhirserver.store.figures`."""
        own = await self._work.keys.tenant(tenant)
        async with self.work(tenant) as tx:
            return await series(tx, own.blinds, patient, codes, since, until, most)

    async def file_relations(self, tenant: int) -> int:
        """Make the rows of relationships for what was stored before there were any; see `relationships.backfill`."""
        async with self.work(tenant) as tx:
            return await backfill.file_again(tx)

    def job_worker(self, requests: Mapping[str, JobWork], enable: Enable) -> JobWorker:
        """Return what runs jobs in this process: `requests` by kind, and the upkeep of the record.

        `enable` lets custom search parameters be searched once a reindex has gone through the record.
        """
        keys, definitions_of = self._work.keys, self._work.definitions_of
        reindex = Reindex(self.work, keys, definitions_of, enable)
        upkeep: dict[str, JobWork] = {
            "expunge": Expunge(self.work, keys, definitions_of),
            "reindex": reindex,
            "retention": Retention(self.work, keys, definitions_of),
            **key_works(self.work, keys, definitions_of, reindex, self._hanging),
        }
        return JobWorker(self.jobs, self.scan, self._clock, requests=requests, upkeep=upkeep)

    async def retention(self, tenant: int) -> RetentionPolicy:
        """Return how long `tenant` keeps what."""
        async with self.transaction(tenant) as tx:
            return await policies.read(tx)

    async def set_retention(self, tenant: int, policy: RetentionPolicy) -> None:
        """Replace the policy of `tenant`."""
        async with self.transaction(tenant) as tx:
            await policies.write(tx, policy)

    async def apply_policies(self) -> None:
        """Hand in a job for every tenant whose policy has not been applied for a day."""
        for (tenant,) in await self.scan(policies.DUE, (self._clock() - policies.EVERY,)):
            async with self.transaction(tenant) as tx:
                due = await policies.take(tx)
            if due:
                await self.jobs.submit(tenant, "retention", b"", Principal(tenant, "system", ""))

    async def tend_keys(self, hours: str) -> None:
        """Hand in what the keys of each tenant need; the index is looked at within `hours` (`key_upkeep.is_time`)."""
        for tenant, _ in await self.tenants():
            await key_upkeep.hand_in(self.jobs, self.work, tenant, hours)

    async def scan(self, sql: LiteralString, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one SELECT over due rows of every tenant, without locks. Raises `Unavailable`."""
        try:
            async with self._database.work.connection() as connection:
                return await connection.rows(sql, args)
        except psycopg.OperationalError as outage:
            msg = "the database is not available, try again"
            raise Unavailable(msg) from outage

    async def tend(self, sql: LiteralString, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement on rows about the server itself, which no tenant owns. Raises `Unavailable`."""
        return await OwnRows(self._database.work)(sql, args)

    @asynccontextmanager
    async def telemetry(self, tenant: int) -> AsyncIterator[TelemetryTransaction]:
        """Open a transaction for a batch of device messages."""
        async with open_transaction(self._work, tenant, TelemetryTransaction) as tx:
            # Whoever takes messages tries a batch again that lost to a concurrent change.
            tx.can_run_again = True
            yield tx.share(self._templates)

    async def grant(self, token: str) -> Grant | None:
        """Return who holds `token`."""
        return await access_tokens.grant(self._database.read, token, self._clock())

    async def access_now(self, grant: Grant) -> Access:
        """Return what `grant` allows now."""
        async with self.transaction(grant.principal.tenant) as tx:
            return await self._visibility.access_while_held(tx, grant)

    async def relations(self, principal: Principal) -> Relations:
        """Return what is known of the relations of `principal` with patients."""
        return await relations(self._database.read, principal, self._clock())

    async def access_epoch(self) -> int:
        """Return a number that grows with every change of who may see what."""
        return await epoch.current(self._database.read)

    async def issue_token(self, principal: Principal, lifetime_seconds: int) -> str:
        """Return a fresh bearer token."""
        lifetime = timedelta(seconds=lifetime_seconds)
        return await access_tokens.issue_token(
            self._database.write, principal, lifetime, self._clock()
        )

    async def ensure_tenant(self, name: str) -> int:
        """Return the number of the tenant called `name`, made when missing."""
        return await tenants.ensure_tenant(self._database.write, name)

    async def tenant_number(self, name: str) -> int | None:
        """Return the number of the tenant called `name`."""
        return await tenants.tenant_number(self._database.read, name)

    async def tenants(self) -> Sequence[tuple[int, str]]:
        """Return every tenant as (number, name)."""
        return await tenants.tenants(self._database.read)

    async def enroll_device(
        self, tenant: int, device: str, behind: Sequence[str] = ()
    ) -> DeviceCredential:
        """Return fresh broker credentials of ``Device/<device>``, a gateway of the devices `behind` it.

        Raises `NotFound`, `Unprocessable`.
        """
        names = dict(await self.tenants())
        async with self.transaction(tenant) as tx:
            return await device_access.enroll_device(tx, names[tenant], device, behind)

    async def dead_letters(self, tenant: int) -> Sequence[DeadLetterCount]:
        """Return what could not be processed, counted, the most frequent first."""
        async with self.transaction(tenant) as tx:
            return await dead_letters.counted(tx)

    async def check_device(
        self, username: str, password: str
    ) -> tuple[str, str, tuple[str, ...]] | None:
        """Return (tenant name, device address, addresses behind it) when broker credentials are good."""
        return await device_access.check_device(self._database.write, username, password)

    async def revoke_device(self, tenant: int, device: str) -> None:
        """Let ``Device/<device>`` in no more. Raises `NotFound` when it is not enrolled."""
        async with self.transaction(tenant) as tx:
            if not await device_access.revoke_device(tx, device):
                msg = f"Device/{device} is not enrolled"
                raise NotFound(msg)

    async def changed_devices(self, tenant: int, since: datetime) -> Sequence[ChangedDevice]:
        """Return the devices whose connections that began before may have to end."""
        return await device_access.changed_since(self._database.write, tenant, since)

    async def ensure_partitions(self) -> None:
        """Make the Observation partitions of this week and the coming ones."""
        await ensure_partitions(self._database.work, self._clock())

    async def hold_ingest(self, partition: int, holder: str) -> bool:
        """Take or renew the lease on an ingest partition; return whether `holder` has it."""
        return await lease.hold(self._database.work, partition, holder, self._clock())

    async def release_ingest(self, partition: int, holder: str) -> None:
        """Give the lease up."""
        await lease.release(self._database.work, partition, holder, self._clock())
