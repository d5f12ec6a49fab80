"""Messages of devices, and whatever was refused, stored many at a time: the transaction that also keeps them as they came.

A batch that fails is halved until the message that cannot be stored is alone; that one is refused. Two are under way at
once (`adapters.hl7v2.queueing`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from adapters.batch import Incoming, Made
from adapters.hl7v2 import resending, traces
from adapters.hl7v2.coming import Coming
from adapters.hl7v2.device.birth import described
from adapters.hl7v2.device.reported import BOOT, DeviceReport
from adapters.hl7v2.enrolled import bound_patients, in_use_for, not_ours
from adapters.hl7v2.patience import persistently
from adapters.hl7v2.queueing import Queue, Waiting
from adapters.hl7v2.report import RefusedPart
from adapters.hl7v2.resending import Taken
from adapters.hl7v2.routing import Interpreted, Refusal
from adapters.ingest import Ingest
from adapters.mqtt.messages import Birth, Message, Telemetry, Topic
from fhirserver.kernel.audit import REFUSED, Actor, Happening
from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.hl7 import (
    AlarmTold,
    Claim,
    ComingMessage,
    HeldMessages,
    Outcome,
    Settled,
)
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    DeadLetter,
    EnrolledDevice,
    TelemetryStore,
    TelemetryTransaction,
)
from fhirserver.wire.hl7v2.acknowledgement import INTERNAL, TABLE_VALUE, Fault, Place

DOOR: Final = "hl7v2"
UNSTORABLE: Final = "unstorable"
_REMEMBERED: Final = 5000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Work:
    """One message in a batch: its row, and what is to become of it."""

    coming: Coming
    claim: Claim | None
    taken: Taken | None = None
    letter: bool = False
    devices: Mapping[str, EnrolledDevice] = field(default_factory=dict)


class Committer:
    """Stores what is submitted for one tenant, until cancelled."""

    def __init__(
        self,
        tenant: tuple[int, str],
        store: TelemetryStore,
        ingest: Ingest,
        held: HeldMessages,
    ) -> None:
        """Store for `tenant` (number and name)."""
        self._tenant, self._name = tenant
        self._store = store
        self._ingest = ingest
        self._held = held
        self._queue: Queue[asyncio.Future[Taken]] = Queue()
        self._wake = asyncio.Event()
        self._told_parts: set[tuple[str, RefusedPart, datetime]] = set()

    async def submit(self, coming: Coming) -> Taken:
        """Return what became of a message, when that is committed. Raises `Unavailable`; then nothing is stored."""
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._queue.add(coming, future)
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Commit whatever waits."""
        async with asyncio.TaskGroup() as commits:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while batch := self._queue.next():
                    commits.create_task(self._carry_out(batch))

    async def _carry_out(self, batch: Sequence[Waiting[asyncio.Future[Taken]]]) -> None:
        try:
            taken = await self.commit([one.coming for one in batch])
        except Unavailable as outage:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(outage)
        else:
            for one, result in zip(batch, taken, strict=True):
                if not one.answer.done():
                    one.answer.set_result(result)
        finally:
            self._queue.done(batch)
            self._wake.set()

    async def commit(self, batch: Sequence[Coming]) -> list[Taken]:
        """Return what became of each. Raises `Unavailable`, with nothing stored of what is not yet."""
        try:
            return await persistently(lambda: self._commit(batch))
        except Unavailable:
            raise
        except Exception:
            if len(batch) > 1:
                log.warning("a batch failed, halving it", messages=len(batch), exc_info=True)
                middle = len(batch) // 2
                return [
                    *await self.commit(batch[:middle]),
                    *await self.commit(batch[middle:]),
                ]
            log.exception("a message cannot be stored", kind=batch[0].kind)
            return [await persistently(lambda: self._refuse(unstorable(batch[0])))]

    async def _refuse(self, coming: Coming) -> Taken:
        (taken,) = await self._commit([coming])
        return taken

    async def _commit(self, batch: Sequence[Coming]) -> list[Taken]:
        state = None
        parts: list[tuple[str, RefusedPart, datetime]] = []
        async with self._store.telemetry(self._tenant) as tx:
            works = await self._claimed(tx, batch)
            decoded = await self._decoded(tx, works)
            if decoded:
                state = await self._ingest.take(tx, decoded)
            made = traces.made_by(state)
            settled, letters = [], []
            alarms: dict[tuple[str, str], AlarmTold] = {}
            for work in works:
                if work.letter:
                    letters.append(letter_of(work.coming, _why(work)))
                    tx.audit(refused_message(tx, work.coming.source, _why(work)))
                if work.claim is not None and work.taken is None:
                    settled.append(
                        await _accepted(tx, work, work.claim, made.get(work.coming.raw, ()))
                    )
                    alarms |= _alarms(work)
                    work.taken = Taken(
                        "accepted",
                        resending.faults_of(settled[-1].report),
                        is_partly=settled[-1].outcome == "partly",
                    )
                    parts += self._untold(work.coming)
                elif work.claim is not None and _why(work) not in ("", resending.DUPLICATE):
                    settled.append(_refused(work, work.claim))
            letters += [letter for one in parts if (letter := _of_part(one, works)) is not None]
            await self._held.settle(tx, settled)
            await self._held.remember(tx, [*alarms.values()])
            await self._held.dead_letter(tx, letters)
        if state is not None:
            self._ingest.settled(self._tenant, state)
        if len(self._told_parts) > _REMEMBERED:
            self._told_parts.clear()
        self._told_parts.update(parts)
        return [work.taken for work in works if work.taken is not None]

    async def _claimed(self, tx: TelemetryTransaction, batch: Sequence[Coming]) -> list[_Work]:
        keyed = [(one, one.key) for one in batch]
        wanted = [as_held(one, key) for one, key in keyed if key is not None]
        claims = iter(await self._held.claim(tx, wanted) if wanted else ())
        works = []
        for one, key in keyed:
            work = _Work(one, None if key is None else next(claims))
            before = None if work.claim is None else work.claim.before
            work.taken = resending.answered_before(one.raw, before, replayed=one.replayed)
            is_other = work.taken is not None and not work.taken.is_accepted
            work.letter = is_other and not one.replayed
            if work.taken is None and one.refusal is not None:
                _turn_down(work, one.refusal)
            works.append(work)
        return works

    async def _decoded(
        self, tx: TelemetryTransaction, works: Sequence[_Work]
    ) -> list[tuple[Incoming, Message]]:
        open_ = [(one, one.coming.found) for one in works if one.taken is None]
        reports = [report for _, found in open_ if found for report in found.devices]
        if not reports:
            return []
        devices = await tx.devices({one.address for one in reports})
        births = dict(await tx.births({(one.address, BOOT) for one in reports}))
        patients = await bound_patients(tx, reports, devices)
        decoded: list[tuple[Incoming, Message]] = []
        for work, found in open_:
            if found is None:
                continue
            work.devices = devices
            refusal = not_ours(work.coming, found, devices, patients)
            if refusal is not None:
                _turn_down(work, refusal)
                continue
            before = None if work.claim is None else work.claim.before
            told_before = set() if before is None else set(before.report.get("taken", ()))
            for report in found.devices:
                decoded += self._said(work.coming, report, births, told_before)
        return decoded

    def _said(
        self,
        coming: Coming,
        report: DeviceReport,
        births: dict[tuple[str, str], Json],
        told_before: set[str],
    ) -> list[tuple[Incoming, Message]]:
        """Return what a message says of a device; of one that was taken in part, only the rest."""

        def incoming(kind: str) -> Incoming:
            topic = Topic(self._name, report.address, kind)  # type: ignore[arg-type]  # one of its kinds
            return Incoming(topic, coming.raw, coming.received, DOOR, coming.replayed)

        said: list[tuple[Incoming, Message]] = []
        key = (report.address, BOOT)
        content = described(births.get(key, {}), report)
        # What a machine is said to be then, must not stand over what it is now.
        if content is not None and not (coming.replayed and key in births):
            births[key] = content
            said.append((incoming("birth"), Birth(report.address, BOOT, None, content)))
        for telemetry in report.telemetry:
            rest = _without(telemetry, told_before)
            if rest is not None:
                said.append((incoming("tel"), rest))
        if not told_before:
            said += [(incoming("evt"), one) for one in report.events]
        return said

    def _untold(self, coming: Coming) -> list[tuple[str, RefusedPart, datetime]]:
        """Return the measures a sender's messages were left without, those not told of within this hour."""
        if coming.found is None or coming.replayed:
            return []
        hour = coming.received.replace(minute=0, second=0, microsecond=0)
        found = [(coming.source, part, hour) for part in coming.found.report.refused]
        return [one for one in found if one not in self._told_parts]


