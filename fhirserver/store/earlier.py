"""Earlier versions of resources, many at once: one statement per type, all in one round trip."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final
from uuid import UUID

from psycopg import sql

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel import keys
from fhirserver.store.connection import Connection, Query
from fhirserver.store.versions import CurrentRow

Target = tuple[str, str]
"""A resource by its type and id."""

_ROWS: Final = (
    "SELECT h.id, h.bucket, coalesce(h.fhir_id, h.id::text), h.version, h.updated, h.deleted, h.key_id, h.content "
    "FROM unnest(%s::smallint[], %s::uuid[], %s::int[]) AS w (bucket, id, version) JOIN resource_history h "
    "ON h.type = {type} AND h.bucket = w.bucket AND h.id = w.id AND h.version = w.version AND h.tenant = %s::int"
)


def behind(
    current: Mapping[Target, CurrentRow], wanted: Mapping[Target, AbstractSet[int]]
) -> dict[Target, list[int]]:
    """Return by resource which of the `wanted` versions are older than the current one."""
    older = {
        target: sorted(version for version in wanted[target] if version < row.version)
        for target, row in current.items()
    }
    return {target: versions for target, versions in older.items() if versions}


async def earlier(
    connection: Connection,
    tenant: int,
    definitions: Definitions,
    current: Mapping[Target, CurrentRow],
    older: Mapping[Target, list[int]],
) -> list[tuple[Target, CurrentRow]]:
    """Return those of the `older` versions of the `current` rows that the history has; nothing is locked."""
    by_type: dict[str, list[tuple[UUID, int]]] = {}
    for target, versions in older.items():
        row = current[target].row
        by_type.setdefault(target[0], []).extend((row, version) for version in versions)
    queries = [
        Query(
            _statement(definitions.type_number(type_)),
            (
                [keys.bucket_of_row(row) for row, _ in several],
                [row for row, _ in several],
                [version for _, version in several],
                tenant,
            ),
        )
        for type_, several in by_type.items()
    ]
    answers = await connection.round(queries) if queries else []
    targets = {(target[0], current[target].row): target for target in older}
    return [
        (targets[type_, columns[0]], CurrentRow(*columns))
        for type_, answer in zip(by_type, answers, strict=True)
        for columns in answer
    ]


@lru_cache(maxsize=256)
def _statement(number: int) -> bytes:
    return sql.SQL(_ROWS).format(type=sql.Literal(number)).as_bytes(None)
