"""Gives rows the search keys, times and ranges that today's definitions say, while everything goes on.

Rows are read in batches in the order of their ids, without locks, and a row is only touched if what is
stored differs from what it should be. A row that somebody rewrote meanwhile has another version and is
left alone: whoever wrote it indexed it by the new definitions. Contents and versions do not change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.crypto import envelope
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.definitions import Definitions
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.reseal import UPKEEP
from fhirserver.store.rows import IndexColumns, RangeRow, index_columns
from fhirserver.wire import fhir_json

BATCH: Final = 200
# Other processes may index by the definitions of a moment ago; a reindex that began sooner would miss their rows.
CATALOGUE_LAG_SECONDS: Final = 1.0
# After so many rows the other tasks of the process get a turn: this one may be the engine's.
_TURN: Final = 20
_FIRST_ROW: Final = UUID(int=0)

_READ: Final[LiteralString] = (
    "SELECT bucket, id, coalesce(fhir_id, id::text), version, key_id, content, keys, time, time_end, "
    "keys_version, patient FROM resource WHERE type = %s AND tenant = %s AND NOT deleted "
    "AND id > %s ORDER BY id LIMIT %s"
)
_RANGES: Final[LiteralString] = (
    "SELECT bucket, id, param, lo, hi FROM resource_range WHERE type = %s AND id = ANY (%s)"
)
_WRITE: Final[LiteralString] = (
    "UPDATE resource r SET keys = k::bigint[], time = lo, time_end = hi, keys_version = %s "
    "FROM unnest(%s::smallint[], %s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[]) "
    "AS n(b, i, v, k, lo, hi) WHERE r.type = %s AND r.tenant = %s AND r.bucket = n.b AND r.id = n.i "
    "AND r.version = n.v RETURNING r.bucket, r.id"
)
_FORGET_RANGES: Final[LiteralString] = (
    "DELETE FROM resource_range r USING unnest(%s::smallint[], %s::uuid[]) AS g(b, i) "
    "WHERE r.type = %s AND r.bucket = g.b AND r.id = g.i"
)
_ADD_RANGES: Final[LiteralString] = (
    "INSERT INTO resource_range (bucket, tenant, type, id, param, lo, hi, patient) "
    "SELECT b, %s, %s, i, q, lo, hi, p FROM unnest(%s::smallint[], %s::uuid[], %s::bigint[], %s::numeric[], "
    "%s::numeric[], %s::bigint[]) AS n(b, i, q, lo, hi, p) ON CONFLICT DO NOTHING"
)

Row = tuple[int, UUID]
Enable = Callable[[Transaction, Mapping[str, str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reindex is: the next of its types, the last row done there, and what was counted.

    `types` are those that had resources when it began; what came since was indexed when it came.
    """

    types: Sequence[str]
    type: int = 0
    row: str = str(_FIRST_ROW)
    read: int = 0
    changed: int = 0
    unreadable: int = 0
    total: int | None = None
    # The custom search parameters as they were at the start: url -> fingerprint.
    pending: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row whose index is not what it should be."""

    bucket: int
    row: UUID
    version: int
    patient: int | None
    index: IndexColumns


class Reindex:
    """The work of a `reindex` job. Its request is JSON: ``{"types": [...]}``, or null for every type."""

    def __init__(
        self,
        transactions: Transactions,
        keys: DataKeys,
        definitions_of: Callable[[int], Definitions],
        enable: Enable,
        *,
        lag_seconds: float = CATALOGUE_LAG_SECONDS,
    ) -> None:
        """`enable` lets custom parameters be searched that were pending when the job began."""
        self._transactions = transactions
        self._keys = keys
        self._definitions_of = definitions_of
        self._enable = enable
        self._lag_seconds = lag_seconds

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource with what was done."""
        wanted = orjson.loads(job.request)["types"]
        position = (
            Position(**orjson.loads(job.saved)) if job.saved else await self._begin(job, wanted)
        )
        # Definitions may have changed since a crashed worker began; what is written now follows today's.
        definitions = self._definitions_of(job.tenant)
        while position.type < len(position.types):
            name = position.types[position.type]
            position = await self._batch(job, definitions, name, position)
            await job.advance(position.read, position.total, orjson.dumps(_told(position)))
        covered = frozenset(wanted or definitions.resource_types)
        enabled = await self._finish(job, definitions, covered, position.pending or {})
        return fhir_json.write(_report(position, enabled))

    async def _begin(self, job: Running, types: Sequence[str] | None) -> Position:
        pending = dict(self._definitions_of(job.tenant).pending_parameters())
        await asyncio.sleep(self._lag_seconds)
        definitions = self._definitions_of(job.tenant)
        numbers = [definitions.type_number(one) for one in types or definitions.resource_types]
        async with self._transactions(job.tenant) as tx:
            counted = await tx.execute(
                "SELECT type, count(*) FROM resource WHERE tenant = %s AND type = ANY (%s) AND NOT deleted "
                "GROUP BY type ORDER BY type",
                (job.tenant, numbers),
            )
        return Position(
            types=[definitions.type_name(row[0]) for row in counted],
            total=sum(row[1] for row in counted),
            pending=pending,
        )

    async def _batch(
        self, job: Running, definitions: Definitions, type_: str, at: Position
    ) -> Position:
        number = definitions.type_number(type_)
        own = await self._keys.tenant(job.tenant)
        async with self._transactions(job.tenant) as tx:
            rows = await tx.execute(_READ, (number, job.tenant, UUID(at.row), BATCH))
            ranges = await _ranges(tx, number, [(row[0], row[1]) for row in rows])
            # In one round trip: otherwise each patient's key is one.
            await self._keys.load(job.tenant, dict.fromkeys(row[4] for row in rows))
            wrong: list[Wrong] = []
            unreadable = 0
            for turn, row in enumerate(rows):
                try:
                    found = await self._judge(
                        job.tenant, type_, row, ranges, own.blind, definitions
                    )
                except envelope.Tampered:
                    # Shredded, or damaged: nobody can read it, so nobody needs to find it.
                    unreadable += 1
                    continue
                wrong += found
                if turn % _TURN == 0:
                    await asyncio.sleep(0)
            changed = await self._correct(tx, job, number, own.blind.version, wrong) if wrong else 0
        counted = replace(
            at,
            read=at.read + len(rows),
            changed=at.changed + changed,
            unreadable=at.unreadable + unreadable,
        )
        if len(rows) < BATCH:
            return replace(counted, type=at.type + 1, row=str(_FIRST_ROW))
        return replace(counted, row=str(rows[-1][1]))

    async def _judge(
        self,
        tenant: int,
        type_: str,
        row: Sequence[Any],
        ranges: Mapping[Row, frozenset[RangeRow]],
        blind: BlindIndex,
        definitions: Definitions,
    ) -> list[Wrong]:
        """Return the row as it should be when it is not. Raises `Tampered`."""
        bucket, id_, fhir_id, version, key_id, content, keys, *times, keys_version, patient = row
        key = await self._keys.by_id(tenant, key_id)
        place = envelope.resource_place(tenant, type_, fhir_id, version, key_id)
        body = fhir_json.read_own(envelope.unseal(key.cipher, place, bytes(content)))
        index = index_columns(body, blind, definitions)
        right = (
            keys_version == blind.version
            and keys == index.keys
            and times == [index.time, index.time_end]
            and ranges.get((bucket, id_), frozenset()) == frozenset(index.ranges)
        )
        return [] if right else [Wrong(bucket, id_, version, patient, index)]

    async def _correct(
        self, tx: Transaction, job: Running, number: int, keys_version: int, wrong: Sequence[Wrong]
    ) -> int:
        await job.require_claim(tx)
        await tx.execute(UPKEEP)
        written = await tx.execute(
            _WRITE,
            (
                keys_version,
                [one.bucket for one in wrong],
                [one.row for one in wrong],
                [one.version for one in wrong],
                ["{" + ",".join(map(str, one.index.keys)) + "}" for one in wrong],
                [one.index.time for one in wrong],
                [one.index.time_end for one in wrong],
                number,
                job.tenant,
            ),
        )
        places = {(bucket, id_) for bucket, id_ in written}
        buckets, ids = [bucket for bucket, _ in places], [id_ for _, id_ in places]
        await tx.execute(_FORGET_RANGES, (buckets, ids, number))
        spans = [
            (one, span)
            for one in wrong
            if (one.bucket, one.row) in places
            for span in one.index.ranges
        ]
        if spans:
            await tx.execute(
                _ADD_RANGES,
                (
                    job.tenant,
                    number,
                    [one.bucket for one, _ in spans],
                    [one.row for one, _ in spans],
                    [span.param for _, span in spans],
                    [span.lo for _, span in spans],
                    [span.hi for _, span in spans],
                    [one.patient for one, _ in spans],
                ),
            )
        return len(places)

    async def _finish(
        self,
        job: Running,
        definitions: Definitions,
        types: frozenset[str],
        pending: Mapping[str, str],
    ) -> list[str]:
        """Let the parameters be searched whose every type was gone through; return their urls."""
        covered = {
            url: fingerprint
            for url, fingerprint in pending.items()
            if _bases(definitions, url) <= types
        }
        if covered:
            async with self._transactions(job.tenant) as tx:
                await job.require_claim(tx)
                await self._enable(tx, covered)
        return sorted(covered)


