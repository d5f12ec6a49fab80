"""Rotation of keys, online: a new key first, then everything that hangs on the old one, until nothing does.

- A root key: `rewrap_tenant_keys` wraps the few keys of tenants anew, at once.
- A tenant's wrapping key: the data keys are wrapped anew; no content is touched.
- A data key (a patient's, or the tenant's own): contents are sealed anew, in the record, its history and every column
  of envelopes.

The last two are `rotate` jobs. A job goes on where a dead worker left it. It ends when no row is left on a retired key:
it counts again after everybody who could still have written with the old one is done. A retired data key stays wrapped
in its table for `KEPT` and is then deleted, if still nothing hangs on it: by the next rotation, or by
`fhirserver.store.key_retirement`.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.crypto import envelope
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.hanging import SealedColumn
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.store import tenant_keys
from fhirserver.store.data_keys import (
    CHANGED,
    DataKey,
    DataKeys,
    bucket_of,
    fresh,
    owner_of,
    unwrapped,
    wrapped_by,
)
from fhirserver.store.job_report import report
from fhirserver.store.reseal import BATCH, Resealing

KIND: Final = "rotate"
KEPT: Final = timedelta(days=1)
# Longer than any process goes without asking whether keys have changed, and than a write takes.
SETTLED_SECONDS: Final = 3.0
_FIRST_ROW: Final = str(UUID(int=0))


_RETIRE_WRAPPING: Final[LiteralString] = (
    "UPDATE tenant_key SET retired = %s WHERE tenant = %s AND purpose = 'wrap' AND version < %s AND retired IS NULL"
)
_WRAPPED_BEFORE: Final[LiteralString] = (
    "SELECT bucket, key_id, tenant_key, wrapped FROM data_key WHERE tenant = %s AND tenant_key < %s LIMIT %s"
)
_REWRAP: Final[LiteralString] = (
    "UPDATE data_key d SET tenant_key = %s, wrapped = n.w FROM unnest(%s::smallint[], %s::bigint[], %b::bytea[]) "
    "AS n(b, k, w) WHERE d.bucket = n.b AND d.tenant = %s AND d.key_id = n.k AND d.tenant_key < %s"
)
_RETIRE_DATA: Final[LiteralString] = (
    "UPDATE data_key SET retired = %s WHERE bucket = %s AND tenant = %s AND patient = %s AND retired IS NULL "
    "AND generation < %s"
)
_NEXT_DATA: Final[LiteralString] = (
    "INSERT INTO data_key (bucket, tenant, key_id, patient, generation, tenant_key, wrapped) "
    "SELECT %s, %s, %s, %s, max(generation) + 1, %s, %b FROM data_key WHERE bucket = %s AND tenant = %s "
    "AND patient = %s HAVING count(*) > 0 RETURNING generation"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a rotation is. `step` counts through the types and then the columns; `row` and `version` are the last
    done. `old` are retired data keys (or versions of the wrapping key), `to` the new one.
    """

    old: Sequence[int]
    to: int
    step: int = 0
    row: str = _FIRST_ROW
    version: int = 0
    former: bool = False
    done: int = 0
    total: int = 0


