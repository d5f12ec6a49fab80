"""Scenario 11: the machine falls silent.

Without a last will the connection stays open and nothing comes (a hung controller): only a watch
on time can notice. With a last will the broker tells at once. Silence in treatment is an alarm; in
idle it is none.
"""

from dataclasses import dataclass
from typing import Literal

from simulator import codes
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth

IDLE_S = 30.0
_NAMES = {
    "hang": ("device-silent", "device falls silent"),
    "cut": ("device-silent-will", "device is cut off"),
    "idle": ("device-silent-idle", "device is switched off after the treatment"),
}


def silence_owed(*, last_will: bool) -> tuple[ExpectedAlert, ExpectedAlert]:
    """Return medium priority first, high when nothing is heard for longer."""
    code, system = codes.DEVICE_SILENT, codes.SERVER_ALERTS
    first, latest = (0.0, 10.0) if last_will else (15.0, 32.0)
    return (
        ExpectedAlert(system, code, "PM", latest, earliest_s=first, since="silence"),
        ExpectedAlert(system, code, "PH", 92.0, earliest_s=60.0, since="silence"),
    )


@dataclass
class DeviceSilent(Scenario):
    """`hang` keeps the connection, `cut` lets the broker publish the will, `idle` is after use."""

    how: Literal["hang", "cut", "idle"] = "hang"
    lasts_s: float | None = 180.0

    number = 11

    def __post_init__(self) -> None:
        self.name, self.title = _NAMES[self.how]

    @property
    def truth(self) -> Truth:
        """Nothing in idle."""
        if self.how == "idle":
            return Truth(physiological=False)
        return Truth(alerts=silence_owed(last_will=self.how == "cut"), physiological=False)

    def begin(self, stage: Stage) -> None:
        """Nothing more is heard, or the treatment is over."""
        if self.how == "idle":
            stage.rest()
        else:
            stage.fall_silent(self.how)
        self._off = self.how != "idle"

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Silence; an idle machine is switched off a little later."""
        if not self._off and elapsed_s >= IDLE_S:
            self._off = True
            stage.fall_silent("hang")

    def end(self, stage: Stage) -> None:
        """The device is heard again."""
        stage.speak_again()
