"""Scenario 13: messages come twice, out of order, and half a minute at once after a lost link.

What must not change is what people are told: the same observations and alerts as without, an alarm
that began and ended while the link was down calls nobody, a live one still does.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.faults import Faults, Held
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class Replay(Scenario):
    """The link is down for `down_s` from the onset; the leak comes at `leak_after_s`."""

    down_s: float = 30.0
    repeat: float = 0.05
    reorder: float = 0.05
    leak_after_s: float = 120.0
    lasts_s: float | None = 300.0

    number = 13
    name = "replay"
    title = "messages come twice, late and out of order"

    @property
    def truth(self) -> Truth:
        """The leak, once; silence may have been noticed meanwhile."""
        leak = codes.EVENT_BLOOD_LEAK
        return Truth(
            alerts=(ExpectedAlert(codes.MDC, leak, "PH", 4.5, since=f"event:{leak}"),),
            allowed=(codes.DEVICE_SILENT, codes.EVENT_SYSTEM),
            machine_events=(codes.EVENT_SYSTEM, leak),
            physiological=False,
        )

    def network(self, onset_s: float) -> Faults:
        """Repeat, reorder, and the lost link."""
        return Faults(
            repeat=self.repeat,
            reorder=self.reorder,
            held=(Held(onset_s, self.down_s),),
        )

    def begin(self, stage: Stage) -> None:
        """The link goes down."""
        self._said = 0

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """A short alarm nobody could hear, later a live one."""
        if self._said == 0 and elapsed_s >= 5.0:
            self._said = 1
            stage.raise_alarm(codes.EVENT_SYSTEM, "PM")
        if self._said == 1 and elapsed_s >= 12.0:
            self._said = 2
            stage.end_alarms()
        if self._said == 2 and elapsed_s >= self.leak_after_s:
            self._said = 3
            stage.raise_alarm(codes.EVENT_BLOOD_LEAK, "PH")

    def end(self, stage: Stage) -> None:
        """The leak was none."""
        stage.end_alarms()
