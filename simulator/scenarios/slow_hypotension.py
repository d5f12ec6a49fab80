"""Scenario 1: the blood pressure falls slowly because more water leaves the blood than comes back.

No drop pages by itself; what pages is a systolic pressure below the limit in force, once at medium
priority with the request to measure again, and at high priority when the second reading confirms
it.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class SlowHypotension:
    """`ultrafiltration_ml_h` None leaves the machine as it is; `refill_factor` scales plasma
    refill.

    `course` says how many times faster than the wall clock the body changes.
    """

    ultrafiltration_ml_h: float | None = 1100.0
    refill_factor: float = 0.2
    course: float = 1.0

    number = 1
    name = "slow-hypotension"
    title = "blood pressure falls slowly"
    truth = Truth(
        alerts=(
            ExpectedAlert(
                codes.MDC,
                codes.EVENT_LOW,
                "PM",
                2.0,
                source=codes.SYSTOLIC,
                since="limit",
            ),
            ExpectedAlert(
                codes.MDC,
                codes.EVENT_LOW,
                "PH",
                122.0,
                source=codes.SYSTOLIC,
                since="limit",
            ),
        )
    )

    def begin(self, stage: Stage) -> None:
        """Remove too much, or let too little come back."""
        if self.ultrafiltration_ml_h is not None:
            stage.treatment.circuit.ultrafiltration_ml_h = self.ultrafiltration_ml_h
        stage.treatment.circulation.refill_factor = self.refill_factor
        stage.treatment.course = self.course

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """The body does the rest."""

    def end(self, stage: Stage) -> None:
        """Back to the prescription; what was lost comes back by refill."""
        treatment = stage.treatment
        treatment.circuit.ultrafiltration_ml_h = treatment.prescription.ultrafiltration_ml_h
        treatment.circulation.refill_factor = 1.0
        treatment.course = 1.0
