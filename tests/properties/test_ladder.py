"""Life cycle and ladder together, held against a model small enough to be believed by reading it.

What happens to one patient in whatever order (breaches, ends, answers, STOP, a nurse's closing,
time) goes through the same pure functions as in the server and through the model below, which
counts seconds. After every step both have told the same people at the same seconds, and agree
whether it is over.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from subscriptions.core.alert import Alert
from subscriptions.core.alerting import decide
from subscriptions.core.findings import Finding
from subscriptions.core.ladder_commands import Command, Move, Page
from subscriptions.core.ladder_events import Ended, Event
from subscriptions.core.ladder_state import Contact, timers
from subscriptions.core.life_cycle import ENDED_BY_A_PERSON_ONLY, respond
from tests.unit.subscriptions.response.playbook import (
    Play,
    nurse,
    partner,
    patient,
    without_number,
)

ROSTER = (patient(), partner("bob", 1), partner("eve", 2), nurse("nina", 2))


RUNGS = {1: {"ann", "bob"}, 2: {"eve"}, 3: {"nina"}}
TIMES = {"PH": {2: 30, 3: 45, 4: 120}, "PM": {2: 300, 3: 600, 4: 900}}
# How long after everyone was told it rings again, by how long it has rung.
AGAIN: dict[str, Callable[[float], int]] = {
    "PH": lambda rung_for: 180 if rung_for <= 1800 else 900,
    "PM": lambda rung_for: 1800 if rung_for <= 900 else 3600,
}


# Fewer than 80 lines of code; it counts seconds and has no table of states.
class Model:
    priority: str
    present: bool
    start: int
    begun: int
    count: int
    prompt: int
    next: int | None
    here: int | None
    again: int | None

    def __init__(self) -> None:
        self.now, self.open, self.reachable = 0, False, set[str]().union(*RUNGS.values())
        self.acked, self.held = False, False
        self.log = list[tuple[int, str]]()

    def breach(self, priority: str) -> None:
        first = self.involved() if self.open else set[str]()
        if not self.open or (priority == "PH" and self.priority == "PM"):
            self.open, self.priority = True, priority
            self.ring(first)
        elif not self.present:
            loud = self.acked or self.again is not None
            if loud if self.priority == "PH" else self.now - self.start >= 600:
                on = self.priority == "PH" and self.here is None and self.again is None
                self.ring(first, count=self.count if on else None)
        self.present = True

    def involved(self) -> set[str]:
        wanted = "?ay" if self.here is None else "h"
        return {who for who in self.told if self.answers.get(who, "?") in wanted}

    def ring(
        self,
        first: set[str],
        *,
        recheck: bool = False,
        still: bool = False,
        count: int | None = None,
    ) -> None:
        if count is None or self.prompt <= self.now:
            self.prompt = self.now + 90
        self.count = self.now if count is None else count
        self.begun, self.here, self.again = self.begun if still else self.now, None, None
        self.start, self.rung, self.told, self.answers = self.now, 0, set[str](), dict[str, str]()
        self.held, self.recheck, self.acked = still and self.held, recheck, False
        self.tell(first)
        self.climb()

    def tell(self, people: set[str], *, anew: bool = False) -> bool:
        found = self.reachable & people
        self.log += [(self.now, who) for who in found if anew or who not in self.told]
        self.told |= found
        return bool(found)

    def left(self) -> bool:
        return any(self.answers.get(who) != "n" for who in self.told & self.reachable)

    def climb(self) -> None:
        before, reached = self.rung, False
        while self.rung < 3 and not reached:
            self.rung += 1
            reached = self.tell(RUNGS[self.rung])
        if not (reached or self.again is not None or self.left()):
            self.exhaust()
        elif before < 3:
            self.next = max(self.now, self.count + TIMES[self.priority][self.rung + 1])

    def exhaust(self) -> None:
        self.next = None  # from now on `again` is set
        self.again = self.now + AGAIN[self.priority](self.now - self.begun)
        self.tell(self.reachable, anew=True)

    def over(self) -> None:
        self.present = False
        self.open &= self.priority == "PH" or not self.acked

    def reply(self, who: str, answer: str) -> None:
        answer = "a" if answer in "hy" and who == "ann" and self.priority == "PH" else answer
        if (self.answers.get(who), answer) in (("h", "a"), ("h", "y"), ("y", "a")):
            return
        self.answers[who], self.acked = answer, self.acked or answer != "n"
        if answer == "y" and not self.held and self.next is not None:
            self.held, self.next = True, max(self.next, self.now + 60)
        elif answer == "h" and self.recheck and not self.present:
            self.open = False
        elif answer == "h" and self.here is None:
            self.here, self.next, self.again = self.now, None, None
        elif answer == "n" and self.here is None:
            self.climb()
        elif answer == "n" and self.here is not None and "h" not in self.answers.values():
            self.ring(set())
        self.open &= self.priority == "PH" or self.present or not self.acked

    def stop(self, who: str) -> None:
        awaited = self.open and who in (self.told & self.reachable) - self.answers.keys()
        self.reachable -= {who}
        if self.open and self.here is None and (awaited or not self.left()):
            self.climb()

    def second(self) -> None:
        self.now += 1
        if self.here is not None and self.now == self.here + 120:
            self.ring(self.involved(), recheck=True)
        while self.next is not None and self.now >= self.next:
            self.climb() if self.rung < 3 else self.exhaust()
        if self.here is None and self.priority == "PH" and self.now == self.prompt:
            self.tell(self.told | {"nina"}, anew=True)
        if self.again is not None and self.now >= self.again:
            self.again = self.now + AGAIN[self.priority](inf)
            if self.priority == "PH" or self.present:
                self.ring(self.involved(), still=True)


class Home(Play):
    """The pure functions, put together as the server puts them together."""

    alert: Alert | None = None
    raised = 0

    def finds(self, what: str, priority: str) -> None:
        finding = Finding(
            what=what, key="k", patient="ann", device="m", system="s", code="c", display="d",  # type: ignore[arg-type]
            kind="physiological", family="pressure", priority=priority, at=self.now, age=0.0,  # type: ignore[arg-type]
            bound=True, live=True, damped=True, rule=None, rule_version=None, evidence=None,
            simulated=False,
        )  # fmt: skip
        self.raised += 1
        known = [] if self.alert is None else [self.alert]
        outcome = decide(finding, known, tenant=1, new_id=UUID(int=self.raised), now=self.now)
        if outcome is None:
            return
        self.alert = outcome.alert
        if outcome.previous is None:
            self.ladder = None
        if outcome.cause in ("raised", "priority-raised", "rang-again"):
            latching = outcome.alert.family in ENDED_BY_A_PERSON_ONLY
            self.ring(
                outcome.alert.priority,
                alert=outcome.alert.id,
                again=outcome.cause != "raised",
                needs_other=latching,
            )
        if not self.alert.is_open:
            self.end("Device/fhirserver")

    def do(self, event: Event) -> list[Command]:
        commands = super().do(event)
        for command in commands:
            if isinstance(command, Move) and self.alert is not None and self.alert.is_open:
                self.alert = respond(self.alert, command.transition, command.by, self.now).alert
        if self.alert is not None and not self.alert.is_open and not isinstance(event, Ended):
            assert self.ladder is not None
            if self.ladder.phase != "closed":
                self.end("Device/fhirserver")
        return commands

    def told_when(self) -> list[tuple[int, str]]:
        return sorted((int(at), who) for at, who, purpose, _ in self.pages() if purpose != "repeat")


class LifeCycleAndLadder(RuleBasedStateMachine):
    """Everything that can happen to one alert and its people."""

    def __init__(self) -> None:
        super().__init__()
        self.home, self.model = Home(roster=ROSTER), Model()

    @rule(priority=st.sampled_from(["PH", "PM"]))
    def breach(self, priority: str) -> None:
        self.home.finds("breached", priority)
        self.model.breach(priority)

    @precondition(lambda self: self.model.open)
    @rule()
    def over(self) -> None:
        self.home.finds("ended", self.model.priority)
        self.home.present = False
        self.model.over()

    @precondition(lambda self: self.model.open)
    @rule(who=st.sampled_from(["ann", "bob", "eve", "nina"]), answer=st.sampled_from("aynh"))
    def reply(self, who: str, answer: str) -> None:
        if who in self.model.told:
            self.home.present = self.model.present
            self.home.reply(who, answer)  # type: ignore[arg-type]
            self.model.reply(who, answer)

    @precondition(lambda self: self.model.open and self.model.now < self.model.start + 30)
    @rule(who=st.sampled_from(["bob", "eve"]))
    def coming_soon(self, who: str) -> None:
        self.reply(who=who, answer="y")

    @precondition(lambda self: self.model.open)
    @rule(who=st.sampled_from(["bob", "eve"]))
    def there(self, who: str) -> None:
        self.reply(who=who, answer="h")

    @rule(who=st.sampled_from(["ann", "bob", "eve", "nina"]))
    def stop(self, who: str) -> None:
        roster = [without_number(c, "stopped") if named(c, who) else c for c in self.home.roster]
        self.home.now_has(*roster)
        self.model.stop(who)

    @precondition(lambda self: self.model.open)
    @rule()
    def closed_by_a_nurse(self) -> None:
        assert self.home.alert is not None
        self.home.alert = respond(self.home.alert, "close", "Practitioner/n", self.home.now).alert
        self.home.end()
        self.model.open = False

    @rule(seconds=st.sampled_from([1, 5, 20, 31, 60, 121, 400, 1000, 4000]))
    def wait(self, seconds: int) -> None:
        if self.model.open:
            self.home.present = self.model.present
        self.home.until(self.home.seconds + seconds)
        for _ in range(seconds):
            if self.model.open:
                self.model.second()
            else:
                self.model.now += 1

    @invariant()
    def both_told_the_same_people_at_the_same_seconds(self) -> None:
        assert self.home.told_when() == sorted(self.model.log)

    @invariant()
    def both_agree_whether_it_is_over(self) -> None:
        assert (self.home.alert is not None and self.home.alert.is_open) == self.model.open
        ladder = self.home.ladder
        assert (ladder is not None and ladder.phase != "closed") == self.model.open

    @invariant()
    def what_is_open_waits_for_something(self) -> None:
        assert bool(timers(self.home.ladder)) == self.model.open


def named(contact: Contact, who: str) -> bool:
    return contact.member.endswith("/" + who)


LifeCycleAndLadder.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None
)
TestLifeCycleAndLadder = LifeCycleAndLadder.TestCase


@given(st.permutations(ROSTER))
def test_the_order_of_the_roster_does_not_matter(roster: Any) -> None:
    def pages(order: Any) -> list[Any]:
        play = Play(roster=tuple(replace(c) for c in order))
        play.ring()
        play.until(130)
        return sorted(play.pages())

    assert pages(roster) == pages(ROSTER)


@given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from("ayn")), max_size=12))
def test_no_remote_answer_ever_silences_a_haemorrhage(answers: list[tuple[int, str]]) -> None:
    play = Play(roster=ROSTER)
    play.ring()
    for number, (seconds, answer) in enumerate(answers):
        play.until(play.seconds + seconds)
        play.reply(ROSTER[number % len(ROSTER)].member, answer)  # type: ignore[arg-type]
    silent_since = play.seconds
    play.until(silent_since + 900)
    assert any(isinstance(command, Page) and at > silent_since for at, command in play.log)
