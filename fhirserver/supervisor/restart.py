"""When a process that died is started again, pure: seconds of a monotonic clock are arguments.

The first restart is nearly immediate, because a killed worker must cost an alarm seconds at most; a
process that keeps dying is tried less and less often, but never given up.
"""

from dataclasses import dataclass, replace
from typing import Final

FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 5.0
MOST_DOUBLINGS: Final = 10
HEALTHY_AFTER: Final = 30.0


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """The history that matters: when the process was started last, and how often it died early."""

    started: float
    early_deaths: int = 0

    def after_death(self, now: float) -> "tuple[RestartPlan, float]":
        """Return the plan after a death at `now`, and the seconds to wait before the restart."""
        early = 0 if now - self.started >= HEALTHY_AFTER else self.early_deaths
        delay = min(FIRST_DELAY * 2**early, LONGEST_DELAY)
        return replace(self, early_deaths=min(early + 1, MOST_DOUBLINGS)), delay

    def after_start(self, now: float) -> "RestartPlan":
        """Return the plan after a start at `now`."""
        return replace(self, started=now)
