"""Scenario 19: the machine goes to another patient in the middle.

It is taken from the first at the onset, belongs to nobody for a while, and then to the second.
Nothing it says afterwards may reach the first one's record. What it says in between belongs to no
patient: its alarm goes to the organization that owns it.
"""

from dataclasses import dataclass, field

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Rebinding, Truth


@dataclass
class MixUp(Scenario):
    """Air is found `air_after_s` after the onset, a leak `leak_after_s` after it."""

    rebinds: Rebinding | None = field(default_factory=lambda: Rebinding("b", 60.0))
    air_after_s: float = 30.0
    leak_after_s: float = 120.0
    lasts_s: float | None = 300.0

    number = 19
    name = "mix-up"
    title = "machine goes to another patient"

    @property
    def truth(self) -> Truth:
        """Air to the organization, the leak to the second patient, nothing to the first."""
        air, leak = codes.EVENT_VENOUS_AIR, codes.EVENT_BLOOD_LEAK
        second = "b" if self.rebinds is None else self.rebinds.patient
        return Truth(
            alerts=(
                ExpectedAlert(
                    codes.MDC, air, "PH", 5.0, since=f"event:{air}", patient="organization"
                ),
                ExpectedAlert(codes.MDC, leak, "PH", 1.0, since=f"event:{leak}", patient=second),
            ),
            # The second patient's cuff is not part of this home.
            allowed=(codes.PRESSURE_OVERDUE,),
            machine_events=(air, leak),
            physiological=False,
        )

    def begin(self, stage: Stage) -> None:
        """The machine is taken away."""
        self._said = 0
        stage.mark("unbound")

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Air while it is nobody's, a leak when it is the second's."""
        if self._said == 0 and elapsed_s >= self.air_after_s:
            self._said = 1
            stage.raise_alarm(codes.EVENT_VENOUS_AIR, "PH")
        gap_s = 0.0 if self.rebinds is None else self.rebinds.gap_s
        if self._said == 1 and elapsed_s >= min(gap_s, self.air_after_s + 20.0):
            self._said = 2
            stage.end_alarms()
        if self._said == 2 and elapsed_s >= self.leak_after_s:
            self._said = 3
            stage.raise_alarm(codes.EVENT_BLOOD_LEAK, "PH")

    def end(self, stage: Stage) -> None:
        """The leak was none."""
        stage.end_alarms()
