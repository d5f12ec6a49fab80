"""Crypto-shredding: every key of one patient is destroyed, so that nothing sealed with them can be read again, in this
database, its write-ahead log or any copy made before.

Messages as they came in that name the patient and belong to no patient's key are removed first. Then what is left is
put in order: resources become tombstones without any key to be found by, their versions and ranges go, and so do the
rows of engines. Nothing can be written for that patient again. What tells of accesses
(AuditEvents, emergency accesses) is sealed anew with the tenant's key first and stays, as does the note that this was
done.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.hanging import PatientRows, SealedColumn
from fhirserver.kernel.jobs import Running
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.store import named_messages
from fhirserver.store.data_keys import CHANGED, DataKeys, bucket_of, owner_of
from fhirserver.store.relationships import epoch
from fhirserver.store.reseal import BATCH, Resealing, put_envelope, sealed_for
from fhirserver.store.rotation import SETTLED_SECONDS
from fhirserver.wire import fhir_json

KIND: Final = "shred"
_AUDIT: Final = "AuditEvent"
# The patient of a tombstone: nobody's, so that only administrators learn that there was something.
NOBODY: Final = 0


_NOTE: Final[LiteralString] = (
    "INSERT INTO shredded_patient (bucket, tenant, patient, shredded) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_DESTROY: Final[LiteralString] = (
    "DELETE FROM data_key WHERE bucket = %s AND tenant = %s AND patient = %s"
)
_BURY: Final[LiteralString] = (
    "UPDATE resource r SET version = CASE WHEN r.deleted THEN r.version ELSE r.version + 1 END, deleted = true, "
    "keys = '{}', time = NULL, time_end = NULL, updated = %s, content = '', key_id = 0, patient = %s, own = %s, "
    "txid = DEFAULT FROM (SELECT id, bucket FROM resource "
    "WHERE type = %s AND tenant = %s AND (patient = %s OR (bucket = %s AND key_id = ANY (%s::bigint[]))) LIMIT %s) g "
    "WHERE r.type = %s AND r.id = g.id AND r.bucket = g.bucket RETURNING r.bucket, r.id"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a shredding is: the ids of the keys, whether they are destroyed, and how many resources were buried."""

    key_ids: Sequence[int]
    destroyed: bool = False
    buried: int = 0


