"""What each event does to a ladder (see `core.ladder`)."""

from dataclasses import dataclass, replace
from datetime import datetime

from subscriptions.core.ladder_commands import Confirm, Finish, Mark, Skip
from subscriptions.core.ladder_events import Due, Event, Paused, Replied, Unreached
from subscriptions.core.ladder_state import Answer, Ladder, Person
from subscriptions.core.ladder_telling import Telling, involved
from subscriptions.core.timing import HOLD, PAUSE_AT_MOST, RECHECK


def why_not_pause(ladder: Ladder, member: str, until: datetime, now: datetime) -> str | None:
    """Return why `member` may not silence the ladder until `until`, None when they may."""
    if ladder.phase != "ringing":
        return "there is nothing to silence"
    if _only_others_end(ladder):
        return "an alert that only a person at the patient's side ends is not silenced"
    if ladder.person(member).answer not in ("a", "y"):
        return "only somebody who has answered may silence it"
    if not now < until <= now + PAUSE_AT_MOST:
        return f"it is silenced for at most {int(PAUSE_AT_MOST.total_seconds())} seconds"
    return None


def _only_others_end(ladder: Ladder) -> bool:
    return ladder.priority == "PH" or ladder.needs_other


@dataclass(slots=True)
class Turn(Telling):
    """One step being worked out, event by event."""

    def due(self, event: Due) -> None:
        """Do everything whose time has come, in its order; a timer of an earlier round does nothing."""
        if event.round != self.ladder.round:
            return
        if self.ladder.phase == "at-patient":
            if _is_due(self.ladder.recheck_at, self.now):
                self.move("ring-again", "")
                self.start_round(involved(self.ladder), rechecked=True)
            return
        if self.ladder.paused_until is not None:
            if _is_due(self.ladder.paused_until, self.now):
                self._pause_over(event)
            return
        self._ringing(event)

    def _ringing(self, event: Due) -> None:
        if _is_due(self.ladder.roster_until, self.now):
            self.roster_changed()
        if _is_due(self.ladder.next_rung_at, self.now):
            if self.next_step() is None:
                self.exhaust()
            else:
                self.climb()
        if _is_due(self.ladder.emergency_at, self.now):
            self.prompt_emergency()
        for person in self.ladder.people:
            if _is_due(person.repeat_at, self.now):
                self.repeat(person)
        if _is_due(self.ladder.realarm_at, self.now):
            self._ring_anew(event)

    def _ring_anew(self, event: Due) -> None:
        """Nobody has come and the incident is open: ring from rung 1, while there is a reason."""
        if _only_others_end(self.ladder) or event.condition_present:
            self.move("ring-again", "")
            self.start_round(involved(self.ladder), still_open=True)
        else:
            self.ladder = replace(self.ladder, realarm_at=self.now + self.timing.nag)

    def _pause_over(self, event: Due) -> None:
        if event.condition_present:
            self.move("ring-again", "")
            self.start_round(involved(self.ladder))
        else:
            self.unpause()

    def replied(self, event: Replied) -> None:
        """Act on an answer; who is not on the roster any more is told it is over."""
        contact = self.roster.find(event.member)
        if contact is None:
            self.commands.append(Confirm(event.member, "ended"))
            return
        helpless = contact.shares_with_patient and _only_others_end(self.ladder)
        if helpless and event.answer in ("y", "h"):
            self._other_needed(event.member)
        elif event.answer == "h":
            self._arrived(event)
        elif event.answer == "n":
            self._declined(event.member)
        else:
            self._seen(event.member, event.answer)

    def _other_needed(self, member: str) -> None:
        """Somebody at the patient's own telephone neither comes nor is there: they have seen it."""
        self.keep(replace(self.ladder.person(member), answer="a", repeat_at=None))
        self.commands.append(Mark(member, "received"))
        self.move("acknowledge", member)
        self.commands.append(Confirm(member, "other-needed"))

    def _seen(self, member: str, answer: Answer) -> None:
        """Act on ``a`` or ``y``; an answer never weakens a stronger one."""
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

    def _declined(self, member: str) -> None:
        """Act on ``n``."""
        self.unpause()
        self.keep(replace(self.ladder.person(member), answer="n", repeat_at=None))
        self.commands.extend((Mark(member, "rejected"), Confirm(member, "declined")))
        if self.ladder.phase == "at-patient":
            if all(p.answer != "h" for p in self.ladder.people):
                self.move("ring-again", "")
                self.start_round(())
            return
        self.next_now()

    def _arrived(self, event: Replied) -> None:
        """Act on ``h``."""
        member = event.member
        self.unpause()
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
            realarm_at=None,
            recheck_at=self.now + RECHECK,
            people=tuple(replace(p, repeat_at=None) for p in self.ladder.people),
        )

    def paused(self, event: Paused) -> None:
        """Silence the ladder for a while, where that is allowed."""
        if why_not_pause(self.ladder, event.member, event.until, self.now) is None:
            self.ladder = replace(self.ladder, paused_until=event.until)
            self.move("pause", event.member)

    def unreached(self, event: Unreached) -> None:
        """Ring the next step when what was sent to somebody did not arrive, once a person."""
        ladder, person = self.ladder, self.ladder.person(event.member)
        if ladder.phase != "ringing" or ladder.paused_until is not None:
            return
        if person.answer or person.skipped or not person.told:
            return
        self.keep(replace(person, skipped=event.reason))
        self.commands.append(Skip(event.member, event.reason))
        self.next_now()

    def roster_changed(self) -> None:
        """Drop who left, tell who joined a rung already told, pass over who cannot be reached."""
        present = {c.member for c in self.roster}
        for person in self.ladder.people:
            if person.told and person.member not in present:
                self.commands.append(Mark(person.member, "cancelled"))
        awaited = self._awaited()
        # Of who left only the count stays: should they come back, their pages go on counting.
        people = (
            p if p.member in present else Person(p.member, p.pages) for p in self.ladder.people
        )
        self.ladder = replace(self.ladder, people=tuple(people))
        if self.ladder.phase != "ringing" or self.ladder.paused_until is not None:
            return
        all_asked = self.ladder.everyone or self.ladder.exhausted
        for contact in self.roster:
            asked = all_asked or self._stands_at(contact) <= self.ladder.reached
            if asked or self.ladder.person(contact.member).told:
                self.tell(contact, "alert")
        if awaited - self._awaited() or not self.anybody_left():
            self.next_now()
        else:
            self._hasten()

    def _hasten(self) -> None:
        """Let a shorter way to the next step count; what `y` holds back stays held."""
        if self.ladder.held or self.ladder.next_rung_at is None:
            return
        planned = self.ladder.next_rung_at
        self.plan_next()
        if self.ladder.next_rung_at is not None:
            self.ladder = replace(self.ladder, next_rung_at=min(planned, self.ladder.next_rung_at))

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
            realarm_at=None,
            roster_until=None,
            paused_until=None,
            people=tuple(replace(p, repeat_at=None) for p in self.ladder.people),
        )
        self.commands.append(Finish(by))

    def closed(self, event: Event) -> None:
        """Answer whoever replies to a ladder that is over."""
        if isinstance(event, Replied):
            self.commands.append(Confirm(event.member, "ended"))


def _is_due(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now
