"""Answers to one caller: read, vread, history. Two walls: the caller's settings for row-level security, and the check of
what came back against the caller's access.

`set_config` travels with the query in one round trip, whose statements share one implicit transaction: the settings are
gone with it, so no connection ever carries one caller's rights to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel import keys
from fhirserver.kernel.errors import Gone, NotFound, Unavailable
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Stored
from fhirserver.store.caller import SET_CALLER, Caller, caller_of
from fhirserver.store.connection import Query, Row
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.database import Pool
from fhirserver.store.point_read import PointReads

# Where no row is. What does not exist is looked for there, so that it takes as many questions as what is hidden.
_NOWHERE: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What every read of a process shares."""

    pool: Pool
    keys: DataKeys
    definitions: Definitions


class Reader:
    """Reads for one caller after another."""

    def __init__(self, context: ReadContext) -> None:
        """Read through the pool of role fhir_read."""
        self._context = context
        self._points = PointReads(context.pool)

    async def read(self, access: Access, type_: str, id_: str) -> Stored:
        """Return the current version. Raises `NotFound` (absent or not visible), `Gone`."""
        stored = await self._current(access, type_, id_)
        if stored is None:
            raise _not_found(type_, id_)
        if stored.deleted:
            msg = f"{type_}/{id_} has been deleted"
            raise Gone(msg)
        return stored

    async def vread(self, access: Access, type_: str, id_: str, version: int) -> Stored:
        """Return one version. Raises `NotFound`, `Gone` for a version that is a deletion."""
        current = await self._current(access, type_, id_)
        if current is None:
            raise _not_found(type_, id_)
        if current.version == version:
            found = current
        else:
            older = await self._versions(access, type_, id_, count=1, below=version + 1)
            if not older or older[0].version != version:
                raise _not_found(type_, f"{id_}/_history/{version}")
            found = older[0]
        if found.deleted:
            msg = f"version {version} of {type_}/{id_} is its deletion"
            raise Gone(msg)
        return found

    async def located(self, access: Access, type_: str, id_: str) -> UUID | None:
        """Return the row id of a resource that the caller's rows contain, None without one."""
        number = self._context.definitions.type_number(type_)
        row = keys.row_of(id_)
        if row is not None and await self._fetch(access, type_, number, row, id_) is not None:
            return row
        located = await self._locate(access, number, id_)
        found = await self._fetch(access, type_, number, located or _NOWHERE, id_)
        return None if found is None else located

    async def settings(self, access: Access) -> Caller:
        """Return what row-level security is to know about `access`."""
        return caller_of(access, (await self._context.keys.tenant(access.principal.tenant)).blind)

    async def rows(self, access: Access, query: Query) -> list[Row]:
        """Return what `query` gives the caller under row-level security. Raises `Unavailable`."""
        naming = Query(SET_CALLER, await self.settings(access))
        try:
            async with self._context.pool.connection() as connection:
                return (await connection.round((naming, query)))[1]
        except psycopg.OperationalError as outage:
            msg = "the database is not available, try again"
            raise Unavailable(msg) from outage

    async def opened(self, tenant: int, type_: str, rows: Sequence[Sequence[Any]]) -> list[Stored]:
        """Return rows of (id, fhir_id, version, updated, deleted, key_id, content) decrypted, in order."""
        data_keys = self._context.keys
        found = []
        for row, fhir_id, version, updated, deleted, key_id, content in rows:
            id_ = fhir_id or keys.id_of(row)
            plain = b""
            if not deleted:
                plain = await data_keys.content(tenant, type_, id_, version, key_id, content)
            found.append(Stored(type_, id_, version, updated, deleted, plain))
        return found

    async def _current(self, access: Access, type_: str, id_: str) -> Stored | None:
        number = self._context.definitions.type_number(type_)
        row = keys.row_of(id_)
        if row is not None:
            found = await self._fetch(access, type_, number, row, id_)
            if found is not None:
                return found
        located = await self._locate(access, number, id_)
        return await self._fetch(access, type_, number, located or _NOWHERE, id_)

    async def _locate(self, access: Access, number: int, id_: str) -> UUID | None:
        return await self._points.place(await self.settings(access), number, id_)

    async def _fetch(
        self, access: Access, type_: str, number: int, row: UUID, id_: str
    ) -> Stored | None:
        found = await self._points.row(await self.settings(access), number, row)
        if found is None or (found[1] or keys.id_of(found[0])) != id_:
            return None
        return (await self.opened(access.principal.tenant, type_, [found]))[0]

    async def _versions(
        self, access: Access, type_: str, id_: str, *, count: int, below: int
    ) -> list[Stored]:
        number = self._context.definitions.type_number(type_)
        row = keys.row_of(id_)
        located = await self._locate(access, number, id_)
        row = located or row
        if row is None or count <= 0:
            return []
        asked = Query(
            "SELECT id, fhir_id, version, updated, deleted, key_id, content FROM resource_history "
            "WHERE type = %s AND bucket = %s AND id = %s AND tenant = %s AND version < %s "
            "ORDER BY version DESC LIMIT %s",
            (number, keys.bucket_of_row(row), row, access.principal.tenant, below, count),
        )
        rows = await self.rows(access, asked)
        return await self.opened(access.principal.tenant, type_, rows)


def _not_found(type_: str, id_: str) -> NotFound:
    msg = f"{type_}/{id_} is not known"
    return NotFound(msg)
