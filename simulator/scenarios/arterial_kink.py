"""Scenario 10, second part: the arterial line is kinked; the pump sucks and the machine stops it."""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class ArterialKink(Scenario):
    """The arterial pressure falls to `lowest` mm[Hg] within `kink_s` seconds."""

    lowest: float = -280.0
    kink_s: float = 3.0
    lasts_s: float | None = 120.0

    number = 10
    name = "arterial-kink"
    title = "arterial line is kinked"

    @property
    def truth(self) -> Truth:
        """Low arterial pressure at medium priority, then the stopped pump."""
        stop = codes.EVENT_PUMP_STOP
        return Truth(
            alerts=(
                ExpectedAlert(
                    codes.MDC,
                    codes.EVENT_LOW,
                    "PM",
                    1.0,
                    source=codes.ARTERIAL_PRESSURE,
                    since=f"event:{codes.EVENT_LOW}",
                ),
                ExpectedAlert(codes.MDC, stop, "PH", 1.0, since=f"event:{stop}"),
            ),
            allowed=(codes.EVENT_LOW,),
            machine_events=(codes.EVENT_LOW, stop),
        )

    def begin(self, stage: Stage) -> None:
        """How much is missing to the lowest."""
        self._depth = stage.treatment.circuit.arterial_pressure - self.lowest

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Close the line."""
        part = min(1.0, elapsed_s / self.kink_s)
        stage.treatment.circuit.arterial_obstruction = self._depth * part

    def end(self, stage: Stage) -> None:
        """The line is straight, the pump runs again."""
        stage.treatment.circuit.arterial_obstruction = 0.0
        stage.treatment.circuit.pump_on = True
        stage.end_alarms()
