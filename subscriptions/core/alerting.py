"""From a finding to an alert: raise, raise higher, ring again, suppress, end.

Rules
-----
1. One open alert per patient and key. A finding about an open alert changes that alert; a smaller
   set of violations never raises anything.
2. A higher priority, or a live sample after one too old to page, rings again from the first rung.
3. A new crossing of an open alert: PH rings again as soon as somebody has answered (while nobody
   has, its ladder is running and a restart would only delay the next rung); PM and PL at most once
   in ten minutes, the others are recorded as suppressed. Machine events are never damped. A value
   that has become worse ends a pause.
4. A breach that goes on after its alert was closed is a new alert after two minutes; a new crossing
   is one at once.
5. Pages only for readings of a bound device at most five minutes old, and never for PL. Older than
   a minute: delayed.
6. A machine's own limit raises nothing while that machine tells of it itself.
7. Test data (HTEST) raises alerts of its own: nobody is called for those, and none of them may stand
   in for a real one. That something is over counts for both: it closes nothing a person owes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from subscriptions.core.alert import Alert, Cause, ResponseState, more_urgent
from subscriptions.core.constants import (
    DAMPED_FOR,
    DELAYED_AFTER,
    PAGES_UNTIL,
    STILL_PRESENT_AFTER,
)
from subscriptions.core.device_limits import told_by_machine
from subscriptions.core.findings import Finding
from subscriptions.core.grouping import incident_of
from subscriptions.core.life_cycle import observe, ring_again

Record = Literal[
    "raised",
    "priority-raised",
    "rang-again",
    "suppressed",
    "condition-back",
    "condition-ended",
    "stale",
]

_ANSWERED: Final[frozenset[ResponseState]] = frozenset(
    ("acknowledged", "accepted", "at-patient", "exhausted")
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`alert` as it is to be stored, `previous` as it was (None: new), what to tell and record."""

    alert: Alert
    previous: Alert | None
    cause: Cause
    record: Record


def decide(
    finding: Finding, alerts: Sequence[Alert], *, tenant: int, new_id: UUID, now: datetime
) -> Outcome | None:
    """Return what `finding` does to `alerts`, open or lately closed ones; None for nothing.

    `new_id` is used when a new alert is raised; it is its own incident unless it joins an open one.
    """
    known = [alert for alert in alerts if is_about(alert, finding)]
    current = next((alert for alert in known if alert.is_open), None)
    if finding.what in ("ended", "went-stale"):
        over = current or next((a for a in alerts if a.key == finding.key and a.is_open), None)
        return None if over is None else _over(over, finding, now)
    if current is not None:
        return _again(current, finding, now)
    if told_by_machine(finding, alerts):
        return None
    if finding.what in ("still-breached", "kept-alive") and _closed_lately(known, now):
        return None
    alert = _raised(finding, alerts, tenant, new_id, now)
    return Outcome(alert, None, "raised", "raised")


def is_about(alert: Alert, finding: Finding) -> bool:
    """Return whether `finding` speaks of what `alert` is about (rules 1 and 7)."""
    return alert.key == finding.key and alert.simulated == finding.simulated


def pages(finding: Finding) -> bool:
    """Return whether people are called for `finding` (rule 5)."""
    recent = finding.live or finding.age <= PAGES_UNTIL.value
    return recent and finding.bound and finding.priority != "PL"


def _raised(
    finding: Finding, alerts: Sequence[Alert], tenant: int, new_id: UUID, now: datetime
) -> Alert:
    joined = incident_of(
        finding.family,
        finding.device,
        finding.patient,
        now,
        alerts,
        simulated=finding.simulated,
    )
    return Alert(
        id=new_id,
        tenant=tenant,
        patient=finding.patient,
        device=finding.device,
        system=finding.system,
        code=finding.code,
        display=finding.display,
        kind=finding.kind,
        family=finding.family,
        priority=finding.priority,
        condition="present",
        response="none",
        signal="on",
        incident=joined or new_id,
        onset=finding.at,
        raised=now,
        updated=now,
        ended=None,
        closed=None,
        delayed=not finding.live and finding.age > DELAYED_AFTER.value,
        pages=pages(finding),
        generation=1,
        rule=finding.rule,
        rule_version=finding.rule_version,
        flag=None,
        simulated=finding.simulated,
        key=finding.key,
        rang=now,
    )


def _again(current: Alert, finding: Finding, now: datetime) -> Outcome | None:
    back = observe(current, "breach", finding.at, now)
    if more_urgent(finding.priority, current.priority):
        raised = replace(
            back.alert,
            priority=finding.priority,
            pages=current.pages or pages(finding),
            code=finding.code,
            system=finding.system,
            display=finding.display,
            rule=finding.rule,
            rule_version=finding.rule_version,
        )
        return Outcome(ring_again(raised, now), current, "priority-raised", "priority-raised")
    if pages(finding) and not current.pages and current.priority != "PL":
        live = replace(back.alert, pages=True, delayed=False)
        return Outcome(ring_again(live, now), current, "rang-again", "rang-again")
    if finding.worse and current.signal == "paused":
        return Outcome(ring_again(back.alert, now), current, "rang-again", "rang-again")
    if not back.applied:
        return None
    if current.condition != "absent":
        return Outcome(back.alert, current, "updated", "condition-back")
    return _crossed_again(current, back.alert, finding, now)


def _crossed_again(current: Alert, back: Alert, finding: Finding, now: datetime) -> Outcome:
    """Return what a new crossing of an open alert does (rule 3)."""
    if current.priority == "PH" or not finding.damped:
        if current.response in _ANSWERED:
            return Outcome(ring_again(back, now), current, "rang-again", "rang-again")
        return Outcome(back, current, "updated", "condition-back")
    last = current.rang or current.raised
    if (now - last).total_seconds() < DAMPED_FOR.value:
        return Outcome(back, current, "updated", "suppressed")
    return Outcome(ring_again(back, now), current, "rang-again", "rang-again")


def _over(current: Alert, finding: Finding, now: datetime) -> Outcome | None:
    event: Literal["end", "silence"] = "end" if finding.what == "ended" else "silence"
    step = observe(current, event, finding.at, now)
    if not step.applied:
        return None
    if event == "end":
        return Outcome(step.alert, current, "condition-ended", "condition-ended")
    return Outcome(step.alert, current, "updated", "stale")


def _closed_lately(known: Sequence[Alert], now: datetime) -> bool:
    return any(
        alert.closed is not None
        and (now - alert.closed).total_seconds() < STILL_PRESENT_AFTER.value
        for alert in known
    )
