"""What a look at the whole log finds: every way in which what is stored differs from what was sealed.

The log is read batch by batch in order (`Inspection.batch`), each with what its events look like now; heads that were
exported come behind it (`Inspection.exported`), each with what the log says of that batch. Pure: who reads gives
everything. Nothing here grows with the log: what cannot be settled at once is counted.

Spec: https://www.rfc-editor.org/rfc/rfc9162#section-2.1
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from fhirserver.auditing.gone import GoneEvents
from fhirserver.auditing.head import Head, NotAHeadError, digest_of_parts
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
    "bad-receipt",
    "lost-line",
]
# Returns the id of the key that signed; raises ValueError.
Verify = Callable[[bytes, str], str]
Event = tuple[int, str]
# How long before the first head an event of the first batch may have been written.
_FIRST_BATCH: Final = timedelta(minutes=1)

# Findings that are kept one by one; more are counted.
MOST_FINDINGS: Final = 10_000

UNREADABLE: Final = b""
"""In the place of a leaf: the event is there and cannot be opened."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed; `where` is a batch, a head, an AuditEvent or a line of happenings."""

    kind: Kind
    where: str
    told: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One sealed batch as it is stored. `parts` are how many events each part has, and its receipt (empty: none)."""

    number: int
    first: int
    size: int
    events: Sequence[Event]
    leaves: bytes
    head: Head
    parts: Sequence[tuple[int, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """That `line` was written out as the events of a part, and which lines it said were committed before it."""

    line: UUID
    witnessed: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Pending:
    """Events that were written and are not sealed yet, with the receipt for their line, where it is a good one."""

    events: Sequence[Event]
    receipt: Receipt | None


@dataclass(slots=True)
class Inspection:
    """A look at one log in progress; `began` is when its first batch was sealed.

    `missed` are lines of happenings that were committed and not seen written out so far.
    """

    verify: Verify
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0
    log: str = ""
    batches: int = 0
    expired: int = 0
    older: int = 0
    heads: int = 0
    began: datetime | None = None
    missed: set[UUID] = field(default_factory=set)
    _unwitnessed: set[UUID] = field(default_factory=set)
    _gone: dict[int, GoneEvents] = field(default_factory=dict)
    _tree: Frontier = field(default_factory=Frontier)

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
        receipts: Sequence[Receipt | None] = (),
    ) -> None:
        """Look at the next batch. `found` is the leaf that each of its events has now, none for an event that is gone;
        `written` tells when an event of this id was written. `receipts` are those of its parts that have one, None for
        one that does not belong there.
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
        self._lines(receipts, place)

    def is_older(self, written: datetime) -> bool:
        """Return whether something written then may be from before there was a log."""
        return self.began is None or written < self.began - _FIRST_BATCH

    def _lines(self, receipts: Sequence[Receipt | None], place: str) -> None:
        for receipt in receipts:
            if receipt is None:
                told = "what says which line it was written from is not what was sealed"
                self._found("bad-receipt", place, told)
                continue
            for line in receipt.witnessed:
                # Written out before or after whoever names it: a line is met twice.
                if line in self._unwitnessed:
                    self._unwitnessed.remove(line)
                else:
                    self.missed.add(line)
            if receipt.line in self.missed:
                self.missed.remove(receipt.line)
            else:
                self._unwitnessed.add(receipt.line)

    def lost(self, lines: Iterable[UUID]) -> None:
        """Note lines that were missed and do not wait anywhere."""
        for line in sorted(lines):
            told = "it was committed, and is neither written out nor waiting"
            self._found("lost-line", f"line {line}", told)

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
        if says.parts != digest_of_parts(batch.parts):
            self._found("bad-receipt", place, "its receipts are not those its head was signed for")

    def _event(
        self,
        event: Event,
        leaf: bytes,
        found: Mapping[Event, bytes],
        written: Callable[[str], datetime],
    ) -> None:
        tenant, id_ = event
        now = found.get(event)
        if now is None:
            self._gone.setdefault(tenant, GoneEvents()).add(id_, written(id_))
        elif now == UNREADABLE:
            told = "it cannot be opened: it is not what was stored here"
            self._found("edited", _named(tenant, id_), told)
        elif now != leaf:
            self._found("edited", _named(tenant, id_), "its content is not what was sealed")

    def expired_before(self, tenant: int, before: datetime) -> None:
        """Learn from an event in the log that those of `tenant` written before a time were removed by its policy."""
        self._gone.setdefault(tenant, GoneEvents()).policy(before)

    def unlogged(self, tenant: int, id_: str) -> None:
        """Note an AuditEvent that is stored and that no batch has."""
        self._found("unlogged", _named(tenant, id_), "it is in no batch of the log")

    def exported(self, head: Head, mine: Head | None) -> None:
        """Compare with a head that was kept elsewhere; `mine` is that of the batch with its number, None without one."""
        self.heads += 1
        try:
            says = head.statement
        except NotAHeadError as defect:
            self._found("unreadable-head", "an exported head", str(defect))
            return
        place = f"exported head {says.number}"
        self._signed(head, place)
        try:
            now = None if mine is None else mine.statement
        except NotAHeadError:
            now = None
        if now is None:
            told = f"the log had {says.size} events and has {self._tree.size}"
            self._found("cut-off", place, told)
        elif (now.size, now.root, now.log) != (says.size, says.root, says.log):
            self._found("rewritten", place, "the log was another one when this was exported")

    def close(self) -> None:
        """Settle which missing events had expired."""
        for tenant, gone in sorted(self._gone.items()):
            self.expired += gone.expired()
            for id_ in gone.deleted():
                told = "it was sealed and is not there any more"
                self._found("deleted", _named(tenant, id_), told)
            if gone.more():
                told = f"{gone.more()} older ones were sealed and are not there any more, not all by the policy"
                self._found("deleted", f"AuditEvents of tenant {tenant}", told)

    def _signed(self, head: Head, place: str) -> None:
        try:
            self.verify(head.content, head.signature)
        except ValueError as defect:
            self._found("bad-signature", place, str(defect))

    def _found(self, kind: Kind, where: str, told: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(kind, where, told))
        else:
            self.more_findings += 1


def _named(tenant: int, id_: str) -> str:
    return f"AuditEvent/{id_} of tenant {tenant}"
