"""The index watches itself: a `spread` job looks how frequent values have become and keys anew what tells too much.

A sample of each type whose values are spread (`fhirserver.search.coarse`) says which columns of the index stand bare:
values that many rows share, under far fewer keys than they should have. Up to `ALLOWED` of a column's values may. Above
that every value is counted, and those types get a new version of the index in which their values are spread as they
should be. Only they are gone through again: the key stays, for everything else hashes as before.

A job goes on where a dead worker left it, and rests between two batches, so that it never takes more than the share of
time it is given.
"""

from collections.abc import Callable, Mapping
from typing import Final, LiteralString

import orjson
import structlog

from fhirserver.definitions import Definitions
from fhirserver.kernel.jobs import JobWork, Running
from fhirserver.kernel.ports import Transactions
from fhirserver.search import coarse
from fhirserver.store import index_pass, tenant_keys
from fhirserver.store.data_keys import CHANGED, DataKeys
from fhirserver.store.frequencies import Counting
from fhirserver.store.index_pass import IndexPass, Position
from fhirserver.store.job_report import report
from fhirserver.store.pace import Pace
from fhirserver.store.rotation import SETTLED_SECONDS, rotated

KIND: Final = "spread"
# The share of a column's values that may stand bare. What an attacker gains is at most about as much.
ALLOWED: Final = 0.05
# A type with fewer rows is left alone: what so few people share says little, and changes with the next.
FEWEST: Final = 100
# How much of the time a pass that nobody has asked for works.
SHARE: Final = 0.2

_DROP: Final[LiteralString] = (
    "DELETE FROM tenant_key WHERE tenant = %s AND purpose = 'index' AND version >= %s AND version < %s"
)

log = structlog.get_logger(__name__)


class Spreading:
    """The work of a `spread` job. Its request is JSON: ``{"share": 0.2}``, how much of the time it may work."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        definitions_of: Callable[[int], Definitions],
        counting: Counting,
        reindex: JobWork,
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        """Work through `transactions` of a worker's role; `reindex` goes through some types of one tenant."""
        self._transactions = transactions
        self._keys = data_keys
        self._definitions_of = definitions_of
        self._counting = counting
        self._passes = IndexPass(transactions, data_keys, reindex, settled_seconds)

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource: the column that stood barest and how much of it was, in percent; and what was done.

        `spread` says whether values were spread anew; then `version` is that of the index, `left` how many rows are
        not in it.
        """
        pace = Pace(orjson.loads(job.request)["share"])
        at = index_pass.position_of(job)
        column, percent = "", 0.0
        if at is None:
            column, share = worst(await self._bare(job, pace))
            percent = round(100 * share, 1)
            if share <= ALLOWED and not await self._is_unfinished(job.tenant):
                return report(column=column, percent=percent, spread=False)
            at = await self._begin(job, pace)
            log.info("index spread anew", tenant=job.tenant, version=at.version, column=column, percent=percent)  # fmt: skip
        numbers = [self._definitions_of(job.tenant).type_number(one) for one in at.types or ()]
        left = await self._passes.complete(job, at, types=numbers, pace=pace)
        since = (await self._keys.tenant(job.tenant)).blind.since
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(_DROP, (job.tenant, since, at.version))
            await tx.execute(CHANGED)
        log.info("index spread", tenant=job.tenant, version=at.version, left=left)
        return report(column=column, percent=percent, spread=True, version=at.version, left=left)

    async def _bare(self, job: Running, pace: Pace) -> Mapping[str, float]:
        """Return by column what stands bare, as far as a sample tells."""
        spread = (await self._keys.tenant(job.tenant)).blind.spread
        found: dict[str, float] = {}
        for number, type_ in enumerate(sorted(coarse.MEASURED), start=1):
            seen = await self._counting.sample(job.tenant, type_)
            if seen.rows >= FEWEST:
                found |= coarse.bare(seen.counts, seen.rows, spread)
            await job.advance(number, len(coarse.MEASURED))
            await pace.rest()
        return found

    async def _is_unfinished(self, tenant: int) -> bool:
        """Return whether a spreading was begun that never ended."""
        newest, *others = (await self._keys.tenant(tenant)).blinds
        return any(one.version >= newest.since for one in others)

    async def _begin(self, job: Running, pace: Pace) -> Position:
        async def told(rows: int) -> None:
            await job.advance(rows, None)
            await pace.rest()

        spread = await self._counting.spread(job.tenant, told)
        blind = (await self._keys.tenant(job.tenant)).blind
        version, purpose = blind.version + 1, tenant_keys.INDEX
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            rows = await tx.execute(tenant_keys.ALL, (job.tenant,))
            key = tenant_keys.index_key(self._keys.root, job.tenant, rows, blind.version)
            sealed = tenant_keys.sealed_spread(
                job.tenant, version, key, spread, fresh=coarse.MEASURED, since=blind.since
            )
            new = tenant_keys.added(self._keys.root, job.tenant, purpose, version, key, sealed)
            await tx.execute(tenant_keys.ADD, new)
            await tx.execute(CHANGED)
            tx.audit(rotated(job, tx, "index"))
        # Types that were spread once and are no longer have other keys now as well.
        at = Position(version, types=sorted(coarse.MEASURED | blind.fresh))
        await index_pass.save(job, at)
        return at


def worst(found: Mapping[str, float]) -> tuple[str, float]:
    """Return the column that stands barest, and how much of it does; ("", 0) where none does."""
    return max(found.items(), key=lambda one: one[1], default=("", 0.0))
