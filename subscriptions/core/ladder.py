"""Who is told next, when, and what an answer changes: the ladder of one incident, pure.

One incident (alerts with one root cause) has one ladder. It rings the care team rung by rung until
somebody is at the patient's side. `step` takes what happened and returns the new state and what to
do about it; it reads no clock and sends nothing.

Rules
-----
1. Rung 1 is told at once. The next rung is told when its time comes, when somebody of the rungs
   told says they cannot come, or when nobody on a rung can be reached, whichever is first.
2. ``a`` (seen) stops the repeats to that person and nothing else. ``y`` (coming) does that and
   holds the next rung for at most `timing.HOLD`, once a round. ``n`` (cannot) rings the next rung
   now; from the only one who was at the patient it rings from rung 1. ``h`` (at the patient) stops
   the ladder; it rings again after `timing.RECHECK` unless the alert was closed meanwhile.
3. ``h`` from the patient, or from a telephone the patient shares, ends nothing where the priority
   is PH or the alert is one that only another person may end: it counts as ``a``.
4. A second ``h``, given after that recheck by somebody who may end the alert, closes it when its
   condition is over.
5. An answer covers only the alerts that were there when it was given: a new alert in the incident,
   a higher priority or a new crossing rings again from rung 1. While nobody has answered, a new
   alert of the same priority changes nothing: the telephones already ring.
6. Timers ignore whether the condition ended. A stopped pump ends the alarm while the patient
   bleeds.
7. When nobody is left to ask: everyone and the operator are told once, and the repeats go on.

Which timers exist is a function of the state (`ladder_state.timers`); a timer of an earlier round
is ignored.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from subscriptions.core.alert import more_urgent
from subscriptions.core.ladder_commands import (
    Cancel,
    Command,
    Confirm,
    Finish,
    Mark,
    Move,
    Page,
    Purpose,
    Schedule,
    Skip,
    TellOperator,
)
from subscriptions.core.ladder_events import (
    Due,
    Ended,
    Event,
    Replied,
    Ring,
    RosterChanged,
    Unreached,
)
from subscriptions.core.ladder_state import (
    Answer,
    Contact,
    Ladder,
    Person,
    Roster,
    rung_delay,
    timers,
)
from subscriptions.core.life_cycle import Transition
from subscriptions.core.timing import HOLD, RECHECK, Medium


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
        turn = _Turn(ladder, _roster(event), now)
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
        else:
            turn.finish(event.by)
    after = turn.result()
    return after, [*turn.commands, *_timer_changes(ladder, after)]


def _roster(event: Event) -> Roster:
    return () if isinstance(event, Ended) else event.roster


def _timer_changes(before: Ladder | None, after: Ladder) -> Iterable[Command]:
    old, new = timers(before), timers(after)
    same_round = before is not None and before.round == after.round
    for kind, at in new.items():
        if not same_round or old.get(kind) != at:
            yield Schedule(kind, at, after.round)
    for kind in old:
        if kind not in new:
            yield Cancel(kind)


def _ring(ladder: Ladder | None, event: Ring, now: datetime) -> "_Turn":
    if ladder is None:
        fresh = Ladder(event.priority, event.needs_other, (event.alert,), 0, now)
        turn = _Turn(fresh, event.roster, now)
        turn.start_round(())
        return turn
    known = event.alert in ladder.alerts
    closed = ladder.phase == "closed"
    higher = more_urgent(event.priority, ladder.priority)
    answered = ladder.phase == "at-patient" or any(p.answer for p in ladder.people)
    joined = replace(
        ladder,
        alerts=(event.alert,) if closed else (*ladder.alerts, *(() if known else (event.alert,))),
        priority=event.priority if closed or higher else ladder.priority,
        needs_other=event.needs_other or (ladder.needs_other and not closed),
        rechecked=False,
    )
    if not (closed or higher or event.again or (answered and not known)):
        turn = _Turn(replace(joined, rechecked=ladder.rechecked), event.roster, now)
        if not known:
            turn.move("notify", "")
        return turn
    turn = _Turn(joined, event.roster, now)
    turn.start_round(() if closed else _involved(ladder))
    return turn


def _involved(ladder: Ladder) -> tuple[str, ...]:
    """Return who rings at once in a new round besides rung 1: not who said they cannot come."""
    if ladder.phase == "at-patient":
        return tuple(p.member for p in ladder.people if p.answer == "h")
    return tuple(p.member for p in ladder.people if p.told and p.answer != "n")


@dataclass(slots=True)
class _Turn:
    """One step being worked out: a mutable copy of the state beside the commands it has earned."""

    ladder: Ladder
    roster: Roster
    now: datetime
    commands: list[Command] = field(default_factory=list)

    def result(self) -> Ladder:
        return self.ladder

    def start_round(self, involved: tuple[str, ...], *, rechecked: bool = False) -> None:
        timing = self.ladder.timing
        self.ladder = replace(
            self.ladder,
            round=self.ladder.round + 1,
            started=self.now,
            phase="ringing",
            rung=0,
            next_rung_at=None,
            emergency_at=None if timing.emergency is None else self.now + timing.emergency,
            recheck_at=None,
            held=False,
            exhausted=False,
            rechecked=rechecked,
            people=tuple(Person(p.member, p.pages) for p in self.ladder.people),
        )
        purpose: Purpose = "recheck" if rechecked else "alert"
        self.move("notify", "")
        for contact in self.roster:
            if contact.member in involved and contact.unreachable is None:
                self.page(contact.member, purpose, timing.first_media)
        self.climb(purpose)

    def climb(self, purpose: Purpose = "alert") -> None:
        """Tell the next rung that somebody can be reached on; the last step is exhaustion."""
        while (rung := self.next_rung()) is not None:
            reached = False
            for contact in self.roster:
                if contact.rung == rung:
                    reached = self.tell(contact, purpose) or reached
            if reached and self.ladder.rung > 0:
                self.move("escalate", "")
            self.ladder = replace(self.ladder, rung=rung)
            if reached:
                self.plan_next()
                return
        if self.anybody_left():
            self.plan_next()
        else:
            self.exhaust()

    def next_rung(self) -> int | None:
        return min((c.rung for c in self.roster if c.rung > self.ladder.rung), default=None)

    def anybody_left(self) -> bool:
        """Return whether somebody who was told may still answer."""
        return any(p.told and p.answer != "n" and p.skipped is None for p in self.ladder.people)

    def plan_next(self) -> None:
        if self.ladder.exhausted:
            return
        timing, rung = self.ladder.timing, self.next_rung()
        delay = timing.exhausted if rung is None else rung_delay(timing, rung)
        self.ladder = replace(self.ladder, next_rung_at=max(self.now, self.ladder.started + delay))

    def tell(self, contact: Contact, purpose: Purpose) -> bool:
        """Page `contact` unless that is done or impossible; return whether they are reached."""
        person = self.ladder.person(contact.member)
        if contact.unreachable is not None:
            if person.skipped != contact.unreachable:
                self.commands.append(Skip(contact.member, contact.unreachable))
                self.keep(replace(person, skipped=contact.unreachable, repeat_at=None))
            return False
        if not person.told:
            self.page(contact.member, purpose, self.ladder.timing.first_media)
        return True

    def page(self, member: str, purpose: Purpose, media: tuple[Medium, ...]) -> None:
        person = self.ladder.person(member)
        repeat_at = None if person.answer else self.next_repeat()
        number = person.pages + 1
        skipped = person.skipped if purpose == "repeat" else None
        self.keep(
            replace(person, pages=number, told=True, skipped=skipped, repeat_at=repeat_at),
        )
        self.commands.append(Page(member, purpose, media, number, self.ladder.round))

    def next_repeat(self) -> datetime | None:
        at = self.now + self.ladder.timing.repeat_every
        return at if at <= self.ladder.started + self.ladder.timing.repeat_for else None

    def keep(self, person: Person) -> None:
        others = self.ladder.people
        if all(p.member != person.member for p in others):
            self.ladder = replace(self.ladder, people=(*others, person))
        else:
            people = tuple(person if p.member == person.member else p for p in others)
            self.ladder = replace(self.ladder, people=people)

    def move(self, transition: Transition, by: str) -> None:
        self.commands.append(Move(transition, by))

    def contact(self, member: str) -> Contact | None:
        return next((c for c in self.roster if c.member == member), None)

    # What can happen

    def due(self, event: Due) -> None:
        if event.round != self.ladder.round:
            return
        if self.ladder.phase == "at-patient":
            if _is_due(self.ladder.recheck_at, self.now):
                self.move("ring-again", "")
                self.start_round(_involved(self.ladder), rechecked=True)
            return
        if _is_due(self.ladder.next_rung_at, self.now):
            if self.next_rung() is None:
                self.exhaust()
            else:
                self.climb()
        if _is_due(self.ladder.emergency_at, self.now):
            self.prompt_emergency()
        for person in self.ladder.people:
            if _is_due(person.repeat_at, self.now):
                self.repeat(person)

    def repeat(self, person: Person) -> None:
        contact = self.contact(person.member)
        if contact is None or contact.unreachable is not None:
            self.keep(replace(person, repeat_at=None))
            return
        self.page(person.member, "repeat", self.ladder.timing.repeat_media)

    def prompt_emergency(self) -> None:
        self.ladder = replace(self.ladder, emergency_at=None)
        told = {p.member for p in self.ladder.people if p.told}
        for contact in self.roster:
            if contact.member in told and contact.unreachable is None:
                self.page(contact.member, "emergency", self.ladder.timing.first_media)

    def exhaust(self) -> None:
        if self.ladder.exhausted:
            return
        self.ladder = replace(self.ladder, exhausted=True, next_rung_at=None)
        self.move("exhaust", "")
        self.commands.append(TellOperator("exhausted"))
        for contact in self.roster:
            if contact.unreachable is None:
                self.page(contact.member, "exhausted", self.ladder.timing.first_media)

    def replied(self, event: Replied) -> None:
        contact = self.contact(event.member)
        if contact is None:
            self.commands.append(Confirm(event.member, "ended"))
            return
        if event.answer == "h":
            self.arrived(event, contact)
        elif event.answer == "n":
            self.declined(event.member)
        else:
            self.seen(event.member, event.answer)

    def seen(self, member: str, answer: Answer) -> None:
        person = self.ladder.person(member)
        coming = answer == "y"
        if person.answer == "h" or (person.answer == "y" and not coming):
            self.commands.append(Confirm(member, "coming" if coming else "seen"))
            return
        self.keep(replace(person, answer=answer, repeat_at=None))
        self.commands.append(Mark(member, "accepted" if coming else "received"))
        self.move("accept" if coming else "acknowledge", member)
        if coming and not self.ladder.held and self.ladder.next_rung_at is not None:
            self.ladder = replace(
                self.ladder,
                held=True,
                next_rung_at=max(self.ladder.next_rung_at, self.now + HOLD),
            )
        self.commands.append(Confirm(member, "coming" if coming else "seen"))

    def declined(self, member: str) -> None:
        self.keep(replace(self.ladder.person(member), answer="n", repeat_at=None))
        self.commands.extend((Mark(member, "rejected"), Confirm(member, "declined")))
        if self.ladder.phase == "at-patient":
            if all(p.answer != "h" for p in self.ladder.people):
                self.move("ring-again", "")
                self.start_round(())
            return
        self.next_now()

    def next_now(self) -> None:
        if self.ladder.exhausted:
            return
        if self.next_rung() is not None:
            self.climb()
        elif not self.anybody_left():
            self.exhaust()

    def arrived(self, event: Replied, contact: Contact) -> None:
        member = event.member
        if contact.shares_with_patient and (
            self.ladder.priority == "PH" or self.ladder.needs_other
        ):
            self.keep(replace(self.ladder.person(member), answer="a", repeat_at=None))
            self.commands.append(Mark(member, "received"))
            self.move("acknowledge", member)
            self.commands.append(Confirm(member, "other-needed"))
            return
        self.keep(replace(self.ladder.person(member), answer="h", repeat_at=None))
        self.commands.append(Mark(member, "completed"))
        if self.ladder.rechecked and not event.condition_present:
            self.move("close", member)
            self.commands.append(Confirm(member, "over"))
            self.finish(member)
            return
        self.commands.append(Confirm(member, "here"))
        if self.ladder.phase == "at-patient":
            return
        self.move("arrive", member)
        for person in self.ladder.people:
            if person.member != member and person.told and person.answer != "n":
                self.commands.append(Mark(person.member, "cancelled"))
        self.ladder = replace(
            self.ladder,
            phase="at-patient",
            next_rung_at=None,
            emergency_at=None,
            recheck_at=self.now + RECHECK,
            people=tuple(replace(p, repeat_at=None) for p in self.ladder.people),
        )

    def unreached(self, event: Unreached) -> None:
        person = self.ladder.person(event.member)
        if self.ladder.phase != "ringing" or person.answer or person.skipped or not person.told:
            return
        self.keep(replace(person, skipped=event.reason))
        self.commands.append(Skip(event.member, event.reason))
        self.next_now()

    def roster_changed(self) -> None:
        present = {c.member for c in self.roster}
        for person in self.ladder.people:
            if person.told and person.member not in present:
                self.commands.append(Mark(person.member, "cancelled"))
        self.ladder = replace(
            self.ladder, people=tuple(p for p in self.ladder.people if p.member in present)
        )
        if self.ladder.phase != "ringing":
            return
        awaited = self.awaited()
        for contact in self.roster:
            if contact.rung <= self.ladder.rung:
                self.tell(contact, "alert")
        if awaited - self.awaited() or not self.anybody_left():
            self.next_now()

    def awaited(self) -> set[str]:
        """Return who was told, can be reached and has not answered."""
        people = self.ladder.people
        return {p.member for p in people if p.told and p.answer is None and p.skipped is None}

    def finish(self, by: str) -> None:
        for person in self.ladder.people:
            if person.told and person.answer not in ("n", "h"):
                self.commands.append(Mark(person.member, "cancelled"))
        self.ladder = replace(
            self.ladder,
            phase="closed",
            next_rung_at=None,
            emergency_at=None,
            recheck_at=None,
            people=tuple(replace(p, repeat_at=None) for p in self.ladder.people),
        )
        self.commands.append(Finish(by))

    def closed(self, event: Event) -> None:
        if isinstance(event, Replied):
            self.commands.append(Confirm(event.member, "ended"))


def _is_due(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now