async def _ranges(
    tx: Transaction, number: int, rows: Sequence[Row]
) -> Mapping[Row, frozenset[RangeRow]]:
    found = await tx.execute(_RANGES, (number, [row for _, row in rows]))
    grouped: dict[Row, set[RangeRow]] = {}
    for bucket, row, param, lo, hi in found:
        grouped.setdefault((bucket, row), set()).add(RangeRow(param, lo, hi))
    return {row: frozenset(spans) for row, spans in grouped.items()}


def _bases(definitions: Definitions, url: str) -> frozenset[str]:
    """Return the resource types a search parameter is about; one that is gone is about none."""
    parameter = definitions.canonical("SearchParameter", url)
    bases = frozenset(parameter.get("base", ())) if parameter is not None else frozenset()
    if bases & {"Resource", "DomainResource"}:
        return frozenset(definitions.resource_types)
    return bases


def _told(position: Position) -> dict[str, Any]:
    return {name: getattr(position, name) for name in Position.__slots__}


def _report(position: Position, enabled: Sequence[str]) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "read", "valueDecimal": position.read},
            {"name": "changed", "valueDecimal": position.changed},
            {"name": "unreadable", "valueDecimal": position.unreadable},
            *({"name": "enabled", "valueUri": url} for url in enabled),
        ],
    }
