"""Who is told next, when, and what an answer changes: the ladder of one incident, pure.

One incident (alerts with one root cause) has one ladder. It rings the care team rung by rung until
somebody is at the patient's side. `step` takes what happened and returns the new state and what to
do about it; it reads no clock and sends nothing.

Rules
-----
1. Rung 1 is told at once. The next rung is told when its time comes, when somebody of the rungs
   told says they cannot come, or when nobody on a rung can be reached, whichever is first. Within a
   rung a PH rings all at once, a PM one escalation order after the other.
2. ``a`` (seen) stops the repeats to that person and nothing else. ``y`` (coming) does that and
   holds the next rung for at most `timing.HOLD`, once. ``n`` (cannot) rings the next rung
   now; from the only one who was at the patient it rings from rung 1. ``h`` (at the patient) stops
   the ladder; it rings again after `timing.RECHECK` unless the alert was closed meanwhile.
3. ``h`` and ``y`` from the patient, or from a telephone the patient shares, end and delay nothing
   where the priority is PH or the alert is one that only another person may end: both count as
   ``a``.
4. A second ``h``, given after that recheck by somebody who may end the alert, closes it when its
   condition is over.
5. An answer covers only the alerts that were there when it was given: a new alert in the incident,
   a higher priority or a new crossing rings again from rung 1. While nobody has answered and the
   telephones already ring, a new alert of the same priority changes nothing. What rings a PH anew
   before anybody is at the patient's side delays nobody: the next rung and the emergency prompt
   come when they would have, so that no number of ``a`` and ``y`` keeps the nurse from being called.
6. Timers ignore whether the condition ended. A stopped pump ends the alarm while the patient
   bleeds.
7. When nobody is left to ask: everyone and the operator are told once, and the repeats go on. What
   is still open a while later rings from rung 1 again, and again: no ladder that is not over ever
   waits for nothing. Only a PM whose condition has ended waits without ringing.
8. In somebody's quiet hours anything less than a PH passes them over; when everybody has been asked
   they are told like all others. An alert that says the alarm itself is deaf knows neither rungs
   nor quiet hours.
9. A PM that is not one of rule 3 may be paused, for at most `timing.PAUSE_AT_MOST`, by somebody who
   has answered. It rings again when the pause ends and the condition lasts, and at once for
   anything new.
10. The roster is asked anew at every step and when it changes by itself.

Which timers exist is a function of the state (`ladder_state.timers`); a timer of an earlier round
is ignored.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from subscriptions.core.alert import more_urgent
from subscriptions.core.ladder_commands import Cancel, Command, Schedule, TellOperator
from subscriptions.core.ladder_events import (
    Due,
    Ended,
    Event,
    Paused,
    Replied,
    Ring,
    RosterChanged,
    Unreached,
)
from subscriptions.core.ladder_state import Ladder, Roster, timers
from subscriptions.core.ladder_telling import involved
from subscriptions.core.ladder_turn import Turn


def step(ladder: Ladder | None, event: Event, now: datetime) -> tuple[Ladder | None, list[Command]]:
    """Return the state after `event` and what to do, in order.

    Only `Ring` starts a ladder; any other event before it, or after the end, does nothing but
    answer whoever replied.
    """
    if isinstance(event, Ring):
        turn = _ring(ladder, event, now)
    elif ladder is None:
        return None, []
    else:
        turn = Turn(ladder, _roster(event), now)
        if ladder.phase == "closed":
            turn.closed(event)
        elif isinstance(event, Due):
            turn.due(event)
        elif isinstance(event, Replied):
            turn.replied(event)
        elif isinstance(event, Unreached):
            turn.unreached(event)
        elif isinstance(event, RosterChanged):
            turn.roster_changed()
        elif isinstance(event, Paused):
            turn.paused(event)
        else:
            turn.finish(event.by)
    after = _watching(turn.ladder, turn.roster)
    return after, [*turn.commands, *_timer_changes(ladder, after, event, now)]


def _roster(event: Event) -> Roster:
    return Roster() if isinstance(event, Ended) else event.roster


def _watching(ladder: Ladder, roster: Roster) -> Ladder:
    """Return `ladder` as it waits for the next change of its roster, while it rings."""
    until = roster.until if ladder.phase == "ringing" else None
    return ladder if ladder.roster_until == until else replace(ladder, roster_until=until)


def _timer_changes(
    before: Ladder | None, after: Ladder, event: Event, now: datetime
) -> Iterable[Command]:
    """Yield what brings the timers in line; those that have come due are gone, and set again."""
    old, new = timers(before), timers(after)
    same_round = before is not None and before.round == after.round
    for kind, at in new.items():
        is_gone = isinstance(event, Due) and at <= now
        if not same_round or old.get(kind) != at or is_gone:
            yield Schedule(kind, at, after.round)
    for kind in old:
        if kind not in new:
            yield Cancel(kind)


def _ring(ladder: Ladder | None, event: Ring, now: datetime) -> Turn:
    if ladder is None:
        fresh = Ladder(
            priority=event.priority,
            needs_other=event.needs_other,
            alerts=(event.alert,),
            round=0,
            started=now,
            begun=now,
            everyone=event.everyone,
        )
        return _started(Turn(fresh, event.roster, now), event, ())
    known = event.alert in ladder.alerts
    closed = ladder.phase == "closed"
    higher = more_urgent(event.priority, ladder.priority)
    wider = event.everyone and not ladder.everyone
    silent = ladder.phase == "at-patient" or ladder.paused_until is not None
    worn_out = now - ladder.begun > event.roster.pace[ladder.priority].repeat_for
    answered = silent or worn_out or any(p.answer for p in ladder.people)
    goes_on = ladder.phase == "ringing" and not (higher or ladder.exhausted)
    joined = replace(
        ladder,
        alerts=(event.alert,) if closed else (*ladder.alerts, *(() if known else (event.alert,))),
        priority=event.priority if closed or higher else ladder.priority,
        needs_other=event.needs_other or (ladder.needs_other and not closed),
        everyone=event.everyone or (ladder.everyone and not closed),
        rechecked=False,
    )
    if not (closed or higher or wider or event.again or (answered and not known)):
        turn = Turn(replace(joined, rechecked=ladder.rechecked), event.roster, now)
        if not known:
            turn.move("notify", "")
        return turn
    counting = ladder.counted_from if goes_on and ladder.priority == "PH" else None
    told = () if closed else involved(ladder)
    return _started(Turn(joined, event.roster, now), event, told, counting)


def _started(
    turn: Turn, event: Ring, involved: tuple[str, ...], counting: datetime | None = None
) -> Turn:
    turn.start_round(involved, counting=counting)
    if event.everyone:
        turn.commands.append(TellOperator("monitoring-lost"))
    return turn
