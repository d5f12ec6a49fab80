"""Scenario 6: a wetness sensor at the access feels blood before any pressure tells."""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.machine_alarm import MachineAlarm
from simulator.truth import Truth


@dataclass
class Wetness(MachineAlarm):
    """The needle leaks `bleeding` (0..1) of the flow; the sensor feels it after `after_s`."""

    after_s: float = 4.0
    bleeding: float = 0.2

    event = codes.EVENT_WETNESS
    number = 6
    name = "wetness"
    title = "blood at the access, felt by a wetness sensor"

    @property
    def truth(self) -> Truth:
        """The sensor's alarm and the stopped pump, one incident."""
        return self.owed()
