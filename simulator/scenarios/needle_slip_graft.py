"""Scenario 4: the venous needle slips out of a graft.

The venous pressure loses the pressure of the access (about 60 mm[Hg] in a graft, enough for the
machine's window), the machine finds it, says so and stops its pump within seconds. The patient
goes on bleeding: the end of the machine's condition ends nothing.
"""

from dataclasses import dataclass, field

from simulator import codes
from simulator.scenarios.scenario import Stage
from simulator.truth import ExpectedAlert, Truth

# [P] how long the machine takes: confirm the low pressure, conclude, stop the pump.
CONFIRM_LOW_S = 3.0
CONCLUDE_S = 2.0
STOP_S = 1.0


@dataclass
class NeedleSlipGraft:
    """`venous_drop` mm[Hg] are lost over `slip_s` seconds."""

    venous_drop: float = 60.0
    slip_s: float = 1.5
    _low_s: float = field(default=0.0, init=False)

    number = 4
    name = "needle-slip-graft"
    title = "venous needle slips out of a graft"
    truth = Truth(
        alerts=(
            ExpectedAlert(codes.MDC, codes.EVENT_VENOUS_ACCESS, "PH", 10.0, since="start"),
            ExpectedAlert(codes.MDC, codes.EVENT_VENOUS_ACCESS, "PH", 1.0, since="event"),
        ),
        machine_events=(
            codes.EVENT_LOW,
            codes.EVENT_VENOUS_ACCESS,
            codes.EVENT_PUMP_STOP,
        ),
    )

    def begin(self, stage: Stage) -> None:
        """The needle begins to move."""
        self._low_s = 0.0

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Lose pressure, then act as the machine does."""
        circuit = stage.treatment.circuit
        circuit.access_loss = self.venous_drop * min(1.0, elapsed_s / self.slip_s)
        limits = stage.limits[codes.VENOUS_PRESSURE]
        if stage.values[codes.VENOUS_PRESSURE] < limits["low"]:
            before, self._low_s = self._low_s, self._low_s + dt_s
            if before < CONFIRM_LOW_S <= self._low_s:
                stage.raise_alarm(
                    codes.EVENT_LOW, "PH", source=codes.VENOUS_PRESSURE, limits=limits
                )
            if before < CONFIRM_LOW_S + CONCLUDE_S <= self._low_s:
                stage.raise_alarm(
                    codes.EVENT_VENOUS_ACCESS,
                    "PH",
                    source=codes.VENOUS_PRESSURE,
                    limits=limits,
                )
            if before < CONFIRM_LOW_S + CONCLUDE_S + STOP_S <= self._low_s:
                circuit.pump_on = False
                stage.raise_alarm(codes.EVENT_PUMP_STOP, "PH")

    def end(self, stage: Stage) -> None:
        """The needle is back; the pump ramps up again."""
        circuit = stage.treatment.circuit
        circuit.access_loss = 0.0
        circuit.pump_on = True
        stage.end_alarms()
