"""The life cycle of an alert: three independent axes, one table each.

Everything that moves an alert from one state to another stands in this file. If you add a state,
add its rows here, its text to the rules below and its case to the tests; nothing else decides about
states.

Rules
-----
1. The three axes are independent. *Condition* is what the body or the machine says, *response* is
   what people did, *signal* is whether it rings. An ended condition never touches the response: a
   pump that stopped ends the machine's alarm while the patient bleeds.
2. A PH alert, and any alert about blood loss, air, hypotension or lost monitoring, latches: when
   its condition ends the signal becomes ``latched`` and only a person ends it. Other PM and PL
   alerts close by themselves once their condition is over and somebody has answered, whichever
   comes last.
3. The patient alone cannot end a latching alert: ``arrive`` and ``close`` by ``Patient/<the
   patient>`` are refused. A reply by telephone may come from a number the patient shares; whoever
   reads replies refuses those before they get here.
4. ``ring-again`` starts a new generation: the response begins anew, whatever was answered before.
   It is the only way back, and it is open to every state but ``closed``.
5. ``closed`` is final. A new crossing after it is a new alert.
6. A transition the table does not know changes nothing and is not an error: answers arrive late,
   twice and out of order. The caller records it as ignored.
7. An answer never weakens a stronger one: ``deliver`` does not undo ``acknowledge``,
   ``acknowledge`` does not undo ``accept``, that others are asked or nobody is left to ask undoes
   neither, nothing but ``ring-again`` and ``close`` leaves ``at-patient``.
8. ``pause`` silences only what somebody has answered and what does not latch; how long, and what
   ends it early, is `subscriptions.core.ladder`'s business. A paused alert that is rung again, or
   answered by somebody who is at the patient's side, rings or rests like any other.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from fhirserver.kernel.errors import Forbidden
from subscriptions.core.alert import Alert, Condition, Family, ResponseState, Signal

Transition = Literal[
    "notify",
    "deliver",
    "acknowledge",
    "accept",
    "arrive",
    "escalate",
    "exhaust",
    "ring-again",
    "pause",
    "resume",
    "close",
]
ConditionEvent = Literal["breach", "end", "silence"]

# Families a machine's own "it is over" never closes: what stopped may be the pump, not the
# bleeding.
ENDED_BY_A_PERSON_ONLY: Final[frozenset[Family]] = frozenset(
    ("blood-loss", "air", "hypotension", "monitoring-lost")
)

_ANSWERED: Final[frozenset[ResponseState]] = frozenset(("acknowledged", "accepted", "at-patient"))

# (response now, transition) -> response then
RESPONSES: Final[dict[tuple[ResponseState, Transition], ResponseState]] = {
    ("none", "notify"): "notifying",
    ("none", "deliver"): "delivered",
    ("none", "acknowledge"): "acknowledged",
    ("none", "accept"): "accepted",
    ("none", "arrive"): "at-patient",
    ("none", "escalate"): "escalated",
    ("none", "exhaust"): "exhausted",
    ("none", "ring-again"): "notifying",
    ("none", "close"): "closed",
    ("notifying", "deliver"): "delivered",
    ("notifying", "acknowledge"): "acknowledged",
    ("notifying", "accept"): "accepted",
    ("notifying", "arrive"): "at-patient",
    ("notifying", "escalate"): "escalated",
    ("notifying", "exhaust"): "exhausted",
    ("notifying", "ring-again"): "notifying",
    ("notifying", "close"): "closed",
    ("delivered", "acknowledge"): "acknowledged",
    ("delivered", "accept"): "accepted",
    ("delivered", "arrive"): "at-patient",
    ("delivered", "escalate"): "escalated",
    ("delivered", "exhaust"): "exhausted",
    ("delivered", "ring-again"): "notifying",
    ("delivered", "close"): "closed",
    ("acknowledged", "accept"): "accepted",
    ("acknowledged", "arrive"): "at-patient",
    ("acknowledged", "ring-again"): "notifying",
    ("acknowledged", "close"): "closed",
    ("accepted", "arrive"): "at-patient",
    ("accepted", "ring-again"): "notifying",
    ("accepted", "close"): "closed",
    ("escalated", "acknowledge"): "acknowledged",
    ("escalated", "accept"): "accepted",
    ("escalated", "arrive"): "at-patient",
    ("escalated", "exhaust"): "exhausted",
    ("escalated", "ring-again"): "notifying",
    ("escalated", "close"): "closed",
    ("exhausted", "acknowledge"): "acknowledged",
    ("exhausted", "accept"): "accepted",
    ("exhausted", "arrive"): "at-patient",
    ("exhausted", "ring-again"): "notifying",
    ("exhausted", "close"): "closed",
    ("at-patient", "ring-again"): "notifying",
    ("at-patient", "close"): "closed",
}

# (signal now, transition) -> signal then; absent pairs leave the signal alone
SIGNALS: Final[dict[tuple[Signal, Transition], Signal]] = {
    ("on", "pause"): "paused",
    ("paused", "resume"): "on",
    ("paused", "ring-again"): "on",
    ("off", "ring-again"): "on",
    ("latched", "ring-again"): "on",
    ("on", "close"): "off",
    ("paused", "close"): "off",
    ("latched", "close"): "off",
}

# (condition now, event) -> condition then
CONDITIONS: Final[dict[tuple[Condition, ConditionEvent], Condition]] = {
    ("pending", "breach"): "present",
    ("pending", "end"): "absent",
    ("absent", "breach"): "present",
    ("stale", "breach"): "present",
    ("present", "end"): "absent",
    ("stale", "end"): "absent",
    ("present", "silence"): "stale",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What a transition did: the alert after it, and whether the table knew it (`applied`)."""

    alert: Alert
    applied: bool


