"""Scenario 2: the blood pressure falls by a third within three minutes.

The patient feels it and measures: a value beyond the hard floor is an alert of high priority at the
first reading, about the pressure once and not once per number of the cuff.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class SuddenHypotension(Scenario):
    """Systolic pressure falls to `lowest` mm[Hg] in `fall_s`; the cuff measures `felt_s` after the
    onset.
    """

    lowest: float = 64.0
    fall_s: float = 180.0
    felt_s: float = 240.0
    lasts_s: float | None = 900.0

    number = 2
    name = "sudden-hypotension"
    title = "blood pressure falls suddenly"

    @property
    def truth(self) -> Truth:
        """High priority at the next reading; a reading on the way down may come first."""
        return Truth(
            alerts=(
                ExpectedAlert(
                    codes.MDC,
                    codes.EVENT_LOW,
                    "PH",
                    2.0,
                    source=codes.SYSTOLIC,
                    since="floor",
                ),
            ),
            allowed=(codes.EVENT_LOW, codes.EVENT_HIGH),
            incidents=1,
        )

    def begin(self, stage: Stage) -> None:
        """The vessels give way; the patient feels it later."""
        self._depth = max(0.0, stage.treatment.circulation.systolic - self.lowest)
        stage.watch(codes.SYSTOLIC, low=90.0, mark="limit")
        stage.watch(codes.SYSTOLIC, low=80.0, mark="floor")
        self._measured = False

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Fall, then measure."""
        stage.treatment.circulation.fall = self._depth * min(1.0, elapsed_s / self.fall_s)
        if not self._measured and elapsed_s >= self.felt_s:
            self._measured = True
            stage.measure_soon(0.0)

    def end(self, stage: Stage) -> None:
        """Legs up, saline: the pressure is back."""
        stage.treatment.circulation.fall = 0.0
