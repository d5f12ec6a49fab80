"""Scenario 9: the filter clots. Transmembrane pressure climbs, the venous pressure a little."""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class Clotting(Scenario):
    """The clot adds `rate` mm[Hg] a minute to the filter, `venous_share` of it to the chamber."""

    rate: float = 6.0
    venous_share: float = 0.2
    limit: float = 300.0
    held_s: float = 120.0

    number = 9
    name = "clotting"
    title = "filter clots"
    needs_min = 70.0

    @property
    def truth(self) -> Truth:
        """Medium priority when the transmembrane pressure passes its limit."""
        return Truth(
            alerts=(
                ExpectedAlert(
                    codes.MDC,
                    codes.EVENT_HIGH,
                    "PM",
                    90.0,
                    source=codes.TRANSMEMBRANE_PRESSURE,
                    since="limit",
                ),
            ),
            allowed=(codes.EVENT_HIGH,),
            machine_events=(codes.EVENT_HIGH,),
        )

    def begin(self, stage: Stage) -> None:
        """The first fibres close."""
        self._over = False
        stage.watch(codes.TRANSMEMBRANE_PRESSURE, high=self.limit, mark="limit")

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Close more; some time after the alarm the treatment is ended."""
        if self._over:
            return
        circuit = stage.treatment.circuit
        circuit.clot += self.rate * dt_s / 60.0
        circuit.clot_venous = circuit.clot * self.venous_share
        beyond_s = stage.since("limit")
        if beyond_s is not None and beyond_s >= self.held_s:
            self._over = True
            stage.end_alarms()
            stage.rinse_back()

    def end(self, stage: Stage) -> None:
        """A new filter."""
        self._over = True
        stage.treatment.circuit.clot = 0.0
        stage.treatment.circuit.clot_venous = 0.0
        stage.end_alarms()
