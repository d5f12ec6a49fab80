"""A record in memory, just enough of one to test HTTP semantics without a database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel.errors import FhirError, Gone, NotFound, PreconditionFailed
from fhirserver.kernel.ports import DeadLetterCount
from fhirserver.kernel.principal import Access, Membership, Principal
from fhirserver.kernel.resource import Json, Page, Stored
from fhirserver.wire import fhir_json

START = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)


@dataclass
class Credential:
    username: str
    password: str
    tenant: str
    device: str


@dataclass
class MemoryRecord:
    """Implements `RecordStore` and, for one transaction at a time, `Transaction`."""

    tenant: int = 1
    now: datetime = START
    versions: dict[tuple[str, str], list[Stored]] = field(default_factory=dict)
    tokens: dict[str, Principal] = field(default_factory=dict)
    teams: list[Membership] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    searched: list[Any] = field(default_factory=list)
    broken: Exception | None = None
    next_cursor: str | None = None

    def add(self, resource: Json) -> Stored:
        """Store `resource` under its own id, as a seeded test does."""
        return self._append(resource, resource["id"])

    def current(self, type_: str, id_: str) -> Stored | None:
        found = self.versions.get((type_, id_))
        return found[-1] if found else None

    async def read(self, access: Access, type_: str, id_: str) -> Stored:
        if self.broken is not None:
            raise self.broken
        found = self.versions.get((type_, id_))
        if not found or not self._row_visible(access, found):
            raise NotFound("no such row")
        if found[-1].deleted:
            raise Gone("deleted")
        return found[-1]

    async def vread(self, access: Access, type_: str, id_: str, version: int) -> Stored:
        found = self.versions.get((type_, id_), [])
        if not self._row_visible(access, found) or not 1 <= version <= len(found):
            raise NotFound("no such version")
        if found[version - 1].deleted:
            raise Gone("deleted")
        return found[version - 1]

    async def history(
        self, access: Access, type_: str, id_: str, *, count: int, cursor: str | None
    ) -> Page:
        found = self.versions.get((type_, id_), [])
        if not found or not self._row_visible(access, found):
            raise NotFound("no such row")
        below = int(cursor) if cursor is not None else len(found) + 1
        rows = [one for one in reversed(found) if one.version < below][:count]
        more = bool(rows) and rows[-1].version > 1
        return Page(tuple(rows), str(rows[-1].version) if more else None)

    async def search(self, access: Access, query: Any) -> Page:
        self.searched.append(query)
        rows = [
            found[-1]
            for found in self.versions.values()
            if not found[-1].deleted
            and found[-1].type == query.type
            and self._row_visible(access, found)
        ]
        return Page(tuple(rows), self.next_cursor)

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator["MemoryRecord"]:
        assert tenant == self.tenant
        before = {key: list(value) for key, value in self.versions.items()}
        try:
            yield self
        except BaseException:
            self.versions = before
            raise

    async def principal(self, token: str) -> Principal | None:
        self.asked.append(token)
        return self.tokens.get(token)

    async def memberships(self, tenant: int, member: str) -> Sequence[Membership]:
        return [one for one in self.teams if one.member == member and tenant == self.tenant]

    async def issue_token(self, principal: Principal, lifetime_seconds: int) -> str:
        token = f"token-{len(self.tokens)}-{lifetime_seconds}"
        self.tokens[token] = principal
        return token

    async def dead_letters(self, tenant: int) -> Sequence[DeadLetterCount]:
        return []

    async def enroll_device(self, tenant: int, device: str) -> Credential:
        if self.current("Device", device) is None:
            raise NotFound(f"Device/{device} is not known.")
        return Credential(f"{tenant}.{device}", "secret", str(tenant), device)

    async def get(self, type_: str, id_: str, *, lock: bool = False) -> Json | None:
        stored = self.current(type_, id_)
        return fhir_json.read(stored.content) if stored is not None and not stored.deleted else None

    async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
        return self.current(type_, id_)

    async def put(
        self, resource: Json, *, id_: str | None = None, if_match: int | None = None
    ) -> Stored:
        if id_ is None:
            id_ = f"made-{len(self.versions) + 1}"
        current = self.current(resource["resourceType"], id_)
        if if_match is not None and (current is None or current.version != if_match):
            raise PreconditionFailed("lost")
        return self._append(resource, id_)

    async def delete(self, type_: str, id_: str, *, if_match: int | None = None) -> Stored | None:
        found = self.versions[type_, id_]
        found.append(Stored(type_, id_, len(found) + 1, self._tick(), True, b""))
        return found[-1]

    async def execute(
        self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    async def seal(self, patient: str | None, purpose: str, plaintext: bytes) -> bytes:
        raise NotImplementedError

    async def unseal(self, patient: str | None, purpose: str, envelope: bytes) -> bytes:
        raise NotImplementedError

    def new_id(self, patient: str | None) -> str:
        raise NotImplementedError

    def bucket(self, patient: str | None, kind: str, identity: str) -> int:
        raise NotImplementedError

    def blind(self, domain: str, value: str) -> int:
        raise NotImplementedError

    def _append(self, resource: Json, id_: str) -> Stored:
        type_ = resource["resourceType"]
        found = self.versions.setdefault((type_, id_), [])
        moment = self._tick()
        meta = {**resource.get("meta", {}), "versionId": str(len(found) + 1)}
        content = fhir_json.write({**resource, "id": id_, "meta": meta})
        found.append(Stored(type_, id_, len(found) + 1, moment, False, content))
        return found[-1]

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    @staticmethod
    def _row_visible(access: Access, found: list[Stored]) -> bool:
        """Filter like a row with one patient column does: no column, no filter."""
        if access.everything:
            return True
        contents = [one.content for one in found if not one.deleted]
        patients = patients_of(fhir_json.read(contents[-1])) if contents else frozenset()
        return len(patients) != 1 or patients <= access.patients


class Observer:
    """A `ChangeObserver` that admits everything, or refuses with `refusal`."""

    def __init__(self) -> None:
        self.refusal: FhirError | None = None
        self.admitted: list[tuple[Json, Json | None]] = []

    async def admit(
        self, tx: object, principal: Principal, resource: Json, previous: Json | None
    ) -> Json:
        self.admitted.append((resource, previous))
        if self.refusal is not None:
            raise self.refusal
        return resource

    async def changed(self, tx: object, changes: object) -> None: ...

    async def readings(self, tx: object, readings: object) -> None: ...

    async def device_events(self, tx: object, events: object) -> None: ...

    async def contacts(self, tx: object, contacts: object) -> None: ...
