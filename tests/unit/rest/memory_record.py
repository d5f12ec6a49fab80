"""A record in memory, just enough of one to test HTTP semantics without a database."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, TypeVar

from fhirserver.auth import decide, visible
from fhirserver.definitions import Definitions, load
from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.errors import BadRequest, FhirError, Gone, NotFound, PreconditionFailed
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.jobs import JobStatus
from fhirserver.kernel.measured import Measured
from fhirserver.kernel.ports import Current, DeadLetterCount
from fhirserver.kernel.principal import Access, Grant, Membership, Principal, Relations
from fhirserver.kernel.relationships import Relationships
from fhirserver.kernel.resource import Json, Page, Stored
from fhirserver.kernel.retention import RetentionPolicy
from fhirserver.kernel.search_page import SearchPage
from fhirserver.wire import fhir_json

Result = TypeVar("Result")

START = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)


@dataclass
class Credential:
    username: str
    password: str
    tenant: str
    device: str


@dataclass
class MemoryRecord:
    """Implements `RecordStore`; its transactions are `MemoryTransaction`."""

    tenant: int = 1
    clock: datetime = START
    versions: dict[tuple[str, str], list[Stored]] = field(default_factory=dict)
    tokens: dict[str, Principal] = field(default_factory=dict)
    teams: list[Membership] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    searched: list[Any] = field(default_factory=list)
    broken: Exception | None = None
    next_cursor: str | None = None
    policy: RetentionPolicy = field(default_factory=RetentionPolicy)
    jobs: "MemoryJobs" = field(default_factory=lambda: MemoryJobs())  # noqa: PLW0108 - defined below

    def add(self, resource: Json) -> Stored:
        """Store `resource` under its own id, as a seeded test does."""
        return self.append(resource, resource["id"])

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

    async def history(self, access: Access, asked: HistoryQuery) -> Page:
        if asked.id is not None:
            assert asked.type is not None
            found = self.versions.get((asked.type, asked.id), [])
            if not found or not self._row_visible(access, found):
                raise NotFound("no such row")
            rows = list(found)
        else:
            types = {asked.type} if asked.type is not None else asked.types
            rows = [
                one
                for (type_, _), found in self.versions.items()
                if type_ in types and self._row_visible(access, found)
                for one in found
            ]
        rows.sort(key=lambda one: one.last_updated, reverse=True)
        if not (asked.cursor or "0").isdecimal():
            raise BadRequest("no cursor of ours")
        start = int(asked.cursor or 0)
        page = rows[start : start + asked.count]
        more = start + len(page) < len(rows)
        return Page(tuple(page), str(start + len(page)) if more else None)

    async def search(self, access: Access, query: Any) -> SearchPage:
        self.searched.append(query)
        if query.cursor_key not in (None, self.next_cursor):
            raise BadRequest("no cursor of ours")
        rows = [
            found[-1]
            for found in self.versions.values()
            if not found[-1].deleted
            and found[-1].type in query.types
            and self._row_visible(access, found)
            and (access.everything or visible(access, found[-1].type, found[-1].content))
        ]
        return SearchPage(tuple(rows), cursor=self.next_cursor)

    def now(self) -> datetime:
        return self.clock

    async def retention(self, tenant: int) -> RetentionPolicy:
        return self.policy

    async def set_retention(self, tenant: int, policy: RetentionPolicy) -> None:
        self.policy = policy

    async def write(
        self,
        tenant: int,
        work: Callable[["MemoryTransaction"], Awaitable[Result]],
        *,
        touching: Sequence[tuple[str, str]] | None = None,
    ) -> Result:
        async with self.transaction(tenant) as tx:
            return await work(tx)

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator["MemoryTransaction"]:
        assert tenant == self.tenant
        before = {key: list(value) for key, value in self.versions.items()}
        try:
            yield MemoryTransaction(self)
        except BaseException:
            self.versions = before
            raise

    async def grant(self, token: str) -> Grant | None:
        self.asked.append(token)
        holder = self.tokens.get(token)
        return None if holder is None else Grant(holder)

    @property
    def relationships(self) -> Relationships:
        # Only the operations on relationships ask for it, which are tested over the real store: a call here is a mistake.
        raise NotImplementedError

    async def access_now(self, grant: Grant) -> Access:
        return decide(grant.principal, await self.relations(grant.principal), self.now(), grant)

    async def relations(self, principal: Principal) -> Relations:
        known = self.teams if principal.tenant == self.tenant else []
        return Relations(tuple(one for one in known if one.member == principal.reference))

    async def issue_token(self, principal: Principal, lifetime_seconds: int) -> str:
        token = f"token-{len(self.tokens)}-{lifetime_seconds}"
        self.tokens[token] = principal
        return token

    async def series(
        self,
        tenant: int,
        patient: str,
        codes: Mapping[str, str | None],
        since: datetime,
        until: datetime,
        most: int,
    ) -> Sequence[Measured]:
        return []

    async def dead_letters(self, tenant: int) -> Sequence[DeadLetterCount]:
        return []

    async def revoke_device(self, tenant: int, device: str) -> None:
        if device != "machine":
            raise NotFound("not enrolled")

    async def enroll_device(
        self, tenant: int, device: str, behind: Sequence[str] = ()
    ) -> Credential:
        for one in (device, *behind):
            if self.current("Device", one) is None:
                raise NotFound(f"Device/{one} is not known.")
        return Credential(f"{tenant}.{device}", "secret", str(tenant), device)

    def append(self, resource: Json, id_: str) -> Stored:
        type_ = resource["resourceType"]
        found = self.versions.setdefault((type_, id_), [])
        moment = self.tick()
        meta = {**resource.get("meta", {}), "versionId": str(len(found) + 1)}
        content = fhir_json.write({**resource, "id": id_, "meta": meta})
        found.append(Stored(type_, id_, len(found) + 1, moment, False, content))
        return found[-1]

    def tick(self) -> datetime:
        self.clock += timedelta(seconds=1)
        return self.clock

    @staticmethod
    def _row_visible(access: Access, found: list[Stored]) -> bool:
        """Filter like a row with one patient column does: no column, no filter."""
        if access.everything:
            return True
        contents = [one.content for one in found if not one.deleted]
        patients = patients_of(fhir_json.read(contents[-1])) if contents else frozenset()
        return len(patients) != 1 or patients <= access.patients


@dataclass
class MemoryJobs:
    """Implements `JobQueue`: what is handed in waits for ever."""

    submitted: list[tuple[str, bytes, Principal]] = field(default_factory=list)

    async def submit(
        self, tenant: int, kind: str, request: bytes, owner: Principal, held: str = ""
    ) -> str:
        self.submitted.append((kind, request, owner))
        return f"job-{len(self.submitted)}"

    async def status(self, tenant: int, id_: str, asker: Access) -> JobStatus | None:
        return None

    async def listed(self, tenant: int, asker: Access) -> Sequence[JobStatus]:
        return []

    async def cancel(self, tenant: int, id_: str, asker: Access) -> bool:
        return False


@dataclass
class MemoryTransaction:
    """Implements `Transaction` on a record; one at a time."""

    record: MemoryRecord
    reserved: int = 0

    @property
    def tenant(self) -> int:
        return self.record.tenant

    @property
    def now(self) -> datetime:
        return self.record.clock

    @property
    def definitions(self) -> Definitions:
        return load()

    async def get(self, type_: str, id_: str, *, lock: bool = False) -> Json | None:
        stored = self.record.current(type_, id_)
        return fhir_json.read(stored.content) if stored is not None and not stored.deleted else None

    async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
        return self.record.current(type_, id_)

    async def current(self, type_: str, id_: str, *, lock: bool = False) -> Current | None:
        stored = await self.get_stored(type_, id_, lock=lock)
        if stored is None:
            return None
        return Current(stored, None if stored.deleted else fhir_json.read(stored.content))

    async def claim(self, criteria: Iterable[tuple[str, str]]) -> None: ...

    async def lock(self, targets: Iterable[tuple[str, str]]) -> None: ...

    def reserve(self, resource: Json) -> str:
        self.reserved += 1
        return f"made-{len(self.record.versions) + self.reserved}"

    async def put(
        self, resource: Json, *, id_: str | None = None, if_match: int | None = None
    ) -> Stored:
        id_ = id_ or self.reserve(resource)
        current = self.record.current(resource["resourceType"], id_)
        if if_match is not None and (current is None or current.version != if_match):
            raise PreconditionFailed("lost")
        return self.record.append(resource, id_)

    async def delete(self, type_: str, id_: str, *, if_match: int | None = None) -> Stored | None:
        found = self.record.versions[type_, id_]
        found.append(Stored(type_, id_, len(found) + 1, self.record.tick(), True, b""))
        return found[-1]

    # Observers and workers alone call what follows, and none runs over this record: a call is a mistake, and loud.

    async def versions(
        self, wanted: Mapping[tuple[str, str], AbstractSet[int]]
    ) -> Mapping[tuple[str, str], Sequence[Stored]]:
        raise NotImplementedError

    async def execute(
        self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def audit(self, *happenings: Happening) -> None:
        raise NotImplementedError

    def execute_later(self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any]) -> None:
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

    async def streamed(self, tx: object, observations: object) -> None: ...

    async def device_events(self, tx: object, events: object) -> None: ...

    async def contacts(self, tx: object, contacts: object) -> None: ...

    async def limits(self, tx: object, announced: object) -> None: ...

    async def faults(self, tx: object, faults: object) -> None: ...
