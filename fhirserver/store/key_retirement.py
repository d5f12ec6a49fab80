"""Retired data keys go once nothing hangs on them: a `retire` job.

A rotation leaves the key that it replaced in its table, wrapped, for a while. This deletes every key that has been there
for `KEPT`, if no row in any table hangs on it; those that something hangs on stay, and the job says how many.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

import structlog

from fhirserver.kernel.hanging import SealedColumn
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.store.data_keys import CHANGED
from fhirserver.store.job_report import report
from fhirserver.store.rotation import KEPT

KIND: Final = "retire"

DUE: Final[LiteralString] = (
    "SELECT bucket, key_id FROM data_key WHERE tenant = %s AND retired < %s ORDER BY key_id"
)
_DELETE: Final[LiteralString] = (
    "DELETE FROM data_key d USING unnest(%s::smallint[], %s::bigint[]) AS gone(b, k) "
    "WHERE d.bucket = gone.b AND d.tenant = %s AND d.key_id = gone.k AND d.retired < %s"
)

# An envelope begins with the id of its key.
_KEY_BYTES: Final = 8

log = structlog.get_logger(__name__)


class Retirement:
    """The work of a `retire` job. Its request is empty."""

    def __init__(
        self,
        transactions: Transactions,
        columns: Sequence[SealedColumn],
    ) -> None:
        """Work through `transactions` of a worker's role, over `columns` beside the record itself."""
        self._transactions = transactions
        self._columns = columns

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource: how many keys were `deleted`, and how many are `kept` for what hangs on them."""
        async with self._transactions(job.tenant) as tx:
            due = await tx.execute(DUE, (job.tenant, tx.now - KEPT))
            used = await self._used(tx, [key for _, key in due]) if due else frozenset()
        gone = [(bucket, key) for bucket, key in due if key not in used]
        if gone:
            buckets, ids = [bucket for bucket, _ in gone], [key for _, key in gone]
            async with self._transactions(job.tenant) as tx:
                await job.require_claim(tx)
                await tx.execute(_DELETE, (buckets, ids, job.tenant, tx.now - KEPT))
                await tx.execute(CHANGED)
        if used:
            log.warning("retired data keys are still in use", tenant=job.tenant, keys=len(used))
        return report(deleted=len(gone), kept=len(used))

    async def _used(self, tx: Transaction, ids: Sequence[int]) -> frozenset[int]:
        """Return those of the keys that any row hangs on."""
        found: set[int] = set()
        tables: tuple[LiteralString, ...] = ("resource", "resource_history")
        for table in tables:
            rows = await tx.execute(
                "SELECT DISTINCT key_id FROM " + table
                + " WHERE tenant = %s AND key_id = ANY (%s::bigint[]) AND NOT deleted",
                (tx.tenant, list(ids)),
            )  # fmt: skip
            found.update(row[0] for row in rows)
        names = [one.to_bytes(_KEY_BYTES, "big") for one in ids]
        for column in self._columns:
            rows = await tx.execute(
                "SELECT DISTINCT substring(t." + column.column + " FROM 1 FOR 8) FROM " + column.table
                + " t WHERE t.tenant = %s AND substring(t." + column.column + " FROM 1 FOR 8) = ANY (%s::bytea[])",
                (tx.tenant, names),
            )  # fmt: skip
            found.update(int.from_bytes(bytes(row[0]), "big") for row in rows)
        return frozenset(found)
