"""What a look at the whole log finds: every way in which what is stored differs from what was sealed.

The log is read batch by batch in order (`Inspection.batch`), each with what its events look like now; at the end
(`Inspection.close`) come the heads that were exported. Pure: who reads gives everything.

Spec: https://www.rfc-editor.org/rfc/rfc9162#section-2.1
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from fhirserver.auditing.head import Head, NotAHeadError, Statement
from fhirserver.auditing.merkle import EMPTY_ROOT, Frontier, cut

Kind = Literal[
    "edited",
    "deleted",
    "broken-tree",
    "broken-chain",
    "bad-signature",
    "cut-off",
    "rewritten",
    "unreadable-head",
    "unlogged",
]
# Returns the id of the key that signed; raises ValueError.
Verify = Callable[[bytes, str], str]
Event = tuple[int, str]
# How long before the first head an event of the first batch may have been written.
_FIRST_BATCH: Final = timedelta(minutes=1)

UNREADABLE: Final = b""
"""In the place of a leaf: the event is there and cannot be opened."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed; `where` is a batch, a head or an AuditEvent."""

    kind: Kind
    where: str
    told: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One sealed batch as it is stored."""

    number: int
    first: int
    size: int
    events: Sequence[Event]
    leaves: bytes
    head: Head


@dataclass(slots=True)
class Inspection:
    """A look at one log in progress; `began` is when its first batch was sealed."""

    verify: Verify
    findings: list[Finding] = field(default_factory=list)
    log: str = ""
    batches: int = 0
    expired: int = 0
    older: int = 0
    began: datetime | None = None
    _expiries: dict[int, datetime] = field(default_factory=dict)
    _gone: list[tuple[Event, datetime]] = field(default_factory=list)
    _tree: Frontier = field(default_factory=Frontier)
    _statements: dict[int, Statement] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many leaves were looked at."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The root of all leaves that were looked at."""
        return self._tree.root if self._tree.size else EMPTY_ROOT

    def batch(
        self,
        batch: Batch,
        found: Mapping[Event, bytes],
        written: Callable[[str], datetime],
    ) -> None:
        """Look at the next batch. `found` is the leaf that each of its events has now, none for an event that is gone;
        `written` tells when an event of this id was written.
        """
        self.batches += 1
        place = f"batch {batch.number}"
        self._position(batch, place)
        try:
            leaves = cut(batch.leaves)
        except ValueError as defect:
            self._found("broken-tree", place, str(defect))
            leaves = ()
        before = self._tree
        self._tree = before.plus(leaves)
        self._head(batch, before, place)
        for event, leaf in zip(batch.events, leaves, strict=False):
            self._event(event, leaf, found, written)
        if len(leaves) != len(batch.events):
            self._found("broken-tree", place, "it has not one leaf for each event")

    def _position(self, batch: Batch, place: str) -> None:
        if batch.number != self.batches:
            self._found("broken-chain", place, f"batch {self.batches} is missing before it")
            self.batches = batch.number
        if batch.first != self._tree.size:
            self._found(
                "broken-tree", place, f"it begins at {batch.first}, not at {self._tree.size}"
            )

    def _head(self, batch: Batch, before: Frontier, place: str) -> None:
        try:
            says = batch.head.statement
        except NotAHeadError as defect:
            self._found("unreadable-head", place, str(defect))
            return
        self._signed(batch.head, place)
        self.log = self.log or says.log
        self.began = self.began or says.at
        if says.log != self.log or says.number != batch.number or says.size != batch.size:
            self._found("broken-chain", place, "its head is about something else")
        if says.size_before != before.size or says.root_before != before.root:
            self._found("broken-chain", place, "its head does not follow the tree before it")
        if says.size != self._tree.size or says.root != self._tree.root:
            self._found("broken-tree", place, "its leaves are not those its head was signed for")
        self._statements[says.number] = says

    def _event(
        self,
        event: Event,
        leaf: bytes,
        found: Mapping[Event, bytes],
        written: Callable[[str], datetime],
    ) -> None:
        tenant, id_ = event
        now = found.get(event)
        where = f"AuditEvent/{id_} of tenant {tenant}"
        if now is None:
            self._gone.append((event, written(id_)))
        elif now == UNREADABLE:
            self._found("edited", where, "it cannot be opened: it is not what was stored here")
        elif now != leaf:
            self._found("edited", where, "its content is not what was sealed")

    def expired_before(self, tenant: int, before: datetime) -> None:
        """Learn from an event in the log that those of `tenant` written before a time were removed by its policy."""
        self._expiries[tenant] = max(before, self._expiries.get(tenant, before))

    def unlogged(self, events: Iterable[Event], written: Callable[[str], datetime]) -> None:
        """Note AuditEvents that are stored and that no batch has, but for those from before there was a log."""
        for tenant, id_ in events:
            if self.began is None or written(id_) < self.began - _FIRST_BATCH:
                self.older += 1
            else:
                where = f"AuditEvent/{id_} of tenant {tenant}"
                self._found("unlogged", where, "it is in no batch of the log")

    def close(self, exported: Iterable[Head]) -> None:
        """Compare with heads kept elsewhere, in any order, and settle which missing events had expired."""
        for (tenant, id_), when in self._gone:
            before = self._expiries.get(tenant)
            if before is not None and when < before:
                self.expired += 1
            else:
                where = f"AuditEvent/{id_} of tenant {tenant}"
                self._found("deleted", where, "it was sealed and is not there any more")
        for head in exported:
            try:
                says = head.statement
            except NotAHeadError as defect:
                self._found("unreadable-head", "an exported head", str(defect))
                continue
            place = f"exported head {says.number}"
            self._signed(head, place)
            mine = self._statements.get(says.number)
            if mine is None:
                self._found(
                    "cut-off", place, f"the log had {says.size} events and has {self._tree.size}"
                )
            elif (mine.size, mine.root, mine.log) != (says.size, says.root, says.log):
                self._found("rewritten", place, "the log was another one when this was exported")

    def _signed(self, head: Head, place: str) -> None:
        try:
            self.verify(head.content, head.signature)
        except ValueError as defect:
            self._found("bad-signature", place, str(defect))

    def _found(self, kind: Kind, where: str, told: str) -> None:
        self.findings.append(Finding(kind, where, told))
