"""The protocols between the parts. `fhirserver.bootstrap` decides who implements them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, TypeVar

from fhirserver.kernel.audit import Happening
from fhirserver.kernel.changes import Change
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.jobs import JobQueue
from fhirserver.kernel.measured import Measured
from fhirserver.kernel.principal import Access, Grant, Principal, Relations
from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    Reading,
    StreamedObservation,
)
from fhirserver.kernel.resource import Json, Page, Stored
from fhirserver.kernel.retention import RetentionPolicy
from fhirserver.kernel.search_page import SearchPage

if TYPE_CHECKING:
    from fhirserver.kernel.relationships import Relationships

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Current:
    """A resource as it stands: its version, and its parsed content, None for a tombstone.

    Whoever gets `resource` must not change it: it is shared with everybody else in the transaction.
    """

    stored: Stored
    resource: Json | None


class Transaction(Protocol):
    """One write transaction of one tenant: everything done through it commits together or not at all."""

    @property
    def tenant(self) -> int:
        """The tenant's number."""

    @property
    def now(self) -> datetime:
        """The server's time for everything this transaction writes (aware, UTC, milliseconds)."""

    @property
    def definitions(self) -> Any:
        """The tenant's `fhirserver.definitions.Definitions`, the same through the whole transaction."""

    async def claim(self, criteria: Iterable[tuple[str, str]]) -> None:
        """Be alone, until commit, with conditional writes on these (type, criteria text), before any other lock."""

    async def lock(self, targets: Iterable[tuple[str, str]]) -> None:
        """Lock these (type, id), in one order everywhere, and remember them: `current`, `put` and `delete` of them read
        nothing again. Those that do not exist are remembered as such.
        """

    async def current(self, type_: str, id_: str, *, lock: bool = False) -> Current | None:
        """Return the current version (also a tombstone) with its content, None when it never existed."""

    def reserve(self, resource: Json) -> str:
        """Return the id that `resource` gets when it is put under it; its patient must be in it already."""

    async def get(self, type_: str, id_: str, *, lock: bool = False) -> Json | None:
        """Return the current resource, None when absent or deleted; `lock` holds the row until commit."""

    async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
        """Return the current version (also a tombstone), None when it never existed."""

    async def versions(
        self, wanted: Mapping[tuple[str, str], AbstractSet[int]]
    ) -> Mapping[tuple[str, str], Sequence[Stored]]:
        """Return, of each (type, id) that ever existed, the current version, then those asked for by number.

        Versions that the history no longer has are left out; nothing is locked. Few statements, however many are asked.
        """

    async def put(
        self, resource: Json, *, id_: str | None = None, if_match: int | None = None
    ) -> Stored:
        """Create or update `resource` (already validated) and return what was stored.

        Without `id_` the server makes an id. With `id_` the resource is updated, or created under that id.
        Nobody may change `resource` afterwards: it is not copied.
        `meta.versionId` and `meta.lastUpdated` are set here. Raises `PreconditionFailed` when `if_match` is not the
        current version, `Conflict` when a concurrent writer won.
        """

    async def delete(self, type_: str, id_: str, *, if_match: int | None = None) -> Stored | None:
        """Leave a tombstone and return it; None when it never existed."""

    async def execute(
        self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run hand-written SQL in this transaction and return its rows (empty for statements without result)."""

    def execute_later(self, sql: LiteralString, args: Mapping[str, Any] | Sequence[Any]) -> None:
        """Run hand-written SQL that returns nothing: before the next `execute`, at the latest at the end.

        It must not be about the record's own tables. Raises `ValueError`.
        """

    def audit(self, *happenings: Happening) -> None:
        """Write AuditEvents of `happenings` with everything else of this transaction, at its end."""

    async def seal(self, patient: str | None, purpose: str, plaintext: bytes) -> bytes:
        """Return an envelope under the data key of `patient` (the tenant's key for None), bound to `purpose`."""

    async def unseal(self, patient: str | None, purpose: str, envelope: bytes) -> bytes:
        """Return the plaintext of an envelope made by `seal` with the same patient and purpose.

        Raises `fhirserver.crypto.Tampered` when it was made for another place.
        """

    def new_id(self, patient: str | None) -> str:
        """Return a fresh resource id whose bucket is the patient's (any bucket for None)."""

    def bucket(self, patient: str | None, kind: str, identity: str) -> int:
        """Return the bucket of a row: the patient's, or that of ``kind/identity`` where there is no one patient."""

    def blind(self, domain: str, value: str) -> int:
        """Return the 64-bit keyed hash (signed) of `value` in `domain`, for look-ups without plaintext."""


# Opens a write transaction of one tenant, committed at the end of the block.
Transactions = Callable[[int], AbstractAsyncContextManager[Transaction]]


class ChangeObserver(Protocol):
    """Reacts inside the write transaction. A raised error rolls the whole transaction back."""

    async def admit(
        self, tx: Transaction, principal: Principal, resource: Json, previous: Json | None
    ) -> Json:
        """Return the resource as it shall be stored (a Subscription becomes `requested`), or raise a `FhirError`.

        Called for writes by clients, before `put`.
        """

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """React to resources written by anybody, including by observers themselves."""

    async def readings(self, tx: Transaction, readings: Sequence[Reading]) -> None:
        """Evaluate measured values, in the order they were taken; several patients may be mixed."""

    async def streamed(self, tx: Transaction, observations: Sequence[StreamedObservation]) -> None:
        """React to Observations stored from streams; `changed` is not told of these, they are too many."""

    async def device_events(self, tx: Transaction, events: Sequence[DeviceEvent]) -> None:
        """Evaluate machine alarm events."""

    async def contacts(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        """Learn that a device is alive (ends a silence) or has said it is gone (a silence at once)."""

    async def limits(self, tx: Transaction, announced: Sequence[DeviceLimits]) -> None:
        """Learn which alarm limits machines have now, one entry per machine."""

    async def faults(self, tx: Transaction, faults: Sequence[DeviceFault]) -> None:
        """Learn what is wrong with what devices send, or not any more."""


class RecordStore(Protocol):
    """The record as interactions see it."""

    @property
    def jobs(self) -> JobQueue:
        """Work that takes longer than a request."""

    @property
    def relationships(self) -> "Relationships":
        """Relationships with patients beside CareTeams."""

    async def retention(self, tenant: int) -> RetentionPolicy:
        """Return how long `tenant` keeps what."""

    async def set_retention(self, tenant: int, policy: RetentionPolicy) -> None:
        """Replace the policy of `tenant`."""

    def now(self) -> datetime:
        """Return the server's time (aware, UTC)."""

    async def read(self, access: Access, type_: str, id_: str) -> Stored:
        """Return the current version. Raises `NotFound` (absent or not visible), `Gone`."""

    async def vread(self, access: Access, type_: str, id_: str, version: int) -> Stored:
        """Return one version. Raises `NotFound`, `Gone` for the version that is a deletion."""

    async def history(self, access: Access, asked: HistoryQuery) -> Page:
        """Return versions, newest first. Raises `NotFound` for a resource that never was."""

    async def search(self, access: Access, query: "Any") -> SearchPage:
        """Return a page of the matches of a `fhirserver.search.query.Query`, with what it includes.

        Only what `access` may see is in it, counts in its total or has a say in what matches. Raises `BadRequest` for a
        cursor that is not of this search, `TooCostly` for more work than one search may make, `Forbidden` when somebody
        but an administrator asks for an explanation, `Unavailable`.
        """

    async def series(
        self,
        tenant: int,
        patient: str,
        codes: Mapping[str, str | None],
        since: datetime,
        until: datetime,
        most: int,
    ) -> Sequence[Measured]:
        """Return the first `most` values of `codes` that `patient` had in [since, until), in the order of their times.

        `codes` maps MDC codes to the code of the panel they are a component of, None where they are measured alone.
        Whoever asks has made sure that the caller reads every Observation of the patient.
        """

    def transaction(self, tenant: int) -> AbstractAsyncContextManager[Transaction]:
        """Open a write transaction; leaving the block commits, an exception rolls back."""

    async def write(
        self,
        tenant: int,
        work: Callable[[Transaction], Awaitable[Result]],
        *,
        touching: Sequence[tuple[str, str]] | None = None,
    ) -> Result:
        """Run `work` in a write transaction and commit; run it anew when a concurrent change won.

        `work` must leave nothing behind outside the transaction. With `touching`, the (type, id) of all the existing
        resources it reads and writes, it may share the transaction with other requests; then it must refuse before it
        writes, and neither claim nor execute anything. Raises what it raises, and `Conflict` when others kept winning.
        """

    async def grant(self, token: str) -> Grant | None:
        """Return what this bearer token stands for, None when unknown, expired or revoked."""

    async def access_now(self, grant: Grant) -> Access:
        """Return what the holder of `grant` may touch at this moment: nothing once it was taken back."""

    async def relations(self, principal: Principal) -> Relations:
        """Return what is known of the relations of `principal` with patients, also those that are over."""

    async def issue_token(self, principal: Principal, lifetime_seconds: int) -> str:
        """Return a fresh bearer token (shown once; only its hash is stored)."""

    async def dead_letters(self, tenant: int) -> Sequence["DeadLetterCount"]:
        """Return what could not be processed, counted, the most frequent first."""

    async def enroll_device(
        self, tenant: int, device: str, behind: Sequence[str] = ()
    ) -> "DeviceCredential":
        """Return fresh broker credentials of ``Device/<device>``, replacing earlier ones.

        `behind` are ids of the Devices it speaks for as a gateway. Raises `NotFound`, `Unprocessable`.
        """

    async def revoke_device(self, tenant: int, device: str) -> None:
        """Let ``Device/<device>`` in no more. Raises `NotFound` when it is not enrolled."""


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """How often messages of one sender were refused for one reason at one door, and when last (UTC)."""

    door: str
    source: str
    reason: str
    count: int
    last: datetime


class DeviceCredential(Protocol):
    """What a device needs to speak to the broker."""

    @property
    def username(self) -> str:
        """The name it connects with."""

    @property
    def password(self) -> str:
        """The secret it connects with; shown once."""

    @property
    def tenant(self) -> str:
        """The tenant's level of its topics."""

    @property
    def device(self) -> str:
        """The device's level of its topics: its EUI-64, upper case without dashes."""