class Shredding:
    """The work of a `shred` job; its request is JSON: ``{"patient": id}``."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        columns: Sequence[SealedColumn],
        rows: Sequence[PatientRows],
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        """Work through `transactions` of a worker's role; `columns` and `rows` are what there is beside the record."""
        self._transactions = transactions
        self._keys = data_keys
        self._columns = columns
        self._rows = rows
        self._resealing = Resealing(data_keys)
        self._settled_seconds = settled_seconds

    async def __call__(self, job: Running) -> bytes:
        """Return a Parameters resource: how many keys were destroyed and how many resources buried."""
        patient = orjson.loads(job.request)["patient"]
        own = await self._keys.tenant(job.tenant)
        owner, bucket = owner_of(own, patient), bucket_of(job.tenant, patient)
        at = (
            Position(**orjson.loads(job.saved))
            if job.saved
            else await self._known(job, owner, bucket)
        )
        if not at.destroyed:
            await self._remove_messages(job, patient)
            await self._save_what_stays(job, patient, owner, at)
            await self._destroy(job, patient, owner, bucket)
            at = replace(at, destroyed=True)
            await job.advance(at.buried, None, orjson.dumps(asdict(at)))
        # Twice: what was on its way while the keys were destroyed is buried as well.
        for _ in range(2):
            at = await self._bury(job, owner, bucket, at)
            await self._empty(job, patient)
            await self._forget(job, patient)
            await asyncio.sleep(self._settled_seconds)
            await self._keys.refresh()
        at = await self._bury(job, owner, bucket, at)
        return _report(len(at.key_ids), at.buried)

    async def _known(self, job: Running, owner: int, bucket: int) -> Position:
        async with self._transactions(job.tenant) as tx:
            rows = await tx.execute(
                "SELECT key_id FROM data_key WHERE bucket = %s AND tenant = %s AND patient = %s",
                (bucket, job.tenant, owner),
            )
        at = Position([row[0] for row in rows])
        await job.advance(0, None, orjson.dumps(asdict(at)))
        return at

    async def _remove_messages(self, job: Running, patient: str) -> None:
        """Remove what came in about the patient and is under the tenant's key: afterwards nobody knows the names."""
        async with self._transactions(job.tenant) as tx:
            names = await named_messages.sought(tx, patient)
        at: named_messages.Place | None = named_messages.Place()
        while at is not None:
            async with self._transactions(job.tenant) as tx:
                at = await named_messages.remove(tx, job, names, at)

    async def _save_what_stays(self, job: Running, patient: str, owner: int, at: Position) -> None:
        """Put what outlives the patient under the tenant's key."""
        to = await self._keys.of_patient(job.tenant, None)
        row: UUID | None = UUID(int=0)
        while row is not None:
            async with self._transactions(job.tenant) as tx:
                await job.require_claim(tx)
                _, row = await self._resealing.current(tx, _AUDIT, row, at.key_ids, to, owner)
        for column in self._columns:
            done = BATCH if column.fate == "stays" else 0
            while done == BATCH:
                async with self._transactions(job.tenant) as tx:
                    await job.require_claim(tx)
                    done = await self._resealing.column(tx, column, at.key_ids, to)

    async def _destroy(self, job: Running, patient: str, owner: int, bucket: int) -> None:
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(_NOTE, (bucket, job.tenant, owner, tx.now))
            await tx.execute(_DESTROY, (bucket, job.tenant, owner))
            await tx.execute(CHANGED)
            # Without the patient: an event about one is found by them, and this one is about what was done.
            actor = Actor(job.owner.reference, job.owner.kind)
            happening = Happening(
                job.tenant, "patient-shredded", tx.now, actor, objects=(f"Patient/{patient}",)
            )
            tx.audit(happening)

    async def _bury(self, job: Running, owner: int, bucket: int, at: Position) -> Position:
        async with self._transactions(job.tenant) as tx:
            found = await tx.execute(
                "SELECT DISTINCT type FROM resource WHERE tenant = %s AND (patient = %s "
                "OR (bucket = %s AND key_id = ANY (%s::bigint[])))",
                (job.tenant, owner, bucket, list(at.key_ids)),
            )
            audit = tx.definitions.type_number(_AUDIT)
        for (number,) in found:
            while number != audit:
                async with self._transactions(job.tenant) as tx:
                    await job.require_claim(tx)
                    wanted = (tx.now, NOBODY, NOBODY, number, job.tenant, owner, bucket)
                    buried = await tx.execute(_BURY, (*wanted, list(at.key_ids), BATCH, number))
                    await _without_past(tx, number, buried)
                at = replace(at, buried=at.buried + len(buried))
                await job.advance(at.buried, None, orjson.dumps(asdict(at)))
                if len(buried) < BATCH:
                    break
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            await tx.execute(
                "DELETE FROM resource_history WHERE tenant = %s AND key_id = ANY (%s::bigint[])",
                (job.tenant, list(at.key_ids)),
            )
        return at

    async def _empty(self, job: Running, patient: str) -> None:
        """Let the rows that are kept say nothing: their envelopes cannot be opened, so they get empty ones."""
        to = await self._keys.of_patient(job.tenant, None)
        for column in self._columns:
            if column.fate != "emptied" or column.patient is None:
                continue
            async with self._transactions(job.tenant) as tx:
                await job.require_claim(tx)
                for row, sealed in await _of_patient(tx, column, patient, to.key_id):
                    place, purpose = column.place(row)
                    empty = sealed_for(job.tenant, place, purpose, b"{}", to)
                    await put_envelope(tx, column, row, sealed, empty)

    async def _forget(self, job: Running, patient: str) -> None:
        async with self._transactions(job.tenant) as tx:
            await job.require_claim(tx)
            for one in self._rows:
                begin: LiteralString = (
                    "UPDATE " + one.table + " SET " + one.column + " = NULL"
                    if one.cleared
                    else "DELETE FROM " + one.table
                )
                named: LiteralString = (
                    "%s = ANY (" + one.column + ")" if one.listed else one.column + " = %s"
                )
                await tx.execute(begin + " WHERE tenant = %s AND " + named, (job.tenant, patient))
            await epoch.move(tx)


async def _of_patient(
    tx: Transaction, column: SealedColumn, patient: str, key_id: int
) -> list[tuple[dict[str, Any], bytes]]:
    """Return the rows of a patient whose envelopes are not yet under `key_id`."""
    names: LiteralString = ", ".join("t." + name for name in column.key)
    owner = column.patient or "NULL"
    found = await tx.execute(
        "SELECT " + names + ", " + owner + ", t." + column.column + " FROM " + column.table
        + " t WHERE t.tenant = %s AND " + owner + " = %s AND substring(t." + column.column
        + " FROM 1 FOR 8) <> %b",
        (tx.tenant, patient, key_id.to_bytes(8, "big")),
    )  # fmt: skip
    keys = (*column.key, "patient")
    return [(dict(zip(keys, row[:-1], strict=True)), bytes(row[-1])) for row in found]


async def _without_past(tx: Transaction, number: int, rows: Sequence[Sequence[Any]]) -> None:
    """Remove the versions and ranges of buried resources."""
    buckets, ids = [row[0] for row in rows], [row[1] for row in rows]
    tables: tuple[LiteralString, ...] = ("resource_history", "resource_range")
    for table in tables:
        await tx.execute(
            "DELETE FROM " + table + " r USING unnest(%s::smallint[], %s::uuid[]) AS g(b, i) "
            "WHERE r.type = %s AND r.bucket = g.b AND r.id = g.i",
            (buckets, ids, number),
        )


def _report(keys: int, buried: int) -> bytes:
    return fhir_json.write(
        {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "keys", "valueInteger": keys},
                {"name": "resources", "valueInteger": buried},
            ],
        }
    )
