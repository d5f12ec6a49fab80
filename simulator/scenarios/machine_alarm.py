"""What scenarios 6, 8 and 10 share: the machine itself finds something and stops its pump."""

from dataclasses import dataclass
from typing import ClassVar

from simulator import codes
from simulator.physiology import constants as c
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class MachineAlarm(Scenario):
    """The machine says `event` `after_s` after the onset and stops the pump a second later."""

    after_s: float = 2.0
    bleeding: float = 0.0
    lasts_s: float | None = 180.0

    event: ClassVar[str]

    def owed(self) -> Truth:
        """Return the alarm itself, and the pump's, within a second of being said."""
        return Truth(
            alerts=(
                ExpectedAlert(codes.MDC, self.event, "PH", 1.0, since=f"event:{self.event}"),
                ExpectedAlert(
                    codes.MDC,
                    codes.EVENT_PUMP_STOP,
                    "PH",
                    1.0,
                    since=f"event:{codes.EVENT_PUMP_STOP}",
                ),
            ),
            allowed=(codes.EVENT_LOW, codes.SUSPECTED_DISLODGEMENT),
            incidents=1,
            machine_events=(self.event, codes.EVENT_PUMP_STOP),
        )

    def begin(self, stage: Stage) -> None:
        """Nothing has been said yet."""
        self._said = 0

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Say it, then stop."""
        stage.treatment.bleeding = self.bleeding
        if self._said == 0 and elapsed_s >= self.after_s:
            self._said = 1
            stage.raise_alarm(self.event, "PH")
        if self._said == 1 and elapsed_s >= self.after_s + c.PUMP_STOPS_AFTER:
            self._said = 2
            stage.treatment.circuit.pump_on = False
            stage.raise_alarm(codes.EVENT_PUMP_STOP, "PH")

    def end(self, stage: Stage) -> None:
        """Put right; the pump runs again."""
        stage.treatment.bleeding = 0.0
        stage.treatment.circuit.pump_on = True
        stage.end_alarms()