def latches(alert: Alert) -> bool:
    """Return whether only a person may end `alert` (rule 2)."""
    return alert.priority == "PH" or alert.family in ENDED_BY_A_PERSON_ONLY


def respond(alert: Alert, transition: Transition, by: str, now: datetime) -> Step:
    """Apply what a person or the ladder did; `by` is the reference of who did it.

    Raises `Forbidden` when the patient tries to end a latching alert alone (rule 3).
    """
    if transition in ("arrive", "close") and latches(alert) and by == f"Patient/{alert.patient}":
        raise Forbidden(
            "this alert is ended by somebody at the patient's side, not by the patient alone"
        )
    if transition in ("pause", "resume"):
        signal = SIGNALS.get((alert.signal, transition))
        refused = transition == "pause" and (latches(alert) or alert.response not in _ANSWERED)
        if signal is None or refused or not alert.is_open:
            return Step(alert, applied=False)
        return Step(replace(alert, signal=signal, updated=now), applied=True)
    response = RESPONSES.get((alert.response, transition))
    if response is None:
        return Step(alert, applied=False)
    after = replace(
        alert,
        response=response,
        signal=SIGNALS.get((alert.signal, transition), alert.signal),
        updated=now,
    )
    if transition == "ring-again":
        after = replace(after, generation=alert.generation + 1, rang=now)
    if transition == "close":
        after = replace(after, closed=now)
    return Step(_closed_by_itself(after, now), applied=True)


def observe(alert: Alert, event: ConditionEvent, at: datetime, now: datetime) -> Step:
    """Apply what the body or the machine did at `at` (its own time), learned `now`."""
    condition = CONDITIONS.get((alert.condition, event))
    if condition is None or not alert.is_open:
        return Step(alert, applied=False)
    if event == "end":
        after = replace(
            alert,
            condition=condition,
            ended=max(at, alert.onset),
            signal="latched" if latches(alert) and alert.signal == "on" else alert.signal,
            updated=now,
        )
        return Step(_closed_by_itself(after, now), applied=True)
    if event == "breach":
        signal: Signal = "on" if alert.signal == "latched" else alert.signal
        return Step(
            replace(alert, condition=condition, ended=None, signal=signal, updated=now),
            applied=True,
        )
    return Step(replace(alert, condition=condition, updated=now), applied=True)


def ring_again(alert: Alert, now: datetime) -> Alert:
    """Return `alert` as a new generation (rule 4); a closed one is returned as it is."""
    return respond(alert, "ring-again", "", now).alert


def _closed_by_itself(alert: Alert, now: datetime) -> Alert:
    over = alert.condition == "absent" and alert.response in _ANSWERED
    if not over or latches(alert) or not alert.is_open:
        return alert
    return replace(alert, response="closed", signal="off", closed=now)
