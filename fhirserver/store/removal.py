"""Removing rows for good: everything beside them goes too, and nothing that is evidence.

What Flags protect stands in the temporary table `held` of the transaction that deletes. It is read
before, while alarms go on; at the moment of the deletion Flags are held still and what was written
since is added.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.definitions import Definitions
from fhirserver.kernel import keys
from fhirserver.kernel.evidence import ALWAYS, FOREVER
from fhirserver.kernel.ports import Transaction
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.evidence import Evidence, evidence_since

_INCIDENTS: Final[LiteralString] = (
    "SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::uuid[]) "
    "AS h(patient, since, until, first_row, end_row)"
)
_HELD: Final[LiteralString] = "CREATE TEMP TABLE held ON COMMIT DROP AS " + _INCIDENTS
# Observations belong to their one patient; an AuditEvent about several people could be about any of them.
IS_HELD: Final[LiteralString] = (
    "EXISTS (SELECT 1 FROM held h WHERE (h.patient = r.patient OR h.patient IS NULL OR (r.patient IS NULL AND %s)) "
    "AND ((r.time < h.until AND coalesce(r.time_end, r.time) >= h.since) OR (r.id >= h.first_row AND r.id < h.end_row) "
    "OR (r.deleted AND r.id >= h.first_row)))"
)


async def hold(tx: Transaction, evidence: Evidence) -> None:
    """Make the temporary table `held` of the incidents, until `tx` ends."""
    await tx.execute(_HELD, columns_of(evidence))
    await tx.execute("CREATE INDEX ON held (patient)")
    # The functions that replace partitions run as the tables' owner.
    await tx.execute("GRANT SELECT ON held TO fhir_owner")


async def hold_flags(
    tx: Transaction, data_keys: DataKeys, definitions: Definitions, evidence: Evidence
) -> Evidence:
    """Keep Flags as they are until `tx` ends: the last thing before a deletion, as alarms wait for it.

    Returns what those written since `evidence` was read protect, which `held` then holds too.
    """
    await tx.execute("SELECT lock_flags()")
    added = await evidence_since(tx, data_keys, definitions, evidence)
    if added.incidents:
        await tx.execute("INSERT INTO held " + _INCIDENTS, columns_of(added))
    return added


async def newly_held(
    tx: Transaction, number: int, ids: Sequence[UUID], added: Evidence, *, several: bool
) -> frozenset[UUID]:
    """Return which of these rows of a type have become evidence by what was `added`.

    `several`: the type's rows without one patient are about several.
    """
    if not added.incidents and not added.rows:
        return frozenset()
    found = await tx.execute(
        "SELECT r.id FROM resource r WHERE r.type = %s AND r.id = ANY (%s) AND (r.id = ANY (%s) OR "
        + IS_HELD
        + ")",
        (number, list(ids), list(added.rows), several),
    )
    return frozenset(row[0] for row in found)


async def remove(tx: Transaction, number: int, rows: Sequence[tuple[int, UUID]]) -> None:
    """Remove resources of one type and everything kept beside them: versions, ranges, location."""
    buckets, ids = [bucket for bucket, _ in rows], [row for _, row in rows]
    tables: tuple[LiteralString, ...] = ("resource_history", "resource_range", "resource")
    for table in tables:
        await tx.execute(
            "DELETE FROM " + table + " r USING unnest(%s::smallint[], %s::uuid[]) AS g(b, i) "
            "WHERE r.type = %s AND r.bucket = g.b AND r.id = g.i",
            (buckets, ids, number),
        )
    await tx.execute(
        "DELETE FROM resource_location WHERE tenant = %s AND type = %s AND id = ANY (%s)",
        (tx.tenant, number, ids),
    )


async def remove_versions(tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    """Remove previous versions: (type, bucket, row, version)."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    await tx.execute(
        "DELETE FROM resource_history h USING unnest(%s::smallint[], %s::smallint[], %s::uuid[], %s::int[]) "
        "AS g(t, b, i, v) WHERE h.type = g.t AND h.bucket = g.b AND h.id = g.i AND h.version = g.v",
        columns,
    )


def columns_of(evidence: Evidence) -> tuple[list[Any], ...]:
    """Return the incidents as columns: patient keys, since, until, and the rows received then."""
    patients, sinces, untils = evidence.columns()
    return (
        patients,
        sinces,
        untils,
        [_first_row(one) for one in sinces],
        [_first_row(one) for one in untils],
    )


def _first_row(moment: datetime) -> UUID:
    if moment <= ALWAYS + timedelta(days=366 * 1970):
        return UUID(int=0)
    return UUID(int=2**128 - 1) if moment >= FOREVER else keys.first_row_at(moment)
