"""What a patient's treatments owe people to be told: nobody would hear an alarm, an end is missing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from subscriptions.core import arming, session
from subscriptions.core.arming import Arming
from subscriptions.core.findings import Finding, What
from subscriptions.core.session import Session


@dataclass(frozen=True, slots=True)
class Judged:
    """The treatments that go on, each with when time itself does something to it next, and what is told."""

    going_on: tuple[tuple[Session, datetime | None], ...]
    findings: tuple[Finding, ...]


def judged(
    going_on: Sequence[Session],
    over: Sequence[Session],
    known: Arming,
    now: datetime,
    *,
    required: bool,
) -> Judged:
    """Judge a patient's treatments: those that go on, and those that are `over` since they were judged last.

    There is one alert that monitoring is not armed, whatever the number of machines. A treatment that begins
    unarmed rings anew although the one before it did. `required` False: that alert is never raised.
    """
    after: list[tuple[Session, datetime | None]] = []
    newly: list[Session] = []
    ends: list[Finding] = [
        session.end_missing_finding(one, "ended", now) for one in over if one.end_told
    ]
    was_told = next((one for one in (*over, *going_on) if one.told), None)
    for one in going_on:
        tell = arming.tell_at(known, one.started) if required else None
        told = tell is not None and one.live and (one.told or tell <= now)
        if told and not one.told:
            newly.append(one)
        missing = session.end_missing_at(one)
        end_missing = missing is not None and missing <= now
        if end_missing:
            ends.append(session.end_missing_finding(one, "breached", now))
        next_ = replace(one, told=told, end_told=one.end_told or end_missing)
        after.append((next_, session.due_at(next_, tell)))
    findings: list[Finding] = []
    if was_told is not None and (newly or not any(one.told for one, _ in after)):
        findings.append(_not_armed(was_told, known, "ended", now))
    findings += [_not_armed(one, known, "breached", now) for one in newly]
    return Judged(tuple(after), (*findings, *ends))


def _not_armed(one: Session, known: Arming, what: What, now: datetime) -> Finding:
    return arming.not_armed_finding(
        patient=one.patient,
        device=one.device,
        what=what,
        reason=known.reason,
        simulated=one.simulated,
        live=one.live,
        at=now,
    )
