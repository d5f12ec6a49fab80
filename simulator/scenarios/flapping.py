"""Scenario 16: the venous pressure goes to and fro over its limit. People are called once."""

from dataclasses import dataclass

from simulator import codes
from simulator.physiology import constants as c
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class Flapping(Scenario):
    """The pressure is `amplitude` mm[Hg] over and under `limit`, each for `half_s` seconds."""

    limit: float = 350.0
    amplitude: float = 4.0
    half_s: float = 40.0
    lasts_s: float | None = 560.0

    number = 16
    name = "flapping"
    title = "venous pressure flaps around its limit"
    ends_treatment = True

    @property
    def truth(self) -> Truth:
        """One alert of medium priority in ten minutes."""
        return Truth(
            alerts=(
                ExpectedAlert(
                    codes.MDC,
                    codes.EVENT_HIGH,
                    "PM",
                    210.0,
                    source=codes.VENOUS_PRESSURE,
                    since="limit",
                ),
            ),
            incidents=1,
            most_rings=1,
        )

    def begin(self, stage: Stage) -> None:
        """The patient lies still; the machine's window is as wide as it goes."""
        unrest = stage.treatment.circuit.unrest
        if unrest is not None:
            unrest.calm = True
        stage.set_window(c.VENOUS_LIMIT_BELOW, 400.0)
        stage.watch(codes.VENOUS_PRESSURE, high=self.limit, mark="limit")

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Meet the pressure of this moment."""
        circuit = stage.treatment.circuit
        above = int(elapsed_s // self.half_s) % 2 == 0
        wanted = self.limit + (self.amplitude if above else -self.amplitude)
        circuit.venous_obstruction += wanted - circuit.slow_venous_pressure

    def end(self, stage: Stage) -> None:
        """The line is free."""
        circuit = stage.treatment.circuit
        circuit.venous_obstruction = 0.0
        if circuit.unrest is not None:
            circuit.unrest.calm = False
        stage.set_window(c.VENOUS_LIMIT_BELOW, c.VENOUS_LIMIT_ABOVE, settle=True)
