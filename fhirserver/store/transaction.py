"""A write transaction: resources, their history and index, and whatever observers add, committed together.

Lock order everywhere: claims, device_stream, resource rows by (bucket, id), alert rows.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString, TypeVar
from uuid import UUID

import psycopg

from fhirserver.crypto import envelope
from fhirserver.definitions.loader import Definitions
from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel import keys
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Conflict, PreconditionFailed, Unavailable
from fhirserver.kernel.ports import ChangeObserver
from fhirserver.kernel.resource import Json, Stored
from fhirserver.store import derived
from fhirserver.store.data_keys import DataKeys, TenantKeys
from fhirserver.store.database import Connection, Pool
from fhirserver.store.rows import IndexColumns, index_columns
from fhirserver.wire import fhir_json

# More rounds than any chain of reactions needs; a chain that does not end is a defect and must not commit.
_OBSERVER_ROUNDS = 8
_CREATE_ATTEMPTS = 3


_Kind = TypeVar("_Kind", bound="WriteTransaction")


@dataclass(frozen=True, slots=True)
class CurrentRow:
    """The current row of a resource as the writer needs it, still encrypted."""

    row: UUID
    bucket: int
    fhir_id: str
    version: int
    patient: int | None
    updated: datetime
    deleted: bool
    key_id: int
    content: bytes


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What every write transaction of a process shares."""

    pool: Pool
    keys: DataKeys
    definitions: Definitions
    observer: ChangeObserver
    clock: Callable[[], datetime]


@asynccontextmanager
async def open_transaction(
    context: WriteContext, tenant: int, kind: type[_Kind]
) -> AsyncIterator[_Kind]:
    """Open a transaction of `tenant`; leaving the block lets observers react and commits.

    Raises `Conflict` when the database chose this transaction to end a deadlock, `Unavailable` when the database is
    away: in both cases nothing was stored.
    """
    try:
        own = await context.keys.tenant(tenant)
        async with context.pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', %s, true)", (str(tenant),))
            transaction = kind(context, connection, own)
            yield transaction
            await transaction.settle()
    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as defeat:
        msg = "a concurrent change won; nothing was stored, try again"
        raise Conflict(msg) from defeat
    except psycopg.OperationalError as outage:
        msg = "the database is not available; nothing was stored, try again"
        raise Unavailable(msg) from outage


