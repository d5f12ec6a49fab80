"""How many rows hang on which keys: what `fhirserver keys status` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from fhirserver.kernel.hanging import SealedColumn
from fhirserver.kernel.ports import Transaction
from fhirserver.store.rotation import rows_on

_WRAPPED: Final[LiteralString] = (
    "SELECT tenant_key, count(*) FROM data_key WHERE tenant = %s GROUP BY tenant_key ORDER BY tenant_key"
)
_INDEXED: Final[LiteralString] = (
    "SELECT keys_version, count(*) FROM resource WHERE tenant = %s AND NOT deleted GROUP BY keys_version "
    "ORDER BY keys_version"
)


@dataclass(frozen=True, slots=True)
class Census:
    """The keys of a tenant.

    `wrapped`: data keys by version of the wrapping key; `indexed`: resources by version of the index; `retired` data
    keys, with the rows `left` on them; `shredded` patients; `jobs` that change keys now, as (kind, done, of).
    """

    wrapped: Sequence[tuple[int, int]]
    indexed: Sequence[tuple[int, int]]
    retired: int
    left: int
    shredded: int
    jobs: Sequence[tuple[str, int, int | None]]


async def census(tx: Transaction, columns: Sequence[SealedColumn]) -> Census:
    """Count what there is of the transaction's tenant."""
    retired = await tx.execute(
        "SELECT key_id FROM data_key WHERE tenant = %s AND retired IS NOT NULL", (tx.tenant,)
    )
    ids = [row[0] for row in retired]
    ((shredded,),) = await tx.execute(
        "SELECT count(*) FROM shredded_patient WHERE tenant = %s", (tx.tenant,)
    )
    jobs = await tx.execute(
        "SELECT kind, progress, total FROM job WHERE tenant = %s AND kind IN ('rotate', 'rekey', 'shred') "
        "AND state IN ('waiting', 'running') ORDER BY submitted",
        (tx.tenant,),
    )
    return Census(
        [(row[0], row[1]) for row in await tx.execute(_WRAPPED, (tx.tenant,))],
        [(row[0], row[1]) for row in await tx.execute(_INDEXED, (tx.tenant,))],
        len(ids),
        sum((await rows_on(tx, ids, columns)).values()) if ids else 0,
        shredded,
        [(row[0], row[1], row[2]) for row in jobs],
    )
