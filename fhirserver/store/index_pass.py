"""A reindex that is part of a larger job: what it saves is part of what that job saves."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Final, LiteralString

import orjson

from fhirserver.kernel.jobs import JobWork, Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.principal import Principal
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.pace import Pace
from fhirserver.wire import fhir_json

_BEHIND: Final[LiteralString] = (
    "SELECT count(*) FROM resource WHERE tenant = %s AND keys_version <> %s AND NOT deleted "
    "AND (%s::smallint[] IS NULL OR type = ANY (%s::smallint[]))"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the job is: the new version of the index, and what the reindex in it saved.

    `types` are those it goes through, None for all.
    """

    version: int
    reindex: str = ""
    passes: int = 0
    types: list[str] | None = None


def position_of(job: Running) -> Position | None:
    """Return where the job is, None where it has not begun."""
    return Position(**orjson.loads(job.saved)) if job.saved else None


async def save(job: Running, at: Position) -> None:
    """Save that the job is at `at`, with no row done there yet."""
    await job.advance(0, None, _saved(at))


class IndexPass:
    """Goes through the record, as often as it takes, until every row carries a new version of the index."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        reindex: JobWork,
        settled_seconds: float,
    ) -> None:
        """Work through `transactions` of a worker's role; every process knows new keys after `settled_seconds`."""
        self._transactions = transactions
        self._keys = data_keys
        self._reindex = reindex
        self._settled_seconds = settled_seconds

    async def complete(
        self,
        job: Running,
        at: Position,
        *,
        types: Iterable[int] | None = None,
        pace: Pace | None = None,
    ) -> int:
        """Go through from where `at` is; return how many rows are left behind: nobody can read those any more.

        `types` are the numbers of those that are counted, None for all.
        """
        numbers = None if types is None else sorted(types)
        while True:
            # Until every process writes the new version and searches for it.
            await asyncio.sleep(self._settled_seconds)
            await self._keys.refresh()
            told = fhir_json.read(await self._reindex(_Inner(job, at, pace)))["parameter"]
            unreadable = next(one["valueDecimal"] for one in told if one["name"] == "unreadable")
            async with self._transactions(job.tenant) as tx:
                ((left,),) = await tx.execute(_BEHIND, (tx.tenant, at.version, numbers, numbers))
            if left <= int(unreadable):
                return int(left)
            at = replace(at, reindex="", passes=at.passes + 1)


class _Inner:
    """The reindex's view of the job."""

    def __init__(self, job: Running, at: Position, pace: Pace | None) -> None:
        self._job = job
        self._at = at
        self._pace = pace
        self.tenant = job.tenant
        self.owner: Principal = job.owner
        self.submitted = job.submitted
        self.request = orjson.dumps({"types": at.types})
        self.saved = at.reindex.encode()

    async def advance(self, progress: int, total: int | None, saved: bytes | None = None) -> None:
        at = self._at if saved is None else replace(self._at, reindex=saved.decode())
        await self._job.advance(progress, total, _saved(at))
        if self._pace is not None:
            await self._pace.rest()

    async def require_claim(self, tx: Transaction) -> None:
        await self._job.require_claim(tx)


def _saved(at: Position) -> bytes:
    return orjson.dumps(asdict(at))
