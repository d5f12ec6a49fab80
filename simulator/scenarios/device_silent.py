"""Scenario 11: the machine falls silent in the middle of a treatment.

Without a last will the connection stays open and nothing comes (a hung controller): only a watch
on time can notice. With a last will the broker tells at once. Silence is an alarm.
"""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.scenario import Stage
from simulator.truth import ExpectedAlert, Truth

SILENT = "device-silent"


@dataclass
class DeviceSilent:
    """`last_will` True cuts the connection so that the broker publishes the will."""

    last_will: bool = False

    number = 11

    @property
    def name(self) -> str:
        """The name used on the control topic."""
        return "device-silent-will" if self.last_will else "device-silent"

    @property
    def title(self) -> str:
        """In plain words."""
        return "device is cut off" if self.last_will else "device falls silent"

    @property
    def truth(self) -> Truth:
        """Medium priority first, high when nothing is heard for longer."""
        first = (0.0, 10.0) if self.last_will else (15.0, 32.0)
        return Truth(
            alerts=(
                ExpectedAlert(codes.SERVER_ALERTS, SILENT, "PM", first[1], earliest_s=first[0]),
                ExpectedAlert(codes.SERVER_ALERTS, SILENT, "PH", 92.0, earliest_s=60.0),
            ),
            physiological=False,
        )

    def begin(self, stage: Stage) -> None:
        """Nothing more is heard."""
        stage.fall_silent("cut" if self.last_will else "hang")

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Silence."""

    def end(self, stage: Stage) -> None:
        """The device is heard again."""
        stage.speak_again()
