"""Machine alarm events (IHE PCD-04 shaped) as findings.

``start`` and ``continue`` say that the condition is there, ``end`` or an inactive state that it is
over; what people owe the patient does not end with it. An event whose state is active is always
live, however late it arrives, unless the same batch also brings its end.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fhirserver.kernel.canonical import ALERT_CODES, MDC
from fhirserver.kernel.readings import DeviceEvent, Priority
from subscriptions.core.alert import Alert, Family, more_urgent
from subscriptions.core.constants import DELAYED_AFTER
from subscriptions.core.event_codes import EVENTS, HIGH, LOW, OWN_EVENTS, STATED, EventCode
from subscriptions.core.findings import Finding, What
from subscriptions.core.parameters import BY_CODE

# Why there is an alert that a machine raised itself.
MACHINE_EVENT: Final = "machine event"
_VENOUS_PRESSURE: Final = "158776"


def judge_events(events: Sequence[DeviceEvent]) -> list[Finding]:
    """Return the findings of `events`, in their order; information (PI, PN) yields none."""
    findings: list[Finding] = []
    for position, event in enumerate(events):
        ended_later = any(_same(event, later) and _over(later) for later in events[position + 1 :])
        finding = judge_event(event, ended_later=ended_later)
        if finding is not None:
            findings.append(finding)
    return findings


def judge_event(event: DeviceEvent, *, ended_later: bool) -> Finding | None:
    """Return what `event` means, None for information. `ended_later`: its end is known already."""
    known = event_code(event.event, event.source)
    priority = _priority(known, event.priority)
    if priority is None:
        return None
    over = _over(event)
    stale_news = ended_later and event.age > DELAYED_AFTER.value
    what: What = "ended" if over else "breached"
    if not over and event.phase == "continue":
        what = "kept-alive"
    unbound = event.patient is None
    return Finding(
        what=what,
        key=f"event:{event.device}:{event.event}:{event.source or ''}",
        patient=event.patient,
        device=event.device,
        system=ALERT_CODES if event.event in OWN_EVENTS else MDC,
        code=event.event,
        display=known.display,
        kind="technical" if unbound else known.kind,
        family=known.family,
        priority="PH" if unbound else priority,
        at=event.effective,
        age=event.age,
        # An alarm nobody is bound to goes to those on call: somebody may be on that machine.
        bound=not stale_news,
        live=event.state == "active" and not stale_news,
        damped=False,
        rule=None,
        rule_version=None,
        evidence=None,
        simulated=event.simulated,
        detail={
            "reason": MACHINE_EVENT,
            "alarm": event.alarm_id,
            "source": event.source,
            "phase": event.phase,
            "state": event.state,
            "stated": event.priority,
            "value": None if event.value is None else str(event.value),
            "unit": event.unit,
            "effective": event.effective.isoformat(),
            "unbound": unbound,
        },
    )


def no_longer_repeated(alert: Alert, now: datetime) -> Finding:
    """Return the finding for an alert whose machine has fallen silent about it: nobody knows."""
    return Finding(
        what="went-stale",
        key=alert.key,
        patient=alert.patient,
        device=alert.device,
        system=alert.system,
        code=alert.code,
        display=alert.display,
        kind=alert.kind,
        family=alert.family,
        priority=alert.priority,
        at=now,
        age=0.0,
        bound=alert.pages,
        live=True,
        damped=False,
        rule=None,
        rule_version=None,
        evidence=None,
        simulated=alert.simulated,
        detail={"reason": "no longer repeated by the machine"},
    )


def event_code(code: str, source: str | None) -> EventCode:
    """Return what is known of an event; one out of limits is named after its parameter."""
    if code in (LOW, HIGH):
        return _out_of_limits(code, source)
    return (
        EVENTS.get(code)
        or OWN_EVENTS.get(code)
        or EventCode(code, f"machine event {code}", "other", "technical", None)
    )


def _out_of_limits(code: str, source: str | None) -> EventCode:
    side = "low" if code == LOW else "high"
    parameter = BY_CODE.get(source or "")
    if parameter is None:
        return EventCode(code, f"value {side}", "other", "technical", None)
    family: Family = parameter.low if code == LOW else parameter.high
    # [P] The machine watches venous pressure against a window it has centred itself: low there is
    # PH.
    least: Priority | None = "PH" if code == LOW and source == _VENOUS_PRESSURE else None
    kind = "technical" if parameter.in_circuit else "physiological"
    return EventCode(
        code,
        f"{parameter.display} {side}",
        family,
        "technical" if kind == "technical" else "physiological",
        least,
    )


def _priority(known: EventCode, stated: str) -> Priority | None:
    said = STATED.get(stated, "PM")
    if known.least is None:
        return said
    return known.least if said is None or more_urgent(known.least, said) else said


def _over(event: DeviceEvent) -> bool:
    return event.phase == "end" or event.state in ("off", "inactive")


def _same(event: DeviceEvent, other: DeviceEvent) -> bool:
    return (event.device, event.event, event.source) == (other.device, other.event, other.source)
