"""A write transaction: resources, their history and index, and whatever observers add, committed together.

What is put is collected and written with few statements: before anybody asks the database something, and at the end.

Lock order everywhere: claims, device_stream, resource rows by (type, bucket, id), alert rows.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final, Literal, LiteralString
from uuid import UUID

from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel import keys
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import PreconditionFailed
from fhirserver.kernel.ports import Current
from fhirserver.kernel.resource import Json, Stored
from fhirserver.store import audit_leaves, claims, derived, flush, locking
from fhirserver.store.audit_insertion import Told
from fhirserver.store.connection import Connection, Query, Row
from fhirserver.store.earlier import behind, earlier
from fhirserver.store.flush import Place, Stamp
from fhirserver.store.known import Known, one_of, require_changeable, require_version
from fhirserver.store.moving import move
from fhirserver.store.tenant_keys import TenantKeys
from fhirserver.store.versions import CurrentRow, NewVersion, SealedVersion, sealed, stamped
from fhirserver.store.write_context import Overtaken, WriteContext
from fhirserver.wire import fhir_json

# More rounds than any chain of reactions needs; a chain that does not end is a defect and must not commit.
_OBSERVER_ROUNDS: Final = 8
_COMMIT: Final = Query("COMMIT", prepare=False)


class WriteTransaction:
    """Implements `fhirserver.kernel.ports.Transaction` on one connection."""

    def __init__(self, context: WriteContext, connection: Connection, own: TenantKeys) -> None:
        """Wrap a `connection` with an open transaction in which ``app.tenant`` is set."""
        self._context = context
        self.connection = connection
        self._own = own
        self.definitions = context.definitions_of(own.tenant)
        self.changed_canonicals = False
        self.can_run_again = False
        self.written = 0
        self.changes: list[Change] = []
        self._known: dict[tuple[str, str], Known] = {}
        self._reserved: dict[tuple[str, str], UUID] = {}
        self._new: dict[UUID, NewVersion] = {}
        self._replacing: dict[UUID, NewVersion] = {}
        self._burying: dict[UUID, Place] = {}
        self._archived: set[UUID] = set()
        self._taking: list[tuple[int, str, UUID]] = []
        self._later: list[Query] = []
        self._audit = Told(context.audit_rows)
        self.tenant = own.tenant
        now = context.clock()
        self.now = now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def commit(self) -> None:
        """Let the observer react until nothing changes any more, write what is left, and commit."""
        for _ in range(_OBSERVER_ROUNDS):
            if not self.changes:
                break
            changes, self.changes = self.changes, []
            await self._context.observer.changed(self, changes)
        if self.changes:
            msg = f"reactions do not end: {self.changes[0].reference}"
            raise RuntimeError(msg)
        with self._audit.settled():
            await self._flush(last=True)

    def new_id(self, patient: str | None) -> str:
        """Return a fresh resource id in the bucket of `patient`, any bucket for None."""
        bucket = (
            secrets.randbelow(keys.BUCKETS) if patient is None else self.bucket(patient, "", "")
        )
        return str(self._row(bucket))

    def reserve(self, resource: Json) -> str:
        """Return the id `resource` will have when it is put under it; nobody else gets the same."""
        type_ = resource["resourceType"]
        patient = None if type_ == "Patient" else one_of(patients_of(resource))
        id_ = self.new_id(patient)
        self._reserved[type_, id_] = UUID(id_)
        return id_

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
        return await self._context.keys.seal(self.tenant, patient, purpose, plaintext)

    async def unseal(self, patient: str | None, purpose: str, envelope_: bytes) -> bytes:
        """Return the plaintext. Raises `Tampered` when it was sealed for another place."""
        return await self._context.keys.unseal(self.tenant, patient, purpose, envelope_)

    async def claim(self, criteria: Iterable[tuple[str, str]]) -> None:
        """Be alone with conditional writes on these (type, criteria text) until commit; before any other lock."""
        number = self.definitions.type_number
        wanted = [(number(type_), text) for type_, text in criteria]
        await claims.claim(self.connection, self.tenant, self._own.blind, wanted)

    async def execute(
        self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run hand-written SQL here and return its rows. It sees everything that was put so far."""
        if flush.is_about_resources(sql):
            await self._flush()
        return (await self._round([Query(sql, args)]))[-1]

    def execute_later(self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any]) -> None:
        """Run hand-written SQL that returns nothing: before the next statement of `execute`, at the latest at the end."""
        if flush.is_about_resources(sql):
            msg = "what was put so far may not be there yet"
            raise ValueError(msg)
        self._later.append(Query(sql, args))

    def audit(self, *happenings: Happening) -> None:
        """Write AuditEvents of these with everything else, at the end."""
        self._audit.happenings += happenings

    async def _round(self, queries: Sequence[Query]) -> list[list[Row]]:
        later, self._later = self._later, []
        return (await self.connection.round([*later, *queries]))[len(later) :]

    async def get(self, type_: str, id_: str, *, lock: bool = False) -> Json | None:
        """Return the current resource, None when absent or deleted."""
        current = await self.current(type_, id_, lock=lock)
        return None if current is None else current.resource

    async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
        """Return the current version, also a tombstone; None when it never existed."""
        current = await self.current(type_, id_, lock=lock)
        return None if current is None else current.stored

    async def current(self, type_: str, id_: str, *, lock: bool = False) -> Current | None:
        """Return the current version with its parsed content; None when it never existed."""
        known = self._known.get((type_, id_))
        if known is None:
            known = (await self._find([(type_, id_)], lock=lock))[type_, id_]
        if known.stored is not None:
            return Current(known.stored, known.resource)
        return None if known.row is None else await self._opened(type_, known, known.row)

    async def versions(
        self, wanted: Mapping[tuple[str, str], AbstractSet[int]]
    ) -> Mapping[tuple[str, str], Sequence[Stored]]:
        """Return the current version of each, then those asked for that the history has; nothing is locked."""
        known = {one: self._known[one] for one in wanted if one in self._known}
        if len(known) < len(wanted):
            known |= await self._find(wanted.keys() - known.keys(), lock=False)
        current = {one: row for one in wanted if (row := known[one].row) is not None}
        found = {
            one: [(await self._opened(one[0], known[one], row)).stored]
            for one, row in current.items()
        }
        older = behind(current, wanted)
        if older:
            await self._flush()
            for one, row in await earlier(
                self.connection, self.tenant, self.definitions, current, older
            ):
                found[one].append((await self._opened(one[0], Known(row), row)).stored)
        return found

    async def lock(self, targets: Iterable[tuple[str, str]]) -> None:
        """Lock (type, id) `targets` in one order and remember them, so that nothing is read again."""
        unknown = {target for target in targets if target not in self._known}
        if unknown:
            await self._find(unknown, lock=True)

    async def lock_free(self, targets: Iterable[tuple[str, str]]) -> AbstractSet[tuple[str, str]]:
        """Lock and remember those `targets` that nobody else holds, and return them; others are left alone."""
        number = self.definitions.type_number
        wanted = {(number(type_), id_): (type_, id_) for type_, id_ in targets}
        if not wanted:
            return frozenset()
        find = partial(locking.find, self.connection, self.tenant)
        rows = await find(wanted, lock=True, wait=False)
        missing = [key for key in wanted if key not in rows]
        held = await find(missing, lock=False) if missing else {}
        free = {target: Known(rows.get(key)) for key, target in wanted.items() if key not in held}
        self._known |= free
        return free.keys()

    async def put(
        self, resource: Json, *, id_: str | None = None, if_match: int | None = None
    ) -> Stored:
        """Create or update; see `fhirserver.kernel.ports.Transaction.put`."""
        type_ = resource["resourceType"]
        if id_ is None:
            id_ = self.reserve(resource)
        reserved = self._reserved.pop((type_, id_), None)
        if reserved is not None:
            return await self._create(type_, resource, id_, reserved, named=False)
        known = await self._locked(type_, id_)
        if known.row is None:
            if if_match is not None:
                msg = f"{type_}/{id_} does not exist, so no version of it can match"
                raise PreconditionFailed(msg)
            row = await self._take(type_, resource, id_)
            if row is not None:
                return await self._create(type_, resource, id_, row, named=True)
            del self._known[type_, id_]
            return await self.put(resource, id_=id_, if_match=if_match)
        require_version(if_match, known.row.version)
        require_changeable(type_)
        return await self._update(type_, resource, known, known.row)

    async def delete(self, type_: str, id_: str, *, if_match: int | None = None) -> Stored | None:
        """Leave a tombstone and return it; None when it never existed, the tombstone when already deleted."""
        known = await self._locked(type_, id_)
        if known.row is None:
            return None
        require_version(if_match, known.row.version)
        require_changeable(type_)
        before = await self._opened(type_, known, known.row)
        previous = before.resource
        if previous is None:
            return before.stored
        row, version = known.row, known.row.version + 1
        await self._settle_row(row.row)
        stored = Stored(type_, id_, version, self.now, deleted=True, content=b"")
        number = self.definitions.type_number(type_)
        self._burying[row.row] = Place(number, row.bucket, row.row)
        self._remember(row, stored, None)
        patient = one_of(patients_of(previous))
        await self._record(
            Change(self.tenant, "delete", type_, id_, version, row.bucket, patient, None, previous)
        )
        return stored

    async def _take(self, type_: str, resource: Json, id_: str) -> UUID | None:
        """Return a row for the id a client chose, None when somebody else was faster.

        Work that can be run again takes its ids when everything is written: being overtaken is rare.
        """
        patient = one_of(patients_of({**resource, "id": id_}))
        row = self._row(self.bucket(patient, type_, id_))
        taking = (self.definitions.type_number(type_), id_, row)
        if self.can_run_again:
            self._taking.append(taking)
        else:
            await self._flush()
            if not await locking.take(self.connection, self.tenant, [taking]):
                return None
        return row

    async def _create(
        self, type_: str, resource: Json, id_: str, row: UUID, *, named: bool
    ) -> Stored:
        body, stored = stamped(resource, id_, 1, self.now)
        patient = one_of(patients_of(body))
        bucket = keys.bucket_of_row(row)
        number = self.definitions.type_number(type_)
        self._new[row] = NewVersion(number, row, bucket, named, patient, stored, body)
        self._remember(
            CurrentRow(row, bucket, id_, 1, self.now, deleted=False, key_id=0, content=b""),
            stored,
            body,
        )
        await self._record(
            Change(self.tenant, "create", type_, id_, 1, bucket, patient, body, None)
        )
        return stored

    async def _update(self, type_: str, resource: Json, known: Known, row: CurrentRow) -> Stored:
        previous = (await self._opened(type_, known, row)).resource
        await self._settle_row(row.row)
        body, stored = stamped(resource, row.fhir_id, row.version + 1, self.now)
        patient = one_of(patients_of(body))
        number = self.definitions.type_number(type_)
        bucket = row.bucket if patient is None else self.bucket(patient, type_, row.fhir_id)
        if bucket != row.bucket:
            await self._flush()
            await self.connection.round([flush.archival(Place(number, row.bucket, row.row))])
            row = await move(self.connection, self.tenant, number, row, self._row(bucket))
            self._archived.add(row.row)
        self._replacing[row.row] = NewVersion(number, row.row, bucket, False, patient, stored, body)
        self._remember(row, stored, body)
        action: Literal["create", "update"] = "create" if previous is None else "update"
        version = stored.version
        await self._record(
            Change(self.tenant, action, type_, stored.id, version, bucket, patient, body, previous)
        )
        return stored

    async def _settle_row(self, row: UUID) -> None:
        """Write what is collected of `row`: a version within this transaction follows one that is in its table."""
        if row in self._new or row in self._replacing or row in self._burying:
            await self._flush()

    async def _locked(self, type_: str, id_: str) -> Known:
        known = self._known.get((type_, id_))
        return known or (await self._find([(type_, id_)], lock=True))[type_, id_]

    async def _find(
        self, targets: Iterable[tuple[str, str]], *, lock: bool
    ) -> Mapping[tuple[str, str], Known]:
        await self._flush()
        wanted = {(self.definitions.type_number(one[0]), one[1]): one for one in targets}
        rows = await locking.find(self.connection, self.tenant, wanted, lock=lock)
        await self._context.keys.load(self.tenant, {row.key_id for row in rows.values()})
        found = {target: Known(rows.get(key)) for key, target in wanted.items()}
        if lock:
            self._known |= found
        return found

    async def _opened(self, type_: str, known: Known, row: CurrentRow) -> Current:
        if known.stored is None:
            content = b""
            if not row.deleted:
                content = await self._context.keys.content(
                    self.tenant, type_, row.fhir_id, row.version, row.key_id, row.content
                )
                known.resource = fhir_json.read_own(content)
            known.stored = Stored(
                type_, row.fhir_id, row.version, row.updated, row.deleted, content
            )
        return Current(known.stored, known.resource)

    def _remember(self, row: CurrentRow, stored: Stored, resource: Json | None) -> None:
        at = CurrentRow(
            row.row,
            row.bucket,
            stored.id,
            stored.version,
            stored.last_updated,
            stored.deleted,
            key_id=0,
            content=b"",
        )
        self._known[stored.type, stored.id] = Known(at, resource, stored)

    async def _flush(self, *, last: bool = False) -> None:
        """Write everything collected so far; with `last`, commit in the same round trip."""
        told = (self._context.keys, self.definitions, self.tenant, self.now)
        ending = [*await self._audit.queries(*told), _COMMIT] if last else []
        if not (self._new or self._replacing or self._burying):
            if last:
                await self._round(ending)
            return
        if self._taking:
            taking, self._taking = self._taking, []
            if not await locking.take(self.connection, self.tenant, taking):
                msg = "somebody else created the same id a moment ago; nothing was stored"
                raise Overtaken(msg)
        versions = (*self._new.values(), *self._replacing.values())
        await self._context.keys.prepare(self.tenant, {one.patient for one in versions})
        new = [await self._sealed(one) for one in self._new.values()]
        changed = [await self._sealed(one) for one in self._replacing.values()]
        burying, archived = [*self._burying.values()], self._archived
        self._new, self._replacing, self._burying, self._archived = {}, {}, {}, set()
        stamp = Stamp(self.tenant, self._own.blind.version, self.now)
        await self._round(
            [
                *flush.insertions(stamp, new),
                *flush.replacements(stamp, changed, archived=archived),
                *flush.burials(stamp, burying),
                *audit_leaves.of_clients(stamp, new),
                *ending,
            ]
        )

    async def _sealed(self, version: NewVersion) -> SealedVersion:
        key = await self._context.keys.of_patient(self.tenant, version.owner)
        return sealed(version, self._own, key, self.definitions)

    async def _record(self, change: Change) -> None:
        self.written += 1
        if change.type in derived.CANONICALS:
            self.changed_canonicals = True
        await derived.follow(self, change)
        self.changes.append(change)

    def _patient_key(self, patient: str | None) -> int | None:
        return None if patient is None else self._own.blind.own(f"Patient/{patient}")

    def _row(self, bucket: int) -> UUID:
        return keys.row_id(keys.unix_ms(self.now), bucket, secrets.randbits(64))
