"""Single rows by id, for many callers at once: one statement per caller and type, all in one round trip.

The type stands in the statement's text, so that its plan knows the partition; a plan for every type would have to
look at all of them each time. Measured at 16 reads a round: 40 us of Python and 20 us of PostgreSQL each, against
530 and 200 us for a read of its own.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from fhirserver.kernel import keys
from fhirserver.kernel.errors import Unavailable
from fhirserver.store.caller import SET_CALLER, Caller
from fhirserver.store.connection import Query, Row
from fhirserver.store.database import Pool
from fhirserver.store.gather import Gather, Round

Statement = Callable[[int], bytes]
Arguments = Callable[[int, tuple[Any, ...]], tuple[Any, ...]]
_ROWS: Final = sql.SQL(
    "SELECT id, fhir_id, version, updated, deleted, key_id, content FROM resource "
    "WHERE type = {type} AND bucket = ANY (%s::smallint[]) AND id = ANY (%s::uuid[]) AND tenant = %s::int"
)
_PLACES: Final = sql.SQL(
    "SELECT fhir_id, id FROM resource_location WHERE tenant = %s AND type = {type} AND fhir_id = ANY (%s)"
)


class Of(NamedTuple):
    """Rows of one type, by its number, that one caller asks for."""

    caller: Caller
    type: int


class PointReads:
    """Current rows by row id, and the row ids of client-chosen ids."""

    def __init__(self, pool: Pool) -> None:
        """Read through the pool of role fhir_read."""
        self._pool = pool
        self._rows: Gather[Of, UUID, Row] = Gather(self._read_rows)
        self._places: Gather[Of, str, UUID] = Gather(self._read_places)

    async def row(self, caller: Caller, type_number: int, row: UUID) -> Row | None:
        """Return (id, fhir_id, version, updated, deleted, key_id, content), None where `caller` sees no such row.

        Raises `Unavailable` when the database does not answer.
        """
        return await self._rows.ask(Of(caller, type_number), row)

    async def place(self, caller: Caller, type_number: int, fhir_id: str) -> UUID | None:
        """Return the row id behind an id that was chosen by a client or has moved. Raises `Unavailable`."""
        return await self._places.ask(Of(caller, type_number), fhir_id)

    async def _read_rows(self, wanted: Round[Of, UUID]) -> Mapping[tuple[Of, UUID], Row]:
        return {
            (of, row[0]): row
            for of, rows in (await self._ask(wanted, _rows_statement, _row_arguments)).items()
            for row in rows
        }

    async def _read_places(self, wanted: Round[Of, str]) -> Mapping[tuple[Of, str], UUID]:
        return {
            (of, fhir_id): row
            for of, rows in (await self._ask(wanted, _places_statement, _place_arguments)).items()
            for fhir_id, row in rows
        }

    async def _ask(
        self, wanted: Round[Of, Any], statement: Statement, arguments: Arguments
    ) -> dict[Of, list[Row]]:
        queries: list[Query] = []
        places: dict[Of, int] = {}
        speaking: Caller | None = None
        for of in sorted(wanted):
            if of.caller != speaking:
                queries.append(Query(SET_CALLER, of.caller))
                speaking = of.caller
            places[of] = len(queries)
            queries.append(Query(statement(of.type), arguments(int(of.caller.tenant), wanted[of])))
        try:
            async with self._pool.connection() as connection:
                rows = await connection.round(queries)
        except psycopg.OperationalError as outage:
            msg = "the database is not available, try again"
            raise Unavailable(msg) from outage
        return {of: rows[place] for of, place in places.items()}


def _row_arguments(tenant: int, rows: tuple[UUID, ...]) -> tuple[Any, ...]:
    # Array literals: the driver looks at every element of a list.
    buckets = ",".join([str(keys.bucket_of_row(row)) for row in rows])
    return f"{{{buckets}}}", f"{{{','.join([str(row) for row in rows])}}}", tenant


def _place_arguments(tenant: int, ids: tuple[str, ...]) -> tuple[Any, ...]:
    return tenant, list(ids)


@lru_cache(maxsize=256)
def _rows_statement(type_number: int) -> bytes:
    return _ROWS.format(type=sql.Literal(type_number)).as_bytes(None)


@lru_cache(maxsize=256)
def _places_statement(type_number: int) -> bytes:
    return _PLACES.format(type=sql.Literal(type_number)).as_bytes(None)
