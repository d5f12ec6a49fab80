"""Scenario 12: the machine's wall clock is wrong. Its alarms must come as if it were right.

The age of a reading is judged by the monotonic clock and the time of receipt; a wrong wall clock is
a technical fault of low priority, and no alarm is missed for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth

_NAMES = {
    "ahead": ("clock-ahead", "clock of the machine is 90 s ahead"),
    "back": ("clock-back", "clock of the machine jumps back an hour"),
    "1970": ("clock-1970", "clock of the machine starts at 1970"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class ClockWrong(Scenario):
    """The clock goes wrong at the onset; `leak_after_s` later the machine finds a blood leak."""

    how: Literal["ahead", "back", "1970"] = "ahead"
    leak_after_s: float = 120.0
    lasts_s: float | None = 300.0

    number = 12

    def __post_init__(self) -> None:
        self.name, self.title = _NAMES[self.how]

    @property
    def truth(self) -> Truth:
        """The fault, for the list only, and the leak in time."""
        leak = codes.EVENT_BLOOD_LEAK
        return Truth(
            alerts=(
                ExpectedAlert(codes.SERVER_ALERTS, codes.CLOCK_WRONG, "PL", 60.0),
                ExpectedAlert(codes.MDC, leak, "PH", 1.0, since=f"event:{leak}"),
            ),
            machine_events=(leak,),
            physiological=False,
        )

    def begin(self, stage: Stage) -> None:
        """Another time is shown."""
        self._said = False
        match self.how:
            case "ahead":
                stage.clock_off = timedelta(seconds=90)
            case "back":
                stage.clock_off = timedelta(hours=-1)
            case "1970":
                stage.clock_off = _EPOCH - stage.now

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """The leak."""
        if not self._said and elapsed_s >= self.leak_after_s:
            self._said = True
            stage.raise_alarm(codes.EVENT_BLOOD_LEAK, "PH")

    def end(self, stage: Stage) -> None:
        """The clock is set; the leak was none."""
        stage.clock_off = timedelta()
        stage.end_alarms()
