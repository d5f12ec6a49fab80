"""Scenario 17: the server is killed again and again while a needle slips.

The simulator cannot kill what it does not run: it marks the moments (`kill`) for whoever does. What
is owed is owed all the same, plus the time to start again.
"""

from dataclasses import dataclass, replace

from simulator.scenarios.needle_slip import NeedleSlipGraft
from simulator.scenarios.scenario import Stage
from simulator.truth import Truth


@dataclass
class ServerKilled(NeedleSlipGraft):
    """`kills` are seconds after the onset, `restart_s` what a restart takes at most."""

    kills: tuple[float, ...] = (0.5, 6.0, 7.5, 30.0, 62.0, 95.0)
    restart_s: float = 20.0

    number = 17
    name = "server-killed"
    title = "server is killed while a needle slips"

    @property
    def truth(self) -> Truth:
        """That of the slip, later by a restart."""
        owed = super().truth
        later = tuple(replace(one, within_s=one.within_s + self.restart_s) for one in owed.alerts)
        return replace(owed, alerts=later)

    def begin(self, stage: Stage) -> None:
        """The needle begins to move."""
        super().begin(stage)
        self._left = sorted(self.kills, reverse=True)

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Slip, and mark each moment to kill."""
        super().step(stage, elapsed_s, dt_s)
        while self._left and elapsed_s >= self._left[-1]:
            self._left.pop()
            stage.mark("kill")