def as_held(coming: Coming, key: tuple[str, str]) -> ComingMessage:
    """Return a message as the record keeps it."""
    return ComingMessage(*key, coming.kind, coming.raw, coming.received)


def letter_of(coming: Coming, reason: str, parts: tuple[str, ...] = ()) -> DeadLetter:
    """Return the dead letter of a message."""
    return DeadLetter(DOOR, coming.source, reason, coming.raw, coming.kind, parts)


def refused_message(tx: Transaction, source: str, reason: str) -> Happening:
    """Return what the audit is told of a message that was refused."""
    actor = Actor(kind="client", client=f"hl7v2:{source}")
    return Happening(tx.tenant, "ingest", tx.now, actor, REFUSED, detail=reason)


def unstorable(coming: Coming) -> Coming:
    """Return a message as one that is refused, because of us."""
    fault = Fault(INTERNAL, "the message could not be stored")
    return replace(coming, refusal=Refusal("error", UNSTORABLE, (fault,)))


def warnings_of(found: Interpreted) -> tuple[Fault, ...]:
    """Return what is told to the sender of a message that is taken."""
    left_out = (
        Fault(TABLE_VALUE, f"left out ({one.reason}): {one.code}", Place("OBX"), "W")
        for one in found.report.refused
    )
    return (*found.report.warnings, *left_out)


