"""The scenarios by name and by number: each a disturbance with the truth it owes, one file each."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from simulator.scenarios.air_in_line import AirInLine
from simulator.scenarios.arterial_kink import ArterialKink
from simulator.scenarios.bad_data import BadData
from simulator.scenarios.blood_leak import BloodLeak
from simulator.scenarios.catheter_disconnect import CatheterDisconnect
from simulator.scenarios.clean import Clean
from simulator.scenarios.clock_wrong import ClockWrong
from simulator.scenarios.clotting import Clotting
from simulator.scenarios.device_silent import DeviceSilent
from simulator.scenarios.flapping import Flapping
from simulator.scenarios.mix_up import MixUp
from simulator.scenarios.needle_slip import NeedleSlip, NeedleSlipGraft, NeedleSlipPartial
from simulator.scenarios.power_loss import PowerLoss
from simulator.scenarios.replay import Replay
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.server_killed import ServerKilled
from simulator.scenarios.slow_hypotension import SlowHypotension
from simulator.scenarios.storm import Storm
from simulator.scenarios.sudden_hypotension import SuddenHypotension
from simulator.scenarios.venous_climb import VenousClimb
from simulator.scenarios.wetness import Wetness

_VARIANTS: tuple[tuple[type[Scenario], dict[str, Any]], ...] = (
    (Clean, {}),
    (SlowHypotension, {}),
    (SuddenHypotension, {}),
    (VenousClimb, {}),
    (NeedleSlipGraft, {}),
    (NeedleSlip, {}),
    (NeedleSlipPartial, {}),
    (Wetness, {}),
    (CatheterDisconnect, {}),
    (AirInLine, {}),
    (Clotting, {}),
    (BloodLeak, {}),
    (ArterialKink, {}),
    (DeviceSilent, {"how": "hang"}),
    (DeviceSilent, {"how": "cut"}),
    (DeviceSilent, {"how": "idle"}),
    (ClockWrong, {"how": "ahead"}),
    (ClockWrong, {"how": "back"}),
    (ClockWrong, {"how": "1970"}),
    (Replay, {}),
    (PowerLoss, {}),
    (BadData, {}),
    (Flapping, {}),
    (ServerKilled, {}),
    (Storm, {}),
    (MixUp, {}),
)
SCENARIOS: Mapping[str, tuple[type[Scenario], dict[str, Any]]] = MappingProxyType(
    {kind(**fixed).name: (kind, fixed) for kind, fixed in _VARIANTS}
)
# The first of each number stands for it.
NUMBERS: Mapping[int, str] = MappingProxyType(
    {kind.number: kind(**fixed).name for kind, fixed in reversed(_VARIANTS)}
)


def named(scenario: str | int, *, scale: float = 1.0, **parameters: Any) -> Scenario:
    """Return a fresh scenario by name or number with its `parameters`.

    Where the body's course is a parameter, slow changes run `scale` times faster than the clock.
    Raises KeyError for a scenario that does not exist and TypeError for a parameter it has not.
    """
    text = str(scenario)
    name = NUMBERS[int(text)] if text.isdigit() else text
    kind, fixed = SCENARIOS[name]
    known = {field.name for field in fields(kind) if field.init}  # type: ignore[arg-type]
    speed = {"course": scale} if "course" in known else {}
    return kind(**fixed | speed | parameters)
