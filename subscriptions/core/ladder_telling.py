"""Telling people: one round of a ladder, step by step up to everyone and the operator."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from subscriptions.core.ladder_commands import (
    Command,
    Move,
    Page,
    Purpose,
    Skip,
    TellOperator,
)
from subscriptions.core.ladder_state import (
    BEFORE_THE_FIRST,
    Contact,
    Ladder,
    Person,
    Roster,
    Step,
    delay_of,
    step_of,
)
from subscriptions.core.life_cycle import Transition
from subscriptions.core.timing import LadderTiming, Medium

_NURSE_RUNG = 3


def involved(ladder: Ladder) -> tuple[str, ...]:
    """Return who rings at once in a new round besides rung 1: not who said they cannot come."""
    if ladder.phase == "at-patient":
        return tuple(p.member for p in ladder.people if p.answer == "h")
    return tuple(p.member for p in ladder.people if p.told and p.answer != "n")


@dataclass(slots=True)
class Telling:
    """A step being worked out: a mutable copy of the state beside the commands it has earned."""

    ladder: Ladder
    roster: Roster
    now: datetime
    commands: list[Command] = field(default_factory=list)

    @property
    def timing(self) -> LadderTiming:
        """Return the times that hold for this incident."""
        return self.roster.pace[self.ladder.priority]

    def start_round(
        self,
        involved: tuple[str, ...],
        *,
        rechecked: bool = False,
        still_open: bool = False,
        counting: datetime | None = None,
    ) -> None:
        """Ring from rung 1, and those `involved` already at once with it.

        `still_open`: nothing is new, nobody has come; what is limited in time goes on counting.
        `counting`: nobody has come since then, so that the next rung and the prompt come no later
        than they would have.
        """
        timing = self.timing
        self.unpause()
        prompt_at = None if timing.emergency is None else self.now + timing.emergency
        if counting is not None and self.ladder.emergency_at is not None:
            prompt_at = self.ladder.emergency_at
        self.ladder = replace(
            self.ladder,
            round=self.ladder.round + 1,
            started=self.now,
            begun=self.ladder.begun if still_open else self.now,
            phase="ringing",
            reached=BEFORE_THE_FIRST,
            next_rung_at=None,
            emergency_at=prompt_at,
            recheck_at=None,
            realarm_at=None,
            held=self.ladder.held and still_open,
            exhausted=False,
            rechecked=rechecked,
            counting=counting,
            people=tuple(Person(p.member, p.pages) for p in self.ladder.people),
        )
        purpose: Purpose = "recheck" if rechecked else "alert"
        self.move("notify", "")
        for contact in self.roster:
            if contact.member in involved:
                self.tell(contact, purpose)
        self.climb(purpose)

    def climb(self, purpose: Purpose = "alert") -> None:
        """Tell the next step that somebody can be reached on; the last one is exhaustion."""
        while (step := self.next_step()) is not None:
            reached = False
            for contact in self.roster:
                if self.ladder.everyone or self._stands_at(contact) == step:
                    reached = self.tell(contact, purpose) or reached
            if reached and self.ladder.reached != BEFORE_THE_FIRST:
                self.move("escalate", "")
            last = max(self._stands_at(contact) for contact in self.roster)
            self.ladder = replace(self.ladder, reached=last if self.ladder.everyone else step)
            if reached or (self._asked() and self._sleeping(step)):
                self.plan_next()
                return
        if self.anybody_left():
            self.plan_next()
        else:
            self.exhaust()

    def _stands_at(self, contact: Contact) -> Step:
        return step_of(contact, self.timing)

    def next_step(self) -> Step | None:
        """Return the place on the ladder that is told next, None after the last."""
        steps = (self._stands_at(contact) for contact in self.roster)
        return min((step for step in steps if step > self.ladder.reached), default=None)

    def anybody_left(self) -> bool:
        """Return whether somebody who was told, or whose quiet hours these are, may still answer."""
        return self._asked() or any(
            self._is_quiet(c) and c.unreachable is None and not self.ladder.person(c.member).told
            for c in self.roster
        )

    def _asked(self) -> bool:
        return any(p.told and p.answer != "n" and p.skipped is None for p in self.ladder.people)

    def _sleeping(self, step: Step) -> bool:
        """Return whether quiet hours, and nothing worse, keep everybody at `step` from being told."""
        return any(
            self._stands_at(c) == step and self._is_quiet(c) and c.unreachable is None
            for c in self.roster
        )

    def plan_next(self) -> None:
        """Set when the next step, or after the last one exhaustion, comes due."""
        if self.ladder.exhausted:
            return
        timing, step = self.timing, self.next_step()
        delay = timing.exhausted if step is None else delay_of(step, self.roster, timing)
        due = self.ladder.counted_from + delay
        self.ladder = replace(self.ladder, next_rung_at=max(self.now, due))

    def _is_quiet(self, contact: Contact) -> bool:
        return contact.quiet and self.ladder.priority != "PH" and not self.ladder.everyone

    def tell(self, contact: Contact, purpose: Purpose) -> bool:
        """Page `contact` unless that is done or may not be; return whether they are reached."""
        person = self.ladder.person(contact.member)
        reason = contact.unreachable
        if reason is None and self._is_quiet(contact) and not person.told:
            reason = "quiet-hours"
        if reason is not None:
            if person.skipped != reason:
                self.commands.append(Skip(contact.member, reason))
                self.keep(replace(person, skipped=reason, repeat_at=None))
            return False
        if not person.told:
            self.page(contact, purpose, self.timing.first_media)
        return True

    def page(self, contact: Contact, purpose: Purpose, media: tuple[Medium, ...]) -> None:
        """Tell `contact` once more, in a way they may be told, and plan the repeat."""
        person = self.ladder.person(contact.member)
        repeat_at = None if person.answer else self._next_repeat()
        number = person.pages + 1
        skipped = person.skipped if purpose == "repeat" else None
        self.keep(
            replace(person, pages=number, told=True, skipped=skipped, repeat_at=repeat_at),
        )
        wanted = tuple(medium for medium in media if medium in contact.media) or contact.media
        self.commands.append(Page(contact.member, purpose, wanted, number, self.ladder.round))

    def _next_repeat(self) -> datetime | None:
        at = self.now + self.timing.repeat_every
        return at if at <= self.ladder.begun + self.timing.repeat_for else None

    def keep(self, person: Person) -> None:
        """Put what is known of a person in place of what was."""
        others = self.ladder.people
        if all(p.member != person.member for p in others):
            self.ladder = replace(self.ladder, people=(*others, person))
        else:
            people = tuple(person if p.member == person.member else p for p in others)
            self.ladder = replace(self.ladder, people=people)

    def move(self, transition: Transition, by: str) -> None:
        """Move every alert of the incident along the response axis."""
        self.commands.append(Move(transition, by))

    def unpause(self) -> None:
        """End a pause: what has come due meanwhile is due now."""
        if self.ladder.paused_until is not None:
            self.ladder = replace(self.ladder, paused_until=None)
            self.move("resume", "")

    def repeat(self, person: Person) -> None:
        """Tell somebody again who has not answered and can still be reached."""
        contact = self.roster.find(person.member)
        if contact is None or contact.unreachable is not None or self._is_quiet(contact):
            self.keep(replace(person, repeat_at=None))
            return
        self.page(contact, "repeat", self.timing.repeat_media)

    def prompt_emergency(self) -> None:
        """Ask everyone told, whatever they answered, and the nurses to call an ambulance."""
        self.ladder = replace(self.ladder, emergency_at=None, prompted=True)
        told = {p.member for p in self.ladder.people if p.told}
        for contact in self.roster:
            nurse = contact.professional and contact.rung >= _NURSE_RUNG
            if (contact.member in told or nurse) and contact.unreachable is None:
                self.page(contact, "emergency", self.timing.first_media)

    def exhaust(self) -> None:
        """Tell everyone and the operator, once a round, and plan to ring again."""
        if self.ladder.exhausted:
            return
        timing = self.timing
        long_open = self.now - self.ladder.begun > timing.repeat_for
        self.move("exhaust", "")
        if self.ladder.started == self.ladder.begun:
            self.commands.append(TellOperator("exhausted"))
        self.ladder = replace(
            self.ladder,
            exhausted=True,
            next_rung_at=None,
            realarm_at=self.now + (timing.nag if long_open else timing.realarm),
        )
        for contact in self.roster:
            if contact.unreachable is None:
                self.page(contact, "exhausted", timing.first_media)

    def next_now(self) -> None:
        """Ring the next step without waiting; exhaust when nobody is left to ask."""
        if self.ladder.exhausted:
            return
        if self.next_step() is not None:
            self.climb()
        elif not self.anybody_left():
            self.exhaust()