class Rotation:
    """The work of a `rotate` job.

    Its request is JSON: ``{"key": "wrapping"}``, ``{"key": "tenant"}`` (the tenant's own data key) or ``{"key":
    "patient", "patient": id}``.
    """

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        columns: Sequence[SealedColumn],
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        """Work through `transactions` of a worker's role, over `columns` beside the record itself."""
        self._transactions = transactions
        self._keys = data_keys
        self._columns = columns
        self._resealing = Resealing(data_keys)
        self._settled_seconds = settled_seconds

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource with how much was done and how much is left: nothing."""
        asked = orjson.loads(job.request)
        if asked["key"] == "wrapping":
            return await self._wrapping(job)
        return await self._data(job, asked.get("patient") if asked["key"] == "patient" else None)

    async def _wrapping(self, job: Running) -> bytes:
        if job.saved:
            at = Position(**orjson.loads(job.saved))
        else:
            at = await self._new_wrapping(job)
            await asyncio.sleep(self._settled_seconds)
        await self._keys.refresh()
        while True:
            own = await self._keys.tenant(job.tenant)
            async with self._transactions(job.tenant) as tx:
                await job.require_claim(tx)
                rows = await tx.execute(_WRAPPED_BEFORE, (job.tenant, at.to, BATCH))
                if not rows:
                    await tx.execute(
                        "DELETE FROM tenant_key WHERE tenant = %s AND purpose = 'wrap' AND version < %s "
                        "AND retired IS NOT NULL",
                        (job.tenant, at.to),
                    )
                    await tx.execute(CHANGED)
                    return report(done=at.done, left=0)
                again = [wrapped_by(own, row[1], unwrapped(own, *row[1:])) for row in rows]
                columns = [row[0] for row in rows], [row[1] for row in rows], again
                await tx.execute(_REWRAP, (at.to, *columns, job.tenant, at.to))
            at = replace(at, done=at.done + len(rows))
            await job.advance(at.done, max(at.total, at.done), _saved(at))

    async def _new_wrapping(self, job: Running) -> Position:
        own = await self._keys.tenant(job.tenant)
        version = own.wrapping_version + 1
        key = secrets.token_bytes(envelope.KEY_BYTES)
        new = tenant_keys.added(self._keys.root, job.tenant, tenant_keys.WRAP, version, key)
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            ((total,),) = await tx.execute(
                "SELECT count(*) FROM data_key WHERE tenant = %s", (job.tenant,)
            )
            await tx.execute(tenant_keys.ADD, new)
            await tx.execute(_RETIRE_WRAPPING, (tx.now, job.tenant, version))
            await tx.execute(CHANGED)
            tx.audit(rotated(job, tx, "wrapping"))
        at = Position([own.wrapping_version], version, total=total)
        await job.advance(0, total, _saved(at))
        return at

    async def _data(self, job: Running, patient: str | None) -> bytes:
        if job.saved:
            at = Position(**orjson.loads(job.saved))
        else:
            found = await self._new_data(job, patient)
            if found is None:
                return report(done=0, left=0)
            at = found
        while True:
            await asyncio.sleep(self._settled_seconds)
            await self._keys.refresh()
            to = await self._keys.by_id(job.tenant, at.to)
            before, at = at.done, await self._pass(job, at, to, patient)
            left = await self.left(job.tenant, at.old)
            # What a whole pass could not change, another will not: whoever reads the report sees that it is left.
            if not left or at.done == before:
                break
            at = replace(at, step=0)
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(
                "DELETE FROM data_key WHERE tenant = %s AND key_id = ANY (%s::bigint[]) AND retired < %s AND %s",
                (job.tenant, list(at.old), tx.now - KEPT, not left),
            )
        return report(done=at.done, left=left)

    async def _new_data(self, job: Running, patient: str | None) -> Position | None:
        own = await self._keys.tenant(job.tenant)
        bucket, owner = bucket_of(job.tenant, patient), owner_of(own, patient)
        key_id, wrapped = fresh(own, bucket)
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            made = await tx.execute(
                _NEXT_DATA,
                (bucket, job.tenant, key_id, owner, own.wrapping_version, wrapped, bucket, job.tenant, owner),
            )  # fmt: skip
            if not made:
                return None
            await tx.execute(_RETIRE_DATA, (tx.now, bucket, job.tenant, owner, made[0][0]))
            retired = await tx.execute(
                "SELECT key_id FROM data_key WHERE bucket = %s AND tenant = %s AND patient = %s "
                "AND retired IS NOT NULL",
                (bucket, job.tenant, owner),
            )
            await tx.execute(CHANGED)
            tx.audit(rotated(job, tx, "data"))
        old = [row[0] for row in retired]
        at = Position(old, key_id, total=await self.left(job.tenant, old))
        await job.advance(0, at.total, _saved(at))
        return at

    async def _pass(self, job: Running, at: Position, to: DataKey, patient: str | None) -> Position:
        """Go through everything once from where `at` is."""
        own = await self._keys.tenant(job.tenant)
        async with self._transactions(job.tenant) as tx:
            types = sorted(tx.definitions.resource_types)
        owner = None if patient is None else owner_of(own, patient)
        bucket = None if patient is None else bucket_of(job.tenant, patient)
        while at.step < len(types) + len(self._columns):
            async with self._transactions(job.tenant) as tx:
                await job.require_claim(tx)
                if at.step >= len(types):
                    column = self._columns[at.step - len(types)]
                    done = await self._resealing.column(tx, column, at.old, to)
                    after = replace(at, step=at.step + (done < BATCH))
                elif at.former:
                    start = UUID(at.row), at.version
                    done, last = await self._resealing.former(
                        tx, types[at.step], start, at.old, to, bucket
                    )
                    after = (
                        replace(at, step=at.step + 1, former=False, row=_FIRST_ROW, version=0)
                        if last is None
                        else replace(at, row=str(last[0]), version=last[1])
                    )
                else:
                    done, row = await self._resealing.current(
                        tx, types[at.step], UUID(at.row), at.old, to, owner
                    )
                    after = (
                        replace(at, former=True, row=_FIRST_ROW)
                        if row is None
                        else replace(at, row=str(row))
                    )
            at = replace(after, done=at.done + done)
            if done:
                await job.advance(at.done, max(at.total, at.done), _saved(at))
        return at

    async def left(self, tenant: int, retired: Sequence[int]) -> int:
        """Return how many rows hang on the `retired` data keys, in all tables."""
        async with self._transactions(tenant) as tx:
            return sum((await rows_on(tx, retired, self._columns)).values())


def rotated(job: Running, tx: Transaction, which: str) -> Happening:
    """Return what is told of the replacement of a key."""
    actor = Actor(job.owner.reference, job.owner.kind)
    return Happening(job.tenant, "key-rotated", tx.now, actor, detail=which)


async def rows_on(
    tx: Transaction, retired: Sequence[int], columns: Sequence[SealedColumn]
) -> Mapping[str, int]:
    """Return how many rows of each table hang on these data keys."""
    found: dict[str, int] = {}
    tables: tuple[LiteralString, ...] = ("resource", "resource_history")
    for table in tables:
        ((found[table],),) = await tx.execute(
            "SELECT count(*) FROM "
            + table
            + " WHERE tenant = %s AND key_id = ANY (%s::bigint[]) AND NOT deleted",
            (tx.tenant, list(retired)),
        )
    ids = [one.to_bytes(8, "big") for one in retired]
    for column in columns:
        ((count,),) = await tx.execute(
            "SELECT count(*) FROM " + column.table + " t WHERE t.tenant = %s AND substring(t." + column.column
            + " FROM 1 FOR 8) = ANY (%s::bytea[])",
            (tx.tenant, ids),
        )  # fmt: skip
        found[f"{column.table}.{column.column}"] = count
    return found


def _saved(at: Position) -> bytes:
    return orjson.dumps(asdict(at))
