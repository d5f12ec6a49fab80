"""Many versions written with few statements: one for everything new, and few for each type that changes.

Columns travel as text arrays and contents as one run of bytes: that way the driver has next to nothing to convert and
a statement has one plan, whatever is in it. The type stands in the text of a statement that changes rows, so that its
plan knows the partition; a plan for every type would have to open all of them each time.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, LiteralString, TypeVar
from uuid import UUID

from psycopg import sql

from fhirserver.store.columns import array, run_of, texts
from fhirserver.store.connection import Query
from fhirserver.store.versions import SealedVersion

_COLUMNS: Final[LiteralString] = (
    "type, bucket, tenant, id, fhir_id, version, patient, own, time, time_end, updated, keys_version, keys, key_id, content"
)
_INSERT: Final[LiteralString] = (
    "INSERT INTO resource ("
    + _COLUMNS
    + ") SELECT t, b, %s::int, i, f, 1, p, o, lo, hi, %s::timestamptz, "
    "%s::smallint, k::bigint[], d, substring(%b::bytea from at for size) "
    "FROM unnest(%s::smallint[], %s::smallint[], %s::uuid[], %s::text[], %s::bigint[], %s::bigint[], "
    "%s::timestamptz[], %s::timestamptz[], %s::text[], %s::bigint[], %s::int[], %s::int[]) "
    "AS new(t, b, i, f, p, o, lo, hi, k, d, at, size)"
)
_RANGES: Final[LiteralString] = (
    "INSERT INTO resource_range (bucket, tenant, type, id, param, lo, hi, patient) "
    "SELECT b, %s::int, t, i, q, lo, hi, p FROM unnest(%s::smallint[], %s::smallint[], %s::uuid[], %s::bigint[], "
    "%s::numeric[], %s::numeric[], %s::bigint[]) AS new(b, t, i, q, lo, hi, p)"
)
_INSERT_WITH_RANGES: Final[LiteralString] = "WITH made AS (" + _INSERT + ") " + _RANGES
_HISTORY: Final[LiteralString] = (
    "type, bucket, tenant, id, fhir_id, version, patient, updated, deleted, key_id, content, txid"
)
# What every change of existing rows begins with: they go to the history, and their ranges go.
_ARCHIVE: Final = (
    "WITH gone AS MATERIALIZED (SELECT * FROM unnest(%s::smallint[], %s::uuid[]) AS g(b, i)), archived AS ("
    "INSERT INTO resource_history ("
    + _HISTORY
    + ") SELECT "
    + _HISTORY
    + " FROM resource r JOIN gone "
    "ON r.bucket = gone.b AND r.id = gone.i WHERE r.type = {type}), dropped AS ("
    "DELETE FROM resource_range r USING gone WHERE r.type = {type} AND r.bucket = gone.b AND r.id = gone.i) "
)
_ARCHIVE_ALONE: Final = _ARCHIVE + "SELECT"
_REPLACE: Final = _ARCHIVE + (
    "UPDATE resource r SET version = v, patient = p, own = o, time = lo, time_end = hi, updated = %s::timestamptz, "
    "deleted = false, keys_version = %s::smallint, keys = k::bigint[], key_id = d, "
    "content = substring(%b::bytea from at for size), txid = DEFAULT "
    "FROM unnest(%s::smallint[], %s::uuid[], %s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], "
    "%s::timestamptz[], %s::text[], %s::bigint[], %s::int[], %s::int[]) "
    "AS new(b, i, v, p, o, lo, hi, k, d, at, size) WHERE r.type = {type} AND r.bucket = new.b AND r.id = new.i"
)
_BURY: Final = _ARCHIVE + (
    "UPDATE resource r SET version = version + 1, deleted = true, keys = '{{}}', time = NULL, time_end = NULL, "
    "updated = %s::timestamptz, content = '', txid = DEFAULT FROM gone "
    "WHERE r.type = {type} AND r.bucket = gone.b AND r.id = gone.i"
)

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row lies."""

    type: int
    bucket: int
    row: UUID


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of a flush has in common."""

    tenant: int
    keys_version: int
    now: datetime


def insertions(stamp: Stamp, rows: Sequence[SealedVersion]) -> list[Query]:
    """Return what writes `rows`, first versions of new resources, with their ranges."""
    if not rows:
        return []
    content, starts, sizes = run_of([one.content for one in rows])
    ranges = _ranges(stamp, rows)
    made = Query(
        _INSERT if ranges is None else _INSERT_WITH_RANGES,
        (
            stamp.tenant,
            stamp.now,
            stamp.keys_version,
            content,
            array(one.of.number for one in rows),
            array(one.of.bucket for one in rows),
            array(one.of.row for one in rows),
            texts(one.of.stored.id if one.of.named else None for one in rows),
            array(one.patient_key for one in rows),
            array(one.index.own for one in rows),
            texts(one.index.time for one in rows),
            texts(one.index.time_end for one in rows),
            texts(array(one.index.keys) for one in rows),
            array(one.key_id for one in rows),
            starts,
            sizes,
            *(ranges or ()),
        ),
    )
    return [made]


def replacements(
    stamp: Stamp, rows: Sequence[SealedVersion], *, archived: AbstractSet[UUID]
) -> list[Query]:
    """Return what writes `rows` in the place of the versions they follow; each resource once.

    What was there goes to the history, but for the rows `archived`, where that was done.
    """
    queries = []
    for number, same in _grouped(rows, lambda one: one.of.number).items():
        content, starts, sizes = run_of([one.content for one in same])
        going = [one.of for one in same if one.of.row not in archived]
        changed = Query(
            _of_type(_REPLACE, number),
            (
                array(one.bucket for one in going),
                array(one.row for one in going),
                stamp.now,
                stamp.keys_version,
                content,
                array(one.of.bucket for one in same),
                array(one.of.row for one in same),
                array(one.of.stored.version for one in same),
                array(one.patient_key for one in same),
                array(one.index.own for one in same),
                texts(one.index.time for one in same),
                texts(one.index.time_end for one in same),
                texts(array(one.index.keys) for one in same),
                array(one.key_id for one in same),
                starts,
                sizes,
            ),
        )
        queries.append(changed)
    ranges = _ranges(stamp, rows)
    if ranges is not None:
        queries.append(Query(_RANGES, ranges))
    return queries


def archival(place: Place) -> Query:
    """Return what copies a current row to the history and drops its ranges."""
    return Query(_of_type(_ARCHIVE_ALONE, place.type), (array([place.bucket]), array([place.row])))


def burials(stamp: Stamp, places: Sequence[Place]) -> list[Query]:
    """Return what copies current rows to the history and leaves tombstones where they were."""
    return [
        Query(
            _of_type(_BURY, number),
            (array(one.bucket for one in same), array(one.row for one in same), stamp.now),
        )
        for number, same in _grouped(places, lambda one: one.type).items()
    ]


def _ranges(stamp: Stamp, rows: Sequence[SealedVersion]) -> tuple[Any, ...] | None:
    ranges = [(one, span) for one in rows for span in one.index.ranges]
    if not ranges:
        return None
    return (
        stamp.tenant,
        array(one.of.bucket for one, _ in ranges),
        array(one.of.number for one, _ in ranges),
        array(one.of.row for one, _ in ranges),
        array(span.param for _, span in ranges),
        array(span.lo for _, span in ranges),
        array(span.hi for _, span in ranges),
        array(one.patient_key for one, _ in ranges),
    )


def _grouped(items: Iterable[_Item], key: Callable[[_Item], int]) -> dict[int, list[_Item]]:
    groups: dict[int, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


@lru_cache(maxsize=1024)
def _of_type(statement: LiteralString, number: int) -> bytes:
    return sql.SQL(statement).format(type=sql.Literal(number)).as_bytes(None)


@lru_cache(maxsize=1024)
def is_about_resources(statement: str) -> bool:
    """Return whether a statement names a table of the record, where what is put may not have been written yet."""
    return "resource" in statement
