"""What happens to a frame: each message of it is stored, refused or known already, and then answered.

Messages of devices are stored many at a time (`adapters.hl7v2.committing`), others each in a transaction of its own. The
raw message and its outcome are part of the same transaction, so an answer is only ever given to what is in the record.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from adapters.hl7v2 import resending
from adapters.hl7v2.applying import apply
from adapters.hl7v2.coming import Coming, messages_in, too_long
from adapters.hl7v2.committing import (
    Committer,
    as_held,
    letter_of,
    refused_message,
    unstorable,
    warnings_of,
)
from adapters.hl7v2.mapping.mapped import Mapped
from adapters.hl7v2.patience import persistently
from adapters.hl7v2.provenance import Source
from adapters.hl7v2.resending import Taken
from adapters.hl7v2.routing import Interpreted, Refusal
from adapters.hl7v2.sites import Peer, Sites
from fhirserver.auditing.trail import TRAIL, Trail
from fhirserver.interactions.context import Context
from fhirserver.kernel.audit import Actor
from fhirserver.kernel.errors import (
    Conflict,
    FhirError,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from fhirserver.kernel.hl7 import AlertAnswers, Claim, HeldMessages, Outcome, Settled
from fhirserver.kernel.ports import Transaction
from fhirserver.wire.hl7v2 import acknowledgement
from fhirserver.wire.hl7v2.acknowledgement import (
    DATA_TYPE,
    DUPLICATE_KEY,
    UNKNOWN_KEY,
    Asking,
    Fault,
)
from fhirserver.wire.hl7v2.alarm_status import AlarmStatus

NOT_APPLIED: Final = "not-applied"
APPLICATION: Final = "FHIRSERVER"
_Result = TypeVar("_Result")
_Effect = Callable[[Transaction, Coming, Claim], Awaitable[tuple[Settled, tuple[Fault, ...]]]]
_FAULTS: Final[tuple[tuple[type[FhirError], str], ...]] = (
    (Conflict, DUPLICATE_KEY),
    (PreconditionFailed, DUPLICATE_KEY),
    (NotFound, UNKNOWN_KEY),
)

log = structlog.get_logger(__name__)


class Writes(Protocol):
    """What a message that becomes resources is written through; see `fhirserver.kernel.ports.RecordStore`."""

    async def write(
        self, tenant: int, work: Callable[[Transaction], Awaitable[_Result]]
    ) -> _Result:
        """Run `work` in a transaction, anew when a concurrent change won."""


class Intake:
    """Takes the frames of one tenant."""

    def __init__(
        self,
        tenant: int,
        sites: Sites,
        committer: Committer,
        held: HeldMessages,
        context_of: Callable[[str], Context],
        now: Callable[[], datetime],
        *,
        writes: Writes,
        answers: AlertAnswers | None = None,
    ) -> None:
        """`context_of` gives the way into the record of the sender with this name. `answers` takes what is said of our
        own alarms.
        """
        self._tenant = tenant
        self._sites = sites
        self._committer = committer
        self._held = held
        self._context_of = context_of
        self._writes = writes
        self._alarms = answers
        self._now = now

    async def take(self, frame: bytes, peer: Peer) -> Sequence[bytes]:
        """Return the answers that are owed for a frame, each the content of one frame.

        Raises `Unavailable` when the record cannot be reached: then nothing may be answered.
        """
        answers: list[bytes] = []
        for coming in messages_in(frame, self._now(), peer, self._sites):
            answers += self._answers(coming, await self.process(coming))
        return answers

    async def refuse_long(self, peer: Peer, most: int) -> Sequence[bytes]:
        """Return the answer to a message of more than `most` bytes."""
        coming = too_long(self._now(), peer, most)
        return self._answers(coming, await self.process(coming))

    async def replay(self, raw: bytes, peer: Peer) -> Sequence[Taken]:
        """Process what was refused once more; return what became of each message in it."""
        found = messages_in(raw, self._now(), peer, self._sites, replayed=True)
        return [await self.process(one) for one in found]

    async def process(self, coming: Coming) -> Taken:
        """Return what became of a message, when that is committed. Raises `Unavailable`."""
        found = coming.found
        if coming.refusal is not None or found is None:
            taken = await self._committer.submit(coming)
        elif found.mapped is not None:
            taken = await self._alone(coming, partial(self._carried_out, found, found.mapped))
        elif found.status is not None:
            taken = await self._alone(coming, partial(self._told, found, found.status))
        else:
            taken = await self._committer.submit(coming)
        if not taken.is_accepted:
            log.warning(
                "message refused", kind=coming.kind, reason=taken.reason, source=coming.source
            )
        return taken

    async def _alone(self, coming: Coming, effect: _Effect) -> Taken:
        """Process a message in a transaction of its own."""

        async def write() -> Taken:
            work = partial(self._once, coming=coming, effect=effect)
            return await self._writes.write(self._tenant, work)

        sender = "" if coming.sender is None else coming.sender.name
        control_id = "" if coming.key is None else coming.key[1]
        actor = Actor(kind="client", client=f"hl7v2:{sender}")
        trail = TRAIL.set(Trail(self._tenant, "batch", coming.received, actor, control_id))
        try:
            return await persistently(write, (Unavailable,))
        except Unavailable:
            raise
        except FhirError as problem:
            code = next((code for kinds, code in _FAULTS if isinstance(problem, kinds)), DATA_TYPE)
            faults = tuple(
                Fault(code, f"{one.message} {one.expression}".strip()) for one in problem.problems
            )
            refusal = Refusal("error", NOT_APPLIED, faults)
            return await self._committer.submit(replace(coming, refusal=refusal))
        except Exception:
            log.exception("a message cannot be carried out", kind=coming.kind)
            return await self._committer.submit(unstorable(coming))
        finally:
            TRAIL.reset(trail)

    async def _once(self, tx: Transaction, *, coming: Coming, effect: _Effect) -> Taken:
        """Let a message have its effect, unless it had it before."""
        key = coming.key
        assert key is not None
        (claim,) = await self._held.claim(tx, [as_held(coming, key)])
        known = resending.answered_before(coming.raw, claim.before, replayed=coming.replayed)
        if known is not None:
            if not known.is_accepted and not coming.replayed:
                await self._held.dead_letter(tx, [letter_of(coming, known.reason)])
                tx.audit(refused_message(tx, coming.source, known.reason))
            return known
        settled, faults = await effect(tx, coming, claim)
        await self._held.settle(tx, [settled])
        return Taken("accepted", faults, is_partly=settled.outcome == "partly")

    async def _carried_out(
        self, found: Interpreted, mapped: Mapped, tx: Transaction, coming: Coming, claim: Claim
    ) -> tuple[Settled, tuple[Fault, ...]]:
        assert coming.sender is not None
        name, header = coming.sender.name, found.header
        source = Source(str(claim.id), name, header.kind, header.control_id, header.sent)
        applied = await apply(self._context_of(name), mapped, source)(tx)
        made = [f"{one.type}/{one.id}" for one in applied.stored]
        faults = warnings_of(found)
        report = resending.told(found.report, faults, made=made, told=list(applied.told))
        outcome: Outcome = "partly" if found.report.refused else "accepted"
        return Settled(claim, outcome, "", report, coming.raw, applied.patients), faults

    async def _told(
        self, found: Interpreted, status: AlarmStatus, tx: Transaction, coming: Coming, claim: Claim
    ) -> tuple[Settled, tuple[Fault, ...]]:
        """Hand on what is said of an alarm of ours. Raises `NotFound` for one that we never sent."""
        if status.is_acknowledged:
            known = self._alarms is not None and await self._alarms.acknowledged(
                tx, status.control_id, status.who
            )
            if not known:
                raise NotFound("No alarm was told of by a message with this control id.")
        return Settled(claim, "accepted", "", resending.told(found.report, ()), coming.raw), ()

    def _answers(self, coming: Coming, taken: Taken) -> list[bytes]:
        header = coming.header
        asks = Asking(None, None) if header is None else acknowledgement.asking(header)
        return [
            acknowledgement.acknowledgement(
                header,
                code,
                taken.faults,
                control_id=uuid.uuid4().hex[:20],
                now=self._now(),
                application=APPLICATION,
            ).encode()
            for code in acknowledgement.answers(asks, taken.verdict)
        ]
