"""Scenario 3: the venous pressure climbs slowly, as with a needle that clots or a kinked line.

The machine's window moves with it every half hour; what ends the climb is its highest limit. The
server owes medium priority at the rule's limit and high priority beyond the floor.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.physiology import constants as c
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class VenousClimb(Scenario):
    """The pressure climbs `rate` mm[Hg] a minute to `highest`; the treatment is ended `held_s` after
    the floor.
    """

    rate: float = 2.0
    highest: float = 410.0
    limit: float = 350.0
    floor: float = 400.0
    held_s: float = 60.0

    number = 3
    name = "venous-climb"
    title = "venous pressure climbs slowly"
    needs_min = 200.0

    @property
    def truth(self) -> Truth:
        """Medium at the limit once noise no longer hides it, high beyond the floor."""

        def high(priority: str, within_s: float, since: str) -> ExpectedAlert:
            return ExpectedAlert(
                codes.MDC,
                codes.EVENT_HIGH,
                "PH" if priority == "PH" else "PM",
                within_s,
                source=codes.VENOUS_PRESSURE,
                since=since,
            )

        return Truth(
            alerts=(high("PM", 480.0, "limit"), high("PH", 2.0, "floor")),
            allowed=(codes.EVENT_PUMP_STOP, codes.EVENT_HIGH, codes.EVENT_LOW),
        )

    def begin(self, stage: Stage) -> None:
        """The line begins to close; the patient lies still."""
        unrest = stage.treatment.circuit.unrest
        if unrest is not None:
            unrest.calm = True
        stage.set_window(c.VENOUS_LIMIT_BELOW, 400.0)
        stage.watch(codes.VENOUS_PRESSURE, high=self.limit, mark="limit")
        stage.watch(codes.VENOUS_PRESSURE, high=self.floor, mark="floor")
        self._over = False

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Climb; the treatment is ended some time after the highest."""
        if self._over:
            return
        circuit = stage.treatment.circuit
        if circuit.undisturbed_venous_pressure < self.highest:
            circuit.venous_obstruction += self.rate * dt_s / 60.0
        beyond_s = stage.since("floor")
        if beyond_s is not None and beyond_s >= self.held_s:
            self._over = True
            circuit.venous_obstruction = 0.0
            stage.end_alarms()
            stage.rinse_back()

    def end(self, stage: Stage) -> None:
        """The line is free, the pump runs."""
        self._over = True
        circuit = stage.treatment.circuit
        circuit.venous_obstruction = 0.0
        circuit.pump_on = True
        if circuit.unrest is not None:
            circuit.unrest.calm = False
        stage.set_window(c.VENOUS_LIMIT_BELOW, c.VENOUS_LIMIT_ABOVE, settle=True)
        stage.end_alarms()
