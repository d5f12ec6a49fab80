"""Scenario 8: air in the venous line. The machine clamps the line and stops its pump."""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.machine_alarm import MachineAlarm
from simulator.truth import Truth


@dataclass
class AirInLine(MachineAlarm):
    """The air detector sees foam."""

    event = codes.EVENT_VENOUS_AIR
    number = 8
    name = "air-in-line"
    title = "air in the venous line"

    @property
    def truth(self) -> Truth:
        """Air and the stopped pump are one incident; air is its cause."""
        return self.owed()