def _turn_down(work: _Work, refusal: Refusal) -> None:
    work.taken = Taken(refusal.verdict, refusal.faults, refusal.reason)
    before = None if work.claim is None else work.claim.before
    # Sent again and refused again for the same, or replayed: the letter is there.
    work.letter = not work.coming.replayed and not (
        before is not None
        and before.reason == refusal.reason
        and resending.is_same(work.coming.raw, before.raw)
    )


def _why(work: _Work) -> str:
    return "" if work.taken is None else work.taken.reason


async def _accepted(
    tx: TelemetryTransaction, work: _Work, claim: Claim, made: Sequence[Made]
) -> Settled:
    coming, found = work.coming, work.coming.found
    assert found is not None
    patients = await traces.account_for(tx, coming, claim.id, made)
    patients = (*patients, *in_use_for(found, work.devices, coming.received))
    partly = bool(found.report.refused)
    more: dict[str, Any] = {"made": [one.id for one in made]}
    if partly:
        more["taken"] = sorted(
            code
            for report in found.devices
            for telemetry in report.telemetry
            for sample in telemetry.samples
            for code in sample.values
        )
    report = resending.told(found.report, warnings_of(found), **more)
    outcome: Outcome = "partly" if partly else "accepted"
    return Settled(claim, outcome, "", report, coming.raw, tuple(dict.fromkeys(patients)))


def _alarms(work: _Work) -> Mapping[tuple[str, str], AlarmTold]:
    # A replay tells of what was, and nobody waits for an answer to it.
    if work.coming.found is None or work.coming.replayed:
        return {}
    return traces.alarms_in(work.coming, work.coming.found, work.devices)


def _refused(work: _Work, claim: Claim) -> Settled:
    taken, found = work.taken, work.coming.found
    assert taken is not None
    assert found is not None
    report = resending.told(found.report, taken.faults)
    return Settled(claim, "refused", taken.reason, report, work.coming.raw)


def _of_part(one: tuple[str, RefusedPart, datetime], works: Sequence[_Work]) -> DeadLetter | None:
    source, part, _ = one
    for work in works:
        found = work.coming.found
        if work.coming.source == source and found is not None and part in found.report.refused:
            return letter_of(work.coming, part.reason, (part.code,))
    return None


def _without(telemetry: Telemetry, codes: set[str]) -> Telemetry | None:
    if not codes:
        return telemetry
    samples = []
    for sample in telemetry.samples:
        values = {code: value for code, value in sample.values.items() if code not in codes}
        if values:
            samples.append(replace(sample, values=values))
    return replace(telemetry, samples=tuple(samples)) if samples else None
