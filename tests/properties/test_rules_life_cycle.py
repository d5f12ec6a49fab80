"""The life cycle held against a model small enough to be believed by reading it."""

from datetime import datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from subscriptions.core.alert import Alert
from subscriptions.core.life_cycle import observe, respond
from tests.unit.subscriptions.rules.world import SYSTOLIC, VENOUS, World, at, reading

# How far an answer goes; ringing again begins at notifying, nothing goes backwards otherwise.
STRENGTH = ["none", "notifying", "delivered", "acknowledged", "accepted", "at-patient"]
ANSWERS = {"acknowledge": "acknowledged", "accept": "accepted", "arrive": "at-patient"}


class LifeCycle(RuleBasedStateMachine):
    """One alert, answered, ended, brought back and rung again in any order."""

    alert: Alert
    seconds = 100.0

    @initialize(latching=st.booleans())
    def raised(self, latching: bool) -> None:
        world = World()
        code, value = (SYSTOLIC, 70) if latching else (VENOUS, 15)
        world.measure(*(reading(code, value, second) for second in range(11)))
        self.alert = world.alerts[0]
        self.latching = latching
        self.present, self.answer, self.generation, self.closed = True, "none", 1, False

    @rule(transition=st.sampled_from(sorted(ANSWERS)))
    def answered(self, transition: str) -> None:
        step = respond(self.alert, transition, "RelatedPerson/bob", self._now())  # type: ignore[arg-type]
        state = ANSWERS[transition]
        stronger = STRENGTH.index(state) > STRENGTH.index(self.answer)
        assert step.applied == (stronger and not self.closed)
        if step.applied:
            self.answer = state
        self._settle(step.alert)

    @rule(over=st.booleans())
    def condition(self, over: bool) -> None:
        now = self._now()
        step = observe(self.alert, "end" if over else "breach", now, now)
        assert step.applied == (not self.closed and self.present == over)
        if step.applied:
            self.present = not over
        self._settle(step.alert)

    @rule()
    def rang_again(self) -> None:
        step = respond(self.alert, "ring-again", "Device/fhirserver", self._now())
        assert step.applied != self.closed
        if step.applied:
            self.answer = "notifying"
            self.generation += 1
        self._settle(step.alert)

    @rule()
    def closed_by_a_nurse(self) -> None:
        step = respond(self.alert, "close", "Practitioner/nurse", self._now())
        assert step.applied != self.closed
        self.closed = True
        self.alert = step.alert

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "answer"):
            return
        assert self.alert.is_open != self.closed
        assert self.alert.generation == self.generation
        assert (self.alert.condition == "present") == self.present
        assert self.alert.response == ("closed" if self.closed else self.answer)
        assert (self.alert.ended is None) == self.present
        if self.closed:
            assert self.alert.signal == "off"

    def _settle(self, after: Alert) -> None:
        answered = STRENGTH.index(self.answer) >= STRENGTH.index("acknowledged")
        if not self.latching and answered and not self.present:
            self.closed = True
        self.alert = after

    def _now(self) -> datetime:
        self.seconds += 1
        return at(self.seconds)


LifeCycle.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestLifeCycle = LifeCycle.TestCase
