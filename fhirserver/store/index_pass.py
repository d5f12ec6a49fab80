"""A reindex that is part of a larger job: what it saves is part of what that job saves."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, LiteralString

import orjson

from fhirserver.kernel.jobs import JobWork, Running
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
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


async def once(reindex: JobWork, job: Running, at: Position, pace: Pace | None = None) -> int:
    """Go through the record from where `at` is; return how many rows nobody can read any more."""
    report = fhir_json.read(await reindex(_Inner(job, at, pace)))
    told = {one["name"]: one for one in report["parameter"]}
    return int(told["unreadable"]["valueDecimal"])


def again(at: Position) -> Position:
    """Return where the next pass begins."""
    return replace(at, reindex="", passes=at.passes + 1)


async def behind(tx: Transaction, version: int, types: Iterable[int] | None = None) -> int:
    """Return how many rows of `types` (numbers; None: of all) carry another version of the index."""
    numbers = None if types is None else sorted(types)
    ((left,),) = await tx.execute(_BEHIND, (tx.tenant, version, numbers, numbers))
    return int(left)


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


def report(**told: Any) -> bytes:
    """Return the Parameters resource with what a job tells: numbers, texts and yes or no."""
    kinds = {bool: "valueBoolean", int: "valueDecimal", float: "valueDecimal", str: "valueString"}
    return fhir_json.write(
        {
            "resourceType": "Parameters",
            "parameter": [
                {"name": name, kinds[type(value)]: value} for name, value in told.items()
            ],
        }
    )
