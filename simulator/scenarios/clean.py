"""Scenario 0: a treatment in which nothing goes wrong. An alert here is a false one."""

from simulator import codes
from simulator.scenarios.scenario import Stage
from simulator.truth import Truth


class Clean:
    """The machine reports only that its goal is met, as information."""

    number = 0
    name = "clean"
    title = "clean treatment"
    truth = Truth(machine_events=(codes.EVENT_GOAL_MET,))

    def __init__(self) -> None:
        self._told = False

    def begin(self, stage: Stage) -> None:
        """Nothing changes."""

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Say once that the treatment's goal is met."""
        if stage.treatment.finished and not self._told:
            self._told = True
            stage.raise_alarm(codes.EVENT_GOAL_MET, "PI", source="159032")
            stage.end_alarms()

    def end(self, stage: Stage) -> None:
        """Nothing to put back."""
