"""Re-keying of the index, online: every resource gets the keys of a new version, while searches ask for both.

First it is counted how often values occur that are spread over several keys (`fhirserver.search.coarse`), so that the
new version fits what the tenant really has. Then the new key is made; from then on writes carry its version alone and
searches look for both, and a reindex goes through the record. When no row is left on an old version, the old key goes.

A `rekey` job goes on where a dead worker left it.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.crypto import envelope
from fhirserver.definitions import Definitions
from fhirserver.kernel.jobs import JobWork, Running
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.search import coarse
from fhirserver.search.extract import extract
from fhirserver.search.terms import resource_terms
from fhirserver.store import tenant_keys
from fhirserver.store.data_keys import CHANGED, DataKeys
from fhirserver.store.rotation import SETTLED_SECONDS, rotated
from fhirserver.wire import fhir_json

KIND: Final = "rekey"
_BATCH: Final = 500
_FIRST_ROW: Final = UUID(int=0)

Transactions = Callable[[int], AbstractAsyncContextManager[Transaction]]

_READ: Final[LiteralString] = (
    "SELECT id, coalesce(fhir_id, id::text), version, key_id, content FROM resource "
    "WHERE type = %s AND tenant = %s AND NOT deleted AND id > %s ORDER BY id LIMIT %s"
)
BEHIND: Final[LiteralString] = (
    "SELECT count(*) FROM resource WHERE tenant = %s AND keys_version <> %s AND NOT deleted"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a re-keying is: the new version, and what the reindex in it saved."""

    version: int
    reindex: str = ""
    passes: int = 0


class Rekeying:
    """The work of a `rekey` job. Its request is empty JSON."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        definitions_of: Callable[[int], Definitions],
        reindex: JobWork,
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        """Work through `transactions` of a worker's role; `reindex` goes through the record of one tenant."""
        self._transactions = transactions
        self._keys = data_keys
        self._definitions_of = definitions_of
        self._reindex = reindex
        self._settled_seconds = settled_seconds

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource: the version, and how many rows are left on another one."""
        at = Position(**orjson.loads(job.saved)) if job.saved else await self._begin(job)
        while True:
            # Until every process writes the new version and searches for it.
            await asyncio.sleep(self._settled_seconds)
            await self._keys.refresh()
            inner = _Inner(job, at)
            report = fhir_json.read(await self._reindex(inner))
            left = await self._left(job.tenant, at.version)
            if left <= _unreadable(report):
                break
            at = replace(at, reindex="", passes=at.passes + 1)
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(
                "DELETE FROM tenant_key WHERE tenant = %s AND purpose = 'index' AND version < %s",
                (job.tenant, at.version),
            )
            await tx.execute(CHANGED)
        return fhir_json.write(
            {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "version", "valueInteger": at.version},
                    {"name": "left", "valueDecimal": left},
                ],
            }
        )

    async def _begin(self, job: Running) -> Position:
        spread = await self._measured(job)
        own = await self._keys.tenant(job.tenant)
        version, key = own.blind.version + 1, secrets.token_bytes(envelope.KEY_BYTES)
        sealed = tenant_keys.sealed_spread(job.tenant, version, key, spread)
        new = tenant_keys.added(
            self._keys.root, job.tenant, tenant_keys.INDEX, version, key, sealed
        )
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(tenant_keys.ADD, new)
            await tx.execute(CHANGED)
            tx.audit(rotated(job, tx, "index"))
        at = Position(version)
        await job.advance(0, None, orjson.dumps(asdict(at)))
        return at

    async def _measured(self, job: Running) -> dict[str, int]:
        """Count the values of the types whose values are spread; return over how many keys each should be."""
        definitions = self._definitions_of(job.tenant)
        found: dict[str, int] = {}
        for type_ in sorted(coarse.MEASURED):
            counts: Counter[str] = Counter()
            rows, last = 0, _FIRST_ROW
            while True:
                async with self._transactions(job.tenant) as tx:
                    number = definitions.type_number(type_)
                    batch = await tx.execute(_READ, (number, job.tenant, last, _BATCH))
                for _, fhir_id, version, key_id, content in batch:
                    try:
                        plain = await self._keys.content(
                            job.tenant, type_, fhir_id, version, key_id, content
                        )
                    except envelope.Tampered:
                        continue
                    body = fhir_json.read_own(plain)
                    terms = resource_terms(type_, extract(body, definitions))
                    counts.update(
                        place for term in terms if (place := coarse.place(type_, term)) is not None
                    )
                    rows += 1
                await job.advance(rows, None)
                if len(batch) < _BATCH:
                    break
                last = batch[-1][0]
            found |= coarse.spread_of(counts, rows)
        return found

    async def _left(self, tenant: int, version: int) -> int:
        async with self._transactions(tenant) as tx:
            ((left,),) = await tx.execute(BEHIND, (tenant, version))
        return int(left)


class _Inner:
    """The reindex's view of the job: what it saves is part of what the re-keying saves."""

    request = orjson.dumps({"types": None})

    def __init__(self, job: Running, at: Position) -> None:
        self._job = job
        self._at = at
        self.tenant = job.tenant
        self.owner: Principal = job.owner
        self.submitted = job.submitted
        self.saved = at.reindex.encode()

    async def advance(self, progress: int, total: int | None, saved: bytes | None = None) -> None:
        at = self._at if saved is None else replace(self._at, reindex=saved.decode())
        await self._job.advance(progress, total, orjson.dumps(asdict(at)))

    async def require_claim(self, tx: Transaction) -> None:
        await self._job.require_claim(tx)


def _unreadable(report: dict[str, Any]) -> int:
    """Return how many rows nobody can read any more: they are not found by anything anyway."""
    told = {one["name"]: one for one in report["parameter"]}
    return int(told["unreadable"]["valueDecimal"])
