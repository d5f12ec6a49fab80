"""What is wrong with what a device sends: when somebody is told of it, and when it is over. Pure.

Missing numbers are given time first, because messages overtake each other and a gateway that was cut
off sends what it kept; only then they are an alert. What never comes any more is given up: values
measured since then say how the patient is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from fhirserver.kernel.readings import DeviceFault, FaultKind, Priority
from subscriptions.core.alert import more_urgent
from subscriptions.core.constants import (
    ALARM_GAP_TOLD_AFTER,
    BLIND_MESSAGES,
    DATA_FAULT_OVER_AFTER,
    GAP_GIVEN_UP_AFTER,
    READINGS_GAP_TOLD_AFTER,
    UNKNOWN_ALARM_TOLD_EVERY,
)
from subscriptions.core.event_codes import CLOCK_WRONG, DATA_QUALITY, READINGS_MISSING, EventCode
from subscriptions.core.findings import Finding, What, own_finding


class _Kind(NamedTuple):
    """When it is told after it began, when it is over by itself after it was last noticed, and as what."""

    told_after: float
    over_after: float | None
    code: EventCode
    key: str


_KINDS: Final[Mapping[FaultKind, _Kind]] = {
    "gap-tel": _Kind(
        READINGS_GAP_TOLD_AFTER.value, GAP_GIVEN_UP_AFTER.value, READINGS_MISSING, "gap-tel"
    ),
    "gap-evt": _Kind(
        ALARM_GAP_TOLD_AFTER.value, GAP_GIVEN_UP_AFTER.value, READINGS_MISSING, "gap-evt"
    ),
    "clock": _Kind(0.0, None, CLOCK_WRONG, "clock"),
    "data": _Kind(0.0, DATA_FAULT_OVER_AFTER.value, DATA_QUALITY, "data"),
    "event": _Kind(0.0, DATA_FAULT_OVER_AFTER.value, DATA_QUALITY, "event"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is known of one kind of fault of one device.

    `since` is when it began or last grew beyond what was told, `last` when it was last noticed, `told`
    the priority people were told of. `patient` is None for an alarm of a device nobody knows; `device` is
    then its address.
    """

    device: str
    kind: FaultKind
    patient: str | None
    amount: int
    since: datetime
    last: datetime
    told: Priority | None
    simulated: bool


class Judged(NamedTuple):
    """What to raise or end, what to keep (None: nothing any more), and when to look again (None: never)."""

    findings: tuple[Finding, ...]
    trouble: Trouble | None
    look_at: datetime | None


def noticed(known: Trouble | None, fault: DeviceFault, now: datetime) -> Judged:
    """Return what `fault` makes of what is `known` of its device and kind.

    A fault of a device that nobody is bound to is nobody's; it only ends what was told before.
    """
    if fault.amount == 0 or (fault.patient is None and fault.device is not None):
        return _over(known, now)
    if known is None:
        name = fault.device or fault.address
        return judged(
            Trouble(name, fault.kind, fault.patient, fault.amount, now, now, None, fault.simulated),
            now,
        )
    before: tuple[Finding, ...] = ()
    if known.patient != fault.patient:
        before = _over(known, now).findings
        known = replace(known, patient=fault.patient, told=None, since=now)
    is_count = fault.kind in ("data", "event")
    amount = known.amount + fault.amount if is_count else fault.amount
    grew = amount > known.amount
    after = replace(
        known,
        amount=amount,
        since=now if grew and known.told is not None else known.since,
        last=now if grew or is_count else known.last,
        simulated=fault.simulated,
    )
    found = judged(after, now)
    return found._replace(findings=(*before, *found.findings))


def judged(trouble: Trouble, now: datetime) -> Judged:
    """Return what time makes of `trouble`."""
    kind = _KINDS[trouble.kind]
    if trouble.patient is None:
        over = trouble.since + timedelta(seconds=UNKNOWN_ALARM_TOLD_EVERY.value)
        return Judged((), None if now >= over else trouble, None if now >= over else over)
    over_at = None if kind.over_after is None else trouble.last + timedelta(seconds=kind.over_after)
    if over_at is not None and now >= over_at:
        return _over(trouble, now)
    wanted = priority_of(trouble)
    if trouble.told is not None and not more_urgent(wanted, trouble.told):
        return Judged((), trouble, over_at)
    tell_at = trouble.since + timedelta(seconds=kind.told_after)
    if now < tell_at:
        return Judged((), trouble, tell_at if over_at is None else min(tell_at, over_at))
    finding = _finding(trouble, "breached", wanted, trouble.since)
    return Judged((finding,), replace(trouble, told=wanted), over_at)


def priority_of(trouble: Trouble) -> Priority:
    """Return how urgent it is: PM where an alarm or enough readings to hide one may be lost, else PL."""
    if trouble.kind in ("gap-evt", "event"):
        return "PM"
    if trouble.kind == "gap-tel" and trouble.amount >= BLIND_MESSAGES.value:
        return "PM"
    return "PL"


def _over(trouble: Trouble | None, now: datetime) -> Judged:
    if trouble is None or trouble.told is None:
        return Judged((), None, None)
    return Judged((_finding(trouble, "ended", trouble.told, now),), None, None)


def _finding(trouble: Trouble, what: What, priority: Priority, at: datetime) -> Finding:
    kind = _KINDS[trouble.kind]
    return own_finding(
        what,
        kind.code,
        key=f"{kind.key}:{trouble.device}",
        patient=trouble.patient,
        device=trouble.device,
        priority=priority,
        at=at,
        simulated=trouble.simulated,
        detail={"fault": trouble.kind, "amount": trouble.amount, "told": what},
    )