class WriteTransaction:
    """Implements `fhirserver.kernel.ports.Transaction` on one connection."""

    def __init__(self, context: WriteContext, connection: Connection, own: TenantKeys) -> None:
        """Wrap a `connection` with an open transaction in which ``app.tenant`` is set."""
        self._context = context
        self.connection = connection
        self._own = own
        self._changes: list[Change] = []
        self.tenant = own.tenant
        now = context.clock()
        self.now = now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def settle(self) -> None:
        """Let the observer react until nothing changes any more."""
        for _ in range(_OBSERVER_ROUNDS):
            if not self._changes:
                return
            changes, self._changes = self._changes, []
            await self._context.observer.changed(self, changes)
        if self._changes:
            msg = f"reactions do not end: {self._changes[0].reference}"
            raise RuntimeError(msg)

    def new_id(self, patient: str | None) -> str:
        """Return a fresh resource id in the bucket of `patient`, any bucket for None."""
        bucket = (
            secrets.randbelow(keys.BUCKETS) if patient is None else self.bucket(patient, "", "")
        )
        return str(self._row(bucket))

    def bucket(self, patient: str | None, kind: str, identity: str) -> int:
        """Return the bucket of a row: the patient's, or that of ``kind/identity``."""
        if patient is not None:
            return keys.bucket_of(self.tenant, "Patient", patient)
        return keys.bucket_of(self.tenant, kind, identity)

    def blind(self, domain: str, value: str) -> int:
        """Return the keyed hash of `value` in `domain`."""
        return self._own.blind.hash("domain", domain, value)

    async def seal(self, patient: str | None, purpose: str, plaintext: bytes) -> bytes:
        """Return an envelope that names its own data key: 8 bytes of key id, then the sealed bytes."""
        key = await self._context.keys.of_patient(self.tenant, patient)
        place = envelope.purpose_place(self.tenant, patient, purpose, key.key_id)
        nonce = secrets.token_bytes(envelope.NONCE_BYTES)
        return key.key_id.to_bytes(8, "big") + envelope.seal(key.cipher, nonce, place, plaintext)

    async def unseal(self, patient: str | None, purpose: str, envelope_: bytes) -> bytes:
        """Return the plaintext. Raises `Tampered` when it was sealed for another place."""
        key_id = int.from_bytes(envelope_[:8], "big")
        key = await self._context.keys.by_id(self.tenant, key_id)
        place = envelope.purpose_place(self.tenant, patient, purpose, key_id)
        return envelope.unseal(key.cipher, place, bytes(envelope_[8:]))

    async def execute(
        self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run hand-written SQL here and return its rows."""
        result = await self.connection.execute(sql, args or None)
        return await result.fetchall() if result.description else []

    async def get(self, type_: str, id_: str, *, lock: bool = False) -> Json | None:
        """Return the current resource, None when absent or deleted."""
        stored = await self.get_stored(type_, id_, lock=lock)
        return None if stored is None or stored.deleted else fhir_json.read(stored.content)

    async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
        """Return the current version, also a tombstone; None when it never existed."""
        current = await self._find(type_, id_, lock=lock)
        if current is None:
            return None
        content = b"" if current.deleted else await self._open(type_, current)
        return Stored(type_, id_, current.version, current.updated, current.deleted, content)

    async def put(
        self, resource: Json, *, id_: str | None = None, if_match: int | None = None
    ) -> Stored:
        """Create or update; see `fhirserver.kernel.ports.Transaction.put`."""
        type_ = resource["resourceType"]
        if id_ is None:
            return await self._create(type_, resource, None)
        for _ in range(_CREATE_ATTEMPTS):
            current = await self._find(type_, id_, lock=True)
            if current is not None:
                _check(if_match, current.version)
                return await self._update(type_, resource, current)
            if if_match is not None:
                msg = f"{type_}/{id_} does not exist, so no version of it can match"
                raise PreconditionFailed(msg)
            try:
                return await self._create(type_, resource, id_)
            except _IdTaken:
                continue
        msg = f"{type_}/{id_} is being created by somebody else"
        raise Conflict(msg)

    async def delete(self, type_: str, id_: str, *, if_match: int | None = None) -> Stored | None:
        """Leave a tombstone and return it; None when it never existed, the tombstone when already deleted."""
        current = await self._find(type_, id_, lock=True)
        if current is None:
            return None
        _check(if_match, current.version)
        if current.deleted:
            return Stored(type_, id_, current.version, current.updated, deleted=True, content=b"")
        previous = fhir_json.read(await self._open(type_, current))
        number = self._context.definitions.type_number(type_)
        await self._archive(number, current)
        await self.connection.execute(
            "UPDATE resource SET version = version + 1, deleted = true, keys = '{}', time = NULL, time_end = NULL, "
            "updated = %s, content = '', txid = DEFAULT WHERE type = %s AND bucket = %s AND id = %s",
            (self.now, number, current.bucket, current.row),
        )
        await self._drop_ranges(number, current.bucket, current.row)
        change = Change(
            self.tenant, "delete", type_, id_, current.version + 1, current.bucket, _one(patients_of(previous)), None, previous
        )  # fmt: skip
        await self._record(change)
        return Stored(type_, id_, current.version + 1, self.now, deleted=True, content=b"")

    async def _create(self, type_: str, resource: Json, id_: str | None) -> Stored:
        number = self._context.definitions.type_number(type_)
        if id_ is None and type_ == "Patient":
            row = self._row(secrets.randbelow(keys.BUCKETS))
            patient: str | None = str(row)
            bucket = keys.bucket_of_row(row)
        else:
            patient = _one(patients_of(resource if id_ is None else {**resource, "id": id_}))
            bucket = self.bucket(patient, type_, id_ or secrets.token_hex(8))
            row = self._row(bucket)
        fhir_id = id_ or str(row)
        if id_ is not None:
            taken = await self.execute(
                "INSERT INTO resource_location (tenant, type, fhir_id, id) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING RETURNING 1",
                (self.tenant, number, id_, row),
            )
            if not taken:
                raise _IdTaken
        stored, sealed, key_id, index = await self._prepare(type_, resource, fhir_id, 1, patient)
        await self.connection.execute(
            "INSERT INTO resource (type, bucket, tenant, id, fhir_id, version, patient, own, time, time_end, updated, "
            "keys_version, keys, key_id, content) VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (number, bucket, self.tenant, row, id_, self._patient_key(patient), index.own, index.time, index.time_end,
             self.now, self._own.blind.version, index.keys, key_id, sealed),
        )  # fmt: skip
        await self._add_ranges(number, bucket, row, patient, index)
        content = fhir_json.read(stored.content)
        await self._record(
            Change(self.tenant, "create", type_, fhir_id, 1, bucket, patient, content, None)
        )
        return stored

    async def _update(self, type_: str, resource: Json, current: CurrentRow) -> Stored:
        number = self._context.definitions.type_number(type_)
        version = current.version + 1
        previous = None if current.deleted else fhir_json.read(await self._open(type_, current))
        patient = _one(patients_of({**resource, "id": current.fhir_id}))
        bucket = (
            self.bucket(patient, type_, current.fhir_id) if patient is not None else current.bucket
        )
        stored, sealed, key_id, index = await self._prepare(
            type_, resource, current.fhir_id, version, patient
        )
        await self._archive(number, current)
        await self._drop_ranges(number, current.bucket, current.row)
        row = current.row
        if bucket != current.bucket:
            row = await self._move(number, current, bucket)
        await self.connection.execute(
            "UPDATE resource SET version = %s, patient = %s, own = %s, time = %s, time_end = %s, updated = %s, "
            "deleted = false, keys_version = %s, keys = %s, key_id = %s, content = %s, txid = DEFAULT "
            "WHERE type = %s AND bucket = %s AND id = %s",
            (version, self._patient_key(patient), index.own, index.time, index.time_end, self.now,
             self._own.blind.version, index.keys, key_id, sealed, number, bucket, row),
        )  # fmt: skip
        await self._add_ranges(number, bucket, row, patient, index)
        content = fhir_json.read(stored.content)
        action: Literal["create", "update"] = "create" if previous is None else "update"
        await self._record(
            Change(
                self.tenant,
                action,
                type_,
                current.fhir_id,
                version,
                bucket,
                patient,
                content,
                previous,
            )
        )
        return stored

    async def _prepare(
        self, type_: str, resource: Json, fhir_id: str, version: int, patient: str | None
    ) -> tuple[Stored, bytes, int, IndexColumns]:
        meta = {
            key: value
            for key, value in resource.get("meta", {}).items()
            if key not in ("versionId", "lastUpdated")
        }
        stamped = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body: Json = {
            "resourceType": type_,
            "id": fhir_id,
            "meta": {"versionId": str(version), "lastUpdated": stamped, **meta},
        }
        body.update((key, value) for key, value in resource.items() if key not in body)
        content = fhir_json.write(body)
        key = await self._context.keys.of_patient(self.tenant, patient)
        place = envelope.resource_place(self.tenant, type_, fhir_id, version, key.key_id)
        sealed = envelope.seal(
            key.cipher, secrets.token_bytes(envelope.NONCE_BYTES), place, content
        )
        index = index_columns(body, self._own.blind, self._context.definitions)
        return (
            Stored(type_, fhir_id, version, self.now, deleted=False, content=content),
            sealed,
            key.key_id,
            index,
        )

    async def _find(self, type_: str, id_: str, *, lock: bool) -> CurrentRow | None:
        number = self._context.definitions.type_number(type_)
        row = keys.row_of(id_)
        if row is not None:
            current = await self._fetch(number, row, id_, lock=lock)
            if current is not None:
                return current
        found = await self.execute(
            "SELECT id FROM resource_location WHERE tenant = %s AND type = %s AND fhir_id = %s",
            (self.tenant, number, id_),
        )
        return await self._fetch(number, found[0][0], id_, lock=lock) if found else None

    async def _fetch(self, number: int, row: UUID, id_: str, *, lock: bool) -> CurrentRow | None:
        columns: LiteralString = (
            "SELECT version, patient, updated, deleted, key_id, content FROM resource "
            "WHERE type = %s AND bucket = %s AND id = %s AND coalesce(fhir_id, id::text) = %s"
        )
        bucket = keys.bucket_of_row(row)
        found = await self.execute(
            columns + (" FOR UPDATE" if lock else ""), (number, bucket, row, id_)
        )
        return CurrentRow(row, bucket, id_, *found[0]) if found else None

    async def _open(self, type_: str, current: CurrentRow) -> bytes:
        key = await self._context.keys.by_id(self.tenant, current.key_id)
        place = envelope.resource_place(
            self.tenant, type_, current.fhir_id, current.version, current.key_id
        )
        return envelope.unseal(key.cipher, place, bytes(current.content))

    async def _archive(self, number: int, current: CurrentRow) -> None:
        await self.connection.execute(
            "INSERT INTO resource_history (type, bucket, tenant, id, fhir_id, version, patient, updated, deleted, key_id, "
            "content, txid) SELECT type, bucket, tenant, id, fhir_id, version, patient, updated, deleted, key_id, content, "
            "txid FROM resource WHERE type = %s AND bucket = %s AND id = %s",
            (number, current.bucket, current.row),
        )

    async def _move(self, number: int, current: CurrentRow, bucket: int) -> UUID:
        """Carry the row and its history to another bucket (its patient changed) and return its new row id."""
        row = self._row(bucket)
        place = (bucket, row, current.fhir_id, number, current.bucket, current.row)
        await self.connection.execute(
            "INSERT INTO resource_history (type, bucket, tenant, id, fhir_id, version, patient, updated, deleted, key_id, "
            "content, txid) SELECT type, %s, tenant, %s, %s, version, patient, updated, deleted, key_id, content, txid "
            "FROM resource_history WHERE type = %s AND bucket = %s AND id = %s",
            place,
        )
        await self.connection.execute(
            "INSERT INTO resource (type, bucket, tenant, id, fhir_id, version, patient, own, updated, keys_version, keys, "
            "key_id, content) SELECT type, %s, tenant, %s, %s, version, patient, own, updated, keys_version, keys, key_id, "
            "content FROM resource WHERE type = %s AND bucket = %s AND id = %s",
            place,
        )
        old = (number, current.bucket, current.row)
        await self.connection.execute(
            "DELETE FROM resource_history WHERE type = %s AND bucket = %s AND id = %s", old
        )
        await self.connection.execute(
            "DELETE FROM resource WHERE type = %s AND bucket = %s AND id = %s", old
        )
        await self.connection.execute(
            "INSERT INTO resource_location (tenant, type, fhir_id, id) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (tenant, type, fhir_id) DO UPDATE SET id = excluded.id",
            (self.tenant, number, current.fhir_id, row),
        )
        return row

    async def _add_ranges(
        self, number: int, bucket: int, row: UUID, patient: str | None, index: IndexColumns
    ) -> None:
        if not index.ranges:
            return
        async with self.connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO resource_range (bucket, tenant, type, id, param, lo, hi, patient) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (
                        bucket,
                        self.tenant,
                        number,
                        row,
                        one.param,
                        one.lo,
                        one.hi,
                        self._patient_key(patient),
                    )
                    for one in index.ranges
                ],
            )

    async def _drop_ranges(self, number: int, bucket: int, row: UUID) -> None:
        await self.connection.execute(
            "DELETE FROM resource_range WHERE bucket = %s AND type = %s AND id = %s",
            (bucket, number, row),
        )

    async def _record(self, change: Change) -> None:
        await derived.follow(self, change)
        self._changes.append(change)

    def _patient_key(self, patient: str | None) -> int | None:
        return None if patient is None else self._own.blind.own(f"Patient/{patient}")

    def _row(self, bucket: int) -> UUID:
        return keys.row_id(keys.unix_ms(self.now), bucket, secrets.randbits(64))


class _IdTaken(Exception):
    """Somebody else created the client-chosen id a moment ago."""


def _one(patients: frozenset[str]) -> str | None:
    return next(iter(patients)) if len(patients) == 1 else None


def _check(if_match: int | None, version: int) -> None:
    if if_match is not None and if_match != version:
        msg = f"the current version is {version}, not {if_match}"
        raise PreconditionFailed(msg)
