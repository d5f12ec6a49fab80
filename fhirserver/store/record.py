"""The record as the rest of the server sees it: implements `fhirserver.kernel.ports.RecordStore` and
`fhirserver.kernel.telemetry.TelemetryStore`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

from fhirserver.crypto.keyring import Keyring
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.ports import ChangeObserver, DeadLetterCount
from fhirserver.kernel.principal import Access, Membership, Principal
from fhirserver.kernel.resource import Page, Stored
from fhirserver.search.query import Query
from fhirserver.store import accounts, lease, search
from fhirserver.store.accounts import DeviceCredential
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.database import Database
from fhirserver.store.partitions import ensure_partitions
from fhirserver.store.read import ReadContext, Reader
from fhirserver.store.telemetry import PreparedTemplates, TelemetryTransaction
from fhirserver.store.transaction import WriteContext, WriteTransaction, open_transaction


class Record:
    """Reads, writes and telemetry over one open database."""

    def __init__(
        self,
        database: Database,
        ring: Keyring,
        definitions: Definitions,
        observer: ChangeObserver,
        clock: Callable[[], datetime],
    ) -> None:
        """Serve `database`, whose tenants' keys are wrapped under `ring`; every write is shown to `observer`."""
        self._database = database
        self._clock = clock
        keys = DataKeys(database.keys, ring)
        self._read = ReadContext(database.read, keys, definitions)
        self._reader = Reader(self._read)
        self._write = WriteContext(database.write, keys, definitions, observer, clock)
        self._work = WriteContext(database.work, keys, definitions, observer, clock)
        self._templates = PreparedTemplates()

    async def read(self, access: Access, type_: str, id_: str) -> Stored:
        """Return the current version. Raises `NotFound`, `Gone`."""
        return await self._reader.read(access, type_, id_)

    async def vread(self, access: Access, type_: str, id_: str, version: int) -> Stored:
        """Return one version. Raises `NotFound`, `Gone`."""
        return await self._reader.vread(access, type_, id_, version)

    async def history(
        self, access: Access, type_: str, id_: str, *, count: int, cursor: str | None
    ) -> Page:
        """Return versions, newest first. Raises `NotFound`."""
        return await self._reader.history(access, type_, id_, count=count, cursor=cursor)

    async def search(self, access: Access, query: Query) -> Page:
        """Return one page of matches. Raises `BadRequest` for a cursor that is not of this search."""
        return await search.search(self._reader, self._read, access, query)

    def transaction(self, tenant: int) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a write transaction of `tenant`."""
        return open_transaction(self._write, tenant, WriteTransaction)

    def work(self, tenant: int) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a write transaction for a worker, which may also find due rows of other tenants."""
        return open_transaction(self._work, tenant, WriteTransaction)

    async def scan(self, sql: LiteralString, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one SELECT over due rows of every tenant, without locks. Raises `Unavailable`."""
        try:
            async with self._database.work.connection() as connection:
                found = await connection.execute(sql, args)
                return await found.fetchall()
        except psycopg.OperationalError as outage:
            msg = "the database is not available, try again"
            raise Unavailable(msg) from outage

    @asynccontextmanager
    async def telemetry(self, tenant: int) -> AsyncIterator[TelemetryTransaction]:
        """Open a transaction for a batch of device messages."""
        async with open_transaction(self._work, tenant, TelemetryTransaction) as tx:
            yield tx.share(self._templates)

    async def principal(self, token: str) -> Principal | None:
        """Return who holds `token`."""
        return await accounts.principal(self._database.read, token, self._clock())

    async def memberships(self, tenant: int, member: str) -> Sequence[Membership]:
        """Return the CareTeam memberships of `member`."""
        return await accounts.memberships(self._database.read, tenant, member)

    async def access_epoch(self) -> int:
        """Return a number that grows with every change of who may see what."""
        return await accounts.access_epoch(self._database.read)

    async def issue_token(self, principal: Principal, lifetime_seconds: int) -> str:
        """Return a fresh bearer token."""
        lifetime = timedelta(seconds=lifetime_seconds)
        return await accounts.issue_token(self._database.write, principal, lifetime, self._clock())

    async def ensure_tenant(self, name: str) -> int:
        """Return the number of the tenant called `name`, made when missing."""
        return await accounts.ensure_tenant(self._database.write, name)

    async def tenant_number(self, name: str) -> int | None:
        """Return the number of the tenant called `name`."""
        return await accounts.tenant_number(self._database.read, name)

    async def tenants(self) -> Sequence[tuple[int, str]]:
        """Return every tenant as (number, name)."""
        return await accounts.tenants(self._database.read)

    async def enroll_device(self, tenant: int, device: str) -> DeviceCredential:
        """Return fresh broker credentials of ``Device/<device>``. Raises `NotFound`, `Unprocessable`."""
        names = dict(await self.tenants())
        async with self.transaction(tenant) as tx:
            return await accounts.enroll_device(tx, names[tenant], device)

    async def dead_letters(self, tenant: int) -> Sequence[DeadLetterCount]:
        """Return what could not be processed, counted, the most frequent first."""
        async with self.transaction(tenant) as tx:
            rows = await tx.execute(
                "SELECT door, source, reason, count(*), max(received) FROM dead_letter WHERE tenant = %s "
                "GROUP BY door, source, reason ORDER BY count(*) DESC, source, reason LIMIT 1000",
                (tenant,),
            )
        return [DeadLetterCount(*row) for row in rows]

    async def check_device(self, username: str, password: str) -> tuple[str, str] | None:
        """Return (tenant name, device address) when broker credentials are good."""
        return await accounts.check_device(self._database.write, username, password)

    async def ensure_partitions(self) -> None:
        """Make the Observation partitions of this week and the coming ones."""
        await ensure_partitions(self._database.work, self._clock())

    async def hold_ingest(self, partition: int, holder: str) -> bool:
        """Take or renew the lease on an ingest partition; return whether `holder` has it."""
        return await lease.hold(self._database.work, partition, holder, self._clock())

    async def release_ingest(self, partition: int, holder: str) -> None:
        """Give the lease up."""
        await lease.release(self._database.work, partition, holder, self._clock())
