"""One step of a ladder being worked out: what each event does to the state (see `core.ladder`)."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from subscriptions.core.ladder_commands import (
    Command,
    Confirm,
    Finish,
    Mark,
    Move,
    Page,
    Purpose,
    Skip,
    TellOperator,
)
from subscriptions.core.ladder_events import Due, Event, Replied, Unreached
from subscriptions.core.ladder_state import (
    Answer,
    Contact,
    Ladder,
    Person,
    Roster,
    rung_delay,
)
from subscriptions.core.life_cycle import Transition
from subscriptions.core.timing import HOLD, RECHECK, Medium


def involved(ladder: Ladder) -> tuple[str, ...]:
    """Return who rings at once in a new round besides rung 1: not who said they cannot come."""
    if ladder.phase == "at-patient":
        return tuple(p.member for p in ladder.people if p.answer == "h")
    return tuple(p.member for p in ladder.people if p.told and p.answer != "n")


@dataclass(slots=True)
class Turn:
    """One step being worked out: a mutable copy of the state beside the commands it has earned."""

    ladder: Ladder
    roster: Roster
    now: datetime
    commands: list[Command] = field(default_factory=list)

    def start_round(self, involved: tuple[str, ...], *, rechecked: bool = False) -> None:
        """Ring from rung 1, and those `involved` already at once with it."""
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
                self._page(contact.member, purpose, timing.first_media)
        self._climb(purpose)

    def _climb(self, purpose: Purpose = "alert") -> None:
        """Tell the next rung that somebody can be reached on; the last step is exhaustion."""
        while (rung := self._next_rung()) is not None:
            reached = False
            for contact in self.roster:
                if contact.rung == rung:
                    reached = self._tell(contact, purpose) or reached
            if reached and self.ladder.rung > 0:
                self.move("escalate", "")
            self.ladder = replace(self.ladder, rung=rung)
            if reached:
                self._plan_next()
                return
        if self._anybody_left():
            self._plan_next()
        else:
            self._exhaust()

    def _next_rung(self) -> int | None:
        return min((c.rung for c in self.roster if c.rung > self.ladder.rung), default=None)

    def _anybody_left(self) -> bool:
        """Return whether somebody who was told may still answer."""
        return any(p.told and p.answer != "n" and p.skipped is None for p in self.ladder.people)

    def _plan_next(self) -> None:
        """Set when the next rung, or after the last one exhaustion, comes due."""
        if self.ladder.exhausted:
            return
        timing, rung = self.ladder.timing, self._next_rung()
        delay = timing.exhausted if rung is None else rung_delay(timing, rung)
        self.ladder = replace(self.ladder, next_rung_at=max(self.now, self.ladder.started + delay))

    def _tell(self, contact: Contact, purpose: Purpose) -> bool:
        """Page `contact` unless that is done or impossible; return whether they are reached."""
        person = self.ladder.person(contact.member)
        if contact.unreachable is not None:
            if person.skipped != contact.unreachable:
                self.commands.append(Skip(contact.member, contact.unreachable))
                self._keep(replace(person, skipped=contact.unreachable, repeat_at=None))
            return False
        if not person.told:
            self._page(contact.member, purpose, self.ladder.timing.first_media)
        return True

    def _page(self, member: str, purpose: Purpose, media: tuple[Medium, ...]) -> None:
        """Tell `member` once more and plan the repeat, unless they have answered."""
        person = self.ladder.person(member)
        repeat_at = None if person.answer else self._next_repeat()
        number = person.pages + 1
        skipped = person.skipped if purpose == "repeat" else None
        self._keep(
            replace(person, pages=number, told=True, skipped=skipped, repeat_at=repeat_at),
        )
        self.commands.append(Page(member, purpose, media, number, self.ladder.round))

    def _next_repeat(self) -> datetime | None:
        at = self.now + self.ladder.timing.repeat_every
        return at if at <= self.ladder.started + self.ladder.timing.repeat_for else None

    def _keep(self, person: Person) -> None:
        others = self.ladder.people
        if all(p.member != person.member for p in others):
            self.ladder = replace(self.ladder, people=(*others, person))
        else:
            people = tuple(person if p.member == person.member else p for p in others)
            self.ladder = replace(self.ladder, people=people)

    def move(self, transition: Transition, by: str) -> None:
        """Move every alert of the incident along the response axis."""
        self.commands.append(Move(transition, by))

    def _contact(self, member: str) -> Contact | None:
        return next((c for c in self.roster if c.member == member), None)

    def due(self, event: Due) -> None:
        """Do everything whose time has come, in its order; a timer of an earlier round does nothing."""
        if event.round != self.ladder.round:
            return
        if self.ladder.phase == "at-patient":
            if _is_due(self.ladder.recheck_at, self.now):
                self.move("ring-again", "")
                self.start_round(involved(self.ladder), rechecked=True)
            return
        if _is_due(self.ladder.next_rung_at, self.now):
            if self._next_rung() is None:
                self._exhaust()
            else:
                self._climb()
        if _is_due(self.ladder.emergency_at, self.now):
            self._prompt_emergency()
        for person in self.ladder.people:
            if _is_due(person.repeat_at, self.now):
                self._repeat(person)

    def _repeat(self, person: Person) -> None:
        """Tell somebody again who has not answered and can still be reached."""
        contact = self._contact(person.member)
        if contact is None or contact.unreachable is not None:
            self._keep(replace(person, repeat_at=None))
            return
        self._page(person.member, "repeat", self.ladder.timing.repeat_media)

    def _prompt_emergency(self) -> None:
        """Ask everyone told, whatever they answered, to call the emergency services."""
        self.ladder = replace(self.ladder, emergency_at=None)
        told = {p.member for p in self.ladder.people if p.told}
        for contact in self.roster:
            if contact.member in told and contact.unreachable is None:
                self._page(contact.member, "emergency", self.ladder.timing.first_media)

    def _exhaust(self) -> None:
        """Tell everyone and the operator, once a round."""
        if self.ladder.exhausted:
            return
        self.ladder = replace(self.ladder, exhausted=True, next_rung_at=None)
        self.move("exhaust", "")
        self.commands.append(TellOperator("exhausted"))
        for contact in self.roster:
            if contact.unreachable is None:
                self._page(contact.member, "exhausted", self.ladder.timing.first_media)

    def replied(self, event: Replied) -> None:
        """Act on an answer; who is not on the roster any more is told it is over."""
        contact = self._contact(event.member)
        if contact is None:
            self.commands.append(Confirm(event.member, "ended"))
            return
        if event.answer == "h":
            self._arrived(event, contact)
        elif event.answer == "n":
            self._declined(event.member)
        else:
            self._seen(event.member, event.answer)

    def _seen(self, member: str, answer: Answer) -> None:
        """Act on ``a`` or ``y``; an answer never weakens a stronger one."""
        person = self.ladder.person(member)
        coming = answer == "y"
        if person.answer == "h" or (person.answer == "y" and not coming):
            self.commands.append(Confirm(member, "coming" if coming else "seen"))
            return
        self._keep(replace(person, answer=answer, repeat_at=None))
        self.commands.append(Mark(member, "accepted" if coming else "received"))
        self.move("accept" if coming else "acknowledge", member)
        if coming and not self.ladder.held and self.ladder.next_rung_at is not None:
            self.ladder = replace(
                self.ladder,
                held=True,
                next_rung_at=max(self.ladder.next_rung_at, self.now + HOLD),
            )
        self.commands.append(Confirm(member, "coming" if coming else "seen"))

    def _declined(self, member: str) -> None:
        """Act on ``n``."""
        self._keep(replace(self.ladder.person(member), answer="n", repeat_at=None))
        self.commands.extend((Mark(member, "rejected"), Confirm(member, "declined")))
        if self.ladder.phase == "at-patient":
            if all(p.answer != "h" for p in self.ladder.people):
                self.move("ring-again", "")
                self.start_round(())
            return
        self._next_now()

    def _next_now(self) -> None:
        """Ring the next rung without waiting; exhaust when nobody is left to ask."""
        if self.ladder.exhausted:
            return
        if self._next_rung() is not None:
            self._climb()
        elif not self._anybody_left():
            self._exhaust()

    def _arrived(self, event: Replied, contact: Contact) -> None:
        """Act on ``h``."""
        member = event.member
        if contact.shares_with_patient and (
            self.ladder.priority == "PH" or self.ladder.needs_other
        ):
            self._keep(replace(self.ladder.person(member), answer="a", repeat_at=None))
            self.commands.append(Mark(member, "received"))
            self.move("acknowledge", member)
            self.commands.append(Confirm(member, "other-needed"))
            return
        self._keep(replace(self.ladder.person(member), answer="h", repeat_at=None))
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
        """Ring the next rung when what was sent to somebody did not arrive, once a person."""
        person = self.ladder.person(event.member)
        if self.ladder.phase != "ringing" or person.answer or person.skipped or not person.told:
            return
        self._keep(replace(person, skipped=event.reason))
        self.commands.append(Skip(event.member, event.reason))
        self._next_now()

    def roster_changed(self) -> None:
        """Drop who left, tell who joined a rung already told, pass over who cannot be reached."""
        present = {c.member for c in self.roster}
        for person in self.ladder.people:
            if person.told and person.member not in present:
                self.commands.append(Mark(person.member, "cancelled"))
        self.ladder = replace(
            self.ladder, people=tuple(p for p in self.ladder.people if p.member in present)
        )
        if self.ladder.phase != "ringing":
            return
        awaited = self._awaited()
        for contact in self.roster:
            if contact.rung <= self.ladder.rung:
                self._tell(contact, "alert")
        if awaited - self._awaited() or not self._anybody_left():
            self._next_now()

    def _awaited(self) -> set[str]:
        """Return who was told, can be reached and has not answered."""
        people = self.ladder.people
        return {p.member for p in people if p.told and p.answer is None and p.skipped is None}

    def finish(self, by: str) -> None:
        """End the ladder and what is still asked of people."""
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
        """Answer whoever replies to a ladder that is over."""
        if isinstance(event, Replied):
            self.commands.append(Confirm(event.member, "ended"))


def _is_due(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now
