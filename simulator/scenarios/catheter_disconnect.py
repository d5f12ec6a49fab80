"""Scenario 7: the venous line comes off a catheter. The pressure is gone and air gets in."""

from dataclasses import dataclass

from simulator import codes
from simulator.physiology.person import Access
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class CatheterDisconnect(Scenario):
    """The line opens at once; the air detector sees it after `air_s`."""

    air_s: float = 3.0
    lasts_s: float | None = 120.0
    access: Access | None = "catheter"

    number = 7
    name = "catheter-disconnect"
    title = "venous line comes off a catheter"
    ends_treatment = True

    @property
    def truth(self) -> Truth:
        """Air, as the machine says; low pressure, lost access and stopped pump come with it."""
        air, stop = codes.EVENT_VENOUS_AIR, codes.EVENT_PUMP_STOP
        return Truth(
            alerts=(
                ExpectedAlert(codes.MDC, air, "PH", 6.0),
                ExpectedAlert(codes.MDC, air, "PH", 1.0, since=f"event:{air}"),
            ),
            allowed=(
                codes.EVENT_LOW,
                codes.EVENT_HIGH,
                codes.EVENT_VENOUS_ACCESS,
                stop,
                codes.SUSPECTED_DISLODGEMENT,
            ),
            incidents=1,
            machine_events=(air, stop),
        )

    def begin(self, stage: Stage) -> None:
        """The line is open and the pump runs."""
        self._said = False
        stage.treatment.circuit.line_open = True
        stage.treatment.bleeding = 1.0

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Air is seen; the pump stops."""
        if not self._said and elapsed_s >= self.air_s:
            self._said = True
            stage.raise_alarm(codes.EVENT_VENOUS_AIR, "PH")
            stage.treatment.circuit.pump_on = False
            stage.raise_alarm(codes.EVENT_PUMP_STOP, "PH")

    def end(self, stage: Stage) -> None:
        """Clamped and connected again."""
        stage.treatment.circuit.line_open = False
        stage.treatment.bleeding = 0.0
        stage.treatment.circuit.pump_on = True
        stage.end_alarms()
