"""Scenario 1: the blood pressure falls slowly because more water leaves the blood than comes back.

No drop pages by itself; what pages is a systolic pressure below the limit in force, once at medium
priority with the request to measure again, and at high priority when the second reading confirms
it or does not come.
"""

from dataclasses import dataclass
from functools import partial

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth

# [P] a machine's highest setting; below what the server's default rule calls too fast.
_FASTEST_ML_H = 1290.0
# [P] a reading of this much, mm[Hg], says that the first low one is over.
_RECOVERED = 95.0


@dataclass
class SlowHypotension(Scenario):
    """`removal_ml_h_kg` None leaves the machine as it is; `refill_factor` scales plasma refill.

    `course` says how many times faster than the wall clock the body changes. `helped_after_s` after
    a second reading under `limit` (mm[Hg]) the removal is stopped.
    """

    removal_ml_h_kg: float | None = 13.0
    refill_factor: float = 0.0
    course: float = 1.0
    limit: float = 90.0
    floor: float = 80.0
    helped_after_s: float = 600.0

    number = 1
    name = "slow-hypotension"
    title = "blood pressure falls slowly"
    needs_min = 150.0

    @property
    def truth(self) -> Truth:
        """Medium priority at the first low reading, high when a second one confirms it, and at once
        beyond the floor.
        """
        low = partial(ExpectedAlert, codes.MDC, codes.EVENT_LOW, source=codes.SYSTOLIC)
        return Truth(
            alerts=(
                low("PM", 2.0, since="limit", unless="floor"),
                low("PH", 2.0, since="confirmed"),
            ),
            allowed=(codes.EVENT_LOW, codes.EVENT_HIGH),
            incidents=1,
        )

    def begin(self, stage: Stage) -> None:
        """Remove too much, or let too little come back."""
        treatment = stage.treatment
        if self.removal_ml_h_kg is not None:
            weight = treatment.circulation.body.weight_kg
            treatment.removal_ml_h = min(_FASTEST_ML_H, self.removal_ml_h_kg * weight)
        treatment.circulation.refill_factor = self.refill_factor
        treatment.course = self.course
        stage.watch(codes.SYSTOLIC, low=self.limit, mark="limit")
        stage.watch(codes.SYSTOLIC, low=self.floor, mark="floor")
        stage.watch(codes.SYSTOLIC, low=self.floor, mark="confirmed")
        stage.watch(codes.SYSTOLIC, low=self.limit, mark="confirmed", recovered=_RECOVERED)

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """The body does the rest, until somebody helps."""
        low_for = stage.since("confirmed")
        if low_for is not None and low_for >= self.helped_after_s:
            stage.treatment.removal_ml_h = 0.0
            stage.treatment.circulation.refill_factor = 1.0

    def end(self, stage: Stage) -> None:
        """Back to the prescription; what was lost comes back by refill."""
        stage.treatment.removal_ml_h = None
        stage.treatment.circulation.refill_factor = 1.0
        stage.treatment.course = 1.0
