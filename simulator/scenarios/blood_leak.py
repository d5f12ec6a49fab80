"""Scenario 10, first part: a fibre of the filter tears and blood is seen in the dialysate."""

from dataclasses import dataclass

from simulator import codes
from simulator.scenarios.machine_alarm import MachineAlarm
from simulator.truth import Truth


@dataclass
class BloodLeak(MachineAlarm):
    """The blood leak detector sees red."""

    event = codes.EVENT_BLOOD_LEAK
    number = 10
    name = "blood-leak"
    title = "blood leaks through the filter"

    @property
    def truth(self) -> Truth:
        """The leak and the stopped pump, one incident."""
        return self.owed()
