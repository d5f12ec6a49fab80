"""How many rows hang on which keys: what `fhirserver keys status` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.hanging import SealedColumn
from fhirserver.kernel.jobs import JobStatus
from fhirserver.kernel.ports import Transaction
from fhirserver.store import key_retirement, rekeying, rotation, shredding, spreading
from fhirserver.store.jobs import last_done
from fhirserver.store.rotation import rows_on

_WRAPPED: Final[LiteralString] = (
    "SELECT tenant_key, count(*) FROM data_key WHERE tenant = %s GROUP BY tenant_key ORDER BY tenant_key"
)
_INDEXED: Final[LiteralString] = (
    "SELECT keys_version, count(*), count(*) FILTER (WHERE type = ANY (%s::smallint[])) FROM resource "
    "WHERE tenant = %s AND NOT deleted GROUP BY keys_version ORDER BY keys_version"
)
_KINDS: Final = tuple(
    one.KIND for one in (rotation, rekeying, spreading, shredding, key_retirement)
)


@dataclass(frozen=True, slots=True)
class Census:
    """The keys of a tenant.

    `wrapped`: data keys by version of the wrapping key; `indexed`: resources by version of the index, with how many of
    them have other keys in the newest (a version may concern some types alone); `retired` data
    keys, with the rows `left` on them; `shredded` patients; `jobs` that change keys now, as (kind, done, of), None where
    that is not known yet; `watched` is the last look at the index that ended.
    """

    wrapped: Sequence[tuple[int, int]]
    indexed: Sequence[tuple[int, int, int]]
    retired: int
    left: int
    shredded: int
    jobs: Sequence[tuple[str, int, int | None]]
    watched: JobStatus | None


async def census(tx: Transaction, columns: Sequence[SealedColumn], blind: BlindIndex) -> Census:
    """Count what there is of the transaction's tenant, whose newest index is `blind`."""
    fresh = [tx.definitions.type_number(one) for one in sorted(blind.fresh)]
    indexed = await tx.execute(_INDEXED, (fresh, tx.tenant))
    retired = await tx.execute(
        "SELECT key_id FROM data_key WHERE tenant = %s AND retired IS NOT NULL", (tx.tenant,)
    )
    ids = [row[0] for row in retired]
    ((shredded,),) = await tx.execute(
        "SELECT count(*) FROM shredded_patient WHERE tenant = %s", (tx.tenant,)
    )
    jobs = await tx.execute(
        "SELECT kind, progress, total FROM job WHERE tenant = %s AND kind = ANY (%s) "
        "AND state IN ('waiting', 'running') ORDER BY submitted",
        (tx.tenant, list(_KINDS)),
    )
    return Census(
        [(row[0], row[1]) for row in await tx.execute(_WRAPPED, (tx.tenant,))],
        [
            (version, every, _behind(blind, version, every, anew))
            for version, every, anew in indexed
        ],
        len(ids),
        sum((await rows_on(tx, ids, columns)).values()) if ids else 0,
        shredded,
        [(row[0], row[1], row[2]) for row in jobs],
        await last_done(tx, spreading.KIND),
    )


def _behind(blind: BlindIndex, version: int, every: int, anew: int) -> int:
    """Return how many of `every` row of a version have other keys in the newest; `anew` are of types it made anew."""
    if version == blind.version:
        return 0
    return anew if blind.since <= version < blind.version else every
