"""The scenarios by name and by number: each a disturbance with the truth it owes, one file each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulator.scenarios.bad_data import BadData
from simulator.scenarios.clean import Clean
from simulator.scenarios.device_silent import DeviceSilent
from simulator.scenarios.needle_slip_graft import NeedleSlipGraft
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.slow_hypotension import SlowHypotension

SCENARIOS: Mapping[str, Callable[[float], Scenario]] = MappingProxyType(
    {
        "clean": lambda _scale: Clean(),
        "slow-hypotension": lambda scale: SlowHypotension(course=scale),
        "needle-slip-graft": lambda _scale: NeedleSlipGraft(),
        "device-silent": lambda _scale: DeviceSilent(),
        "device-silent-will": lambda _scale: DeviceSilent(last_will=True),
        "bad-data": lambda _scale: BadData(),
    }
)
NUMBERS: Mapping[int, str] = MappingProxyType(
    {
        0: "clean",
        1: "slow-hypotension",
        4: "needle-slip-graft",
        11: "device-silent",
        15: "bad-data",
    }
)


def named(scenario: str | int, *, scale: float = 1.0) -> Scenario:
    """Return a fresh scenario by name or number; slow ones run `scale` times faster than the clock.

    Raises KeyError for a scenario that does not exist.
    """
    text = str(scenario)
    name = NUMBERS[int(text)] if text.isdigit() else text
    return SCENARIOS[name](scale)
