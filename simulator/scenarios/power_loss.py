"""Scenario 14: the mains fail; the machine runs on its battery, warns, and goes off."""

from dataclasses import dataclass

from simulator import codes
from simulator.physiology import constants as c
from simulator.scenarios.device_silent import silence_owed
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth


@dataclass
class PowerLoss(Scenario):
    """The battery lasts `battery_min` minutes and warns `warns_min` before its end."""

    battery_min: float = c.BATTERY_MINUTES
    warns_min: float = c.BATTERY_LOW_LEFT

    number = 14
    name = "power-loss"
    title = "mains fail, then the battery"
    needs_min = 25.0

    @property
    def truth(self) -> Truth:
        """Medium at the loss, high when the battery is low, then silence."""
        lost, low = codes.POWER_LOST, codes.EVENT_BATTERY_LOW
        return Truth(
            alerts=(
                ExpectedAlert(codes.SERVER_ALERTS, lost, "PM", 2.0),
                ExpectedAlert(codes.MDC, low, "PH", 1.0, since=f"event:{low}"),
                *silence_owed(last_will=True),
            ),
            machine_events=(codes.EVENT_MAINS_LOST, low),
            physiological=False,
        )

    def begin(self, stage: Stage) -> None:
        """The light goes out."""
        self._said = 1
        stage.raise_alarm(codes.EVENT_MAINS_LOST, "PM")

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Drain."""
        left_s = self.battery_min * 60.0 - elapsed_s
        if self._said == 1 and left_s <= self.warns_min * 60.0:
            self._said = 2
            stage.raise_alarm(codes.EVENT_BATTERY_LOW, "PH")
        if self._said == 2 and left_s <= 0:
            self._said = 3
            stage.treatment.circuit.pump_on = False
            stage.fall_silent("cut")

    def end(self, stage: Stage) -> None:
        """Power is back."""
        stage.speak_again()
        stage.treatment.circuit.pump_on = True
        stage.end_alarms()
