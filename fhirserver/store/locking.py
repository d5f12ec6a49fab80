"""Finds the current rows of resources, one or many at once, and locks them in one order everywhere: by type, bucket, id.

A server-made id is its row id; an id a client chose, and a resource that moved, is looked up first.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, LiteralString
from uuid import UUID

from psycopg import sql

from fhirserver.kernel import keys
from fhirserver.store.connection import Connection, Query
from fhirserver.store.versions import CurrentRow

Target = tuple[int, str]
"""A resource by its type number and id."""

_ROWS: Final = (
    "SELECT id, bucket, coalesce(fhir_id, id::text), version, updated, deleted, key_id, content FROM resource "
    "WHERE type = {type} AND bucket = ANY (%s::smallint[]) AND id = ANY (%s::uuid[]) AND tenant = %s::int"
)
_LOCK: Final = b" ORDER BY bucket, id FOR UPDATE"
_LOCK_FREE: Final = _LOCK + b" SKIP LOCKED"
_PLACES: Final[LiteralString] = (
    "SELECT t, i, l.id FROM unnest(%s::smallint[], %s::text[]) AS wanted(t, i) CROSS JOIN LATERAL "
    "(SELECT p.id FROM resource_location p WHERE p.tenant = %s::int AND p.type = t AND p.fhir_id = i OFFSET 0) l"
)
# Rows looked up by one statement: the index is searched for every pair of a bucket and an id.
_AT_ONCE: Final = 64
_TAKE: Final[LiteralString] = (
    "INSERT INTO resource_location (tenant, type, fhir_id, id) SELECT %s::int, t, f, i "
    "FROM unnest(%s::smallint[], %s::text[], %s::uuid[]) AS new(t, f, i) ORDER BY t, f "
    "ON CONFLICT DO NOTHING RETURNING 1"
)


async def find(
    connection: Connection,
    tenant: int,
    targets: Iterable[Target],
    *,
    lock: bool,
    wait: bool = True,
) -> Mapping[Target, CurrentRow]:
    """Return the rows of those `targets` that exist (tombstones too), locked until commit if `lock`.

    Without `wait`, rows that somebody else has locked are left out.
    """
    how = (_LOCK if wait else _LOCK_FREE) if lock else b""
    wanted = sorted(set(targets))
    places: dict[Target, UUID] = {}
    named: list[Target] = []
    for target in wanted:
        row = keys.row_of(target[1])
        if row is None:
            named.append(target)
        else:
            places[target] = row
    if named:
        places |= await _places(connection, tenant, named)
    found = await _rows(connection, tenant, places, how)
    # What has a row id for a name but is not at its row may have moved.
    strayed = [target for target in places if target not in found and keys.row_of(target[1])]
    if strayed:
        moved = await _places(connection, tenant, strayed)
        found |= await _rows(connection, tenant, moved, how)
    return found


async def take(
    connection: Connection, tenant: int, chosen: Sequence[tuple[int, str, UUID]]
) -> bool:
    """Claim ids that clients chose for new rows; return False when somebody else has one of them."""
    taken = await connection.rows(
        _TAKE,
        (tenant, [one[0] for one in chosen], [one[1] for one in chosen], [one[2] for one in chosen]),
    )  # fmt: skip
    return len(taken) == len(chosen)


async def _places(
    connection: Connection, tenant: int, targets: Sequence[Target]
) -> dict[Target, UUID]:
    found = await connection.rows(
        _PLACES, ([target[0] for target in targets], [target[1] for target in targets], tenant)
    )
    return {(number, id_): row for number, id_, row in found}


async def _rows(
    connection: Connection, tenant: int, places: Mapping[Target, UUID], how: bytes
) -> dict[Target, CurrentRow]:
    by_type: dict[int, list[UUID]] = {}
    for (number, _), row in places.items():
        by_type.setdefault(number, []).append(row)
    numbers: list[int] = []
    queries: list[Query] = []
    for number in sorted(by_type):
        rows = sorted((keys.bucket_of_row(row), row) for row in by_type[number])
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            args = ([bucket for bucket, _ in some], [row for _, row in some], tenant)
            numbers.append(number)
            queries.append(Query(_statement(number, how), args))
    answers = await connection.round(queries) if queries else []
    found: dict[Target, CurrentRow] = {}
    for number, answer in zip(numbers, answers, strict=True):
        for columns in answer:
            current = CurrentRow(*columns)
            target = (number, current.fhir_id)
            if target in places:
                found[target] = current
    return found


@lru_cache(maxsize=1024)
def _statement(number: int, how: bytes) -> bytes:
    return sql.SQL(_ROWS).format(type=sql.Literal(number)).as_bytes(None) + how
