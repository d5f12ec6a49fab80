"""Scenario 0: a treatment in which nothing goes wrong. An alert here is a false one.

Drift, coughs, moving arms and moved beds are part of it; the machine says at the end, as
information, that its goal is met.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import Truth


@dataclass
class Clean(Scenario):
    """Nothing happens."""

    number = 0
    name = "clean"
    title = "clean treatment"
    settle_min = 0.0
    needs_min = 0.0

    @property
    def truth(self) -> Truth:
        """No alert."""
        return Truth(machine_events=(codes.EVENT_GOAL_MET,))

    def begin(self, stage: Stage) -> None:
        """Nothing has been told yet."""
        self._told = False

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Say once that the treatment's goal is met."""
        if not self._told and stage.treatment.finished:
            self._told = True
            stage.raise_alarm(codes.EVENT_GOAL_MET, "PI", source="159032")
            stage.end_alarms()
