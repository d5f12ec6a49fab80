"""Which sessions a quality run simulates. Pure: a seed fixes every case.

Half of them are clean treatments of four hours, whose false pages are counted. The others last as
long as the accident needs: a venous needle that slips out, often unnoticed by the machine, by a
drop drawn evenly (for the curve) or by the pressure of that person's own access (for the
population), and accidents the machine reports itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

Group = Literal["clean", "drop", "access", "event"]

CLEAN_MINUTES: Final = 240
# The rule needs a settled baseline; an accident comes at any time after that.
ACCIDENT_MINUTES: Final = 60
ONSET_FROM_MIN: Final = 12.0
ONSET_UNTIL_MIN: Final = 55.0
LOWEST_DROP: Final = 3.0
HIGHEST_DROP: Final = 60.0
SILENT_SLIP: Final = "needle-slip-fistula"
DEVICE_EVENTS: Final = (
    "needle-slip-graft",
    "wetness",
    "catheter-disconnect",
    "air-in-line",
    "blood-leak",
)
# Of every twenty sessions: ten clean, five slips by drop, two by access pressure, three events.
_PATTERN: Final[tuple[Group, ...]] = (
    *("clean", "drop") * 5,
    *("clean", "event") * 3,
    *("clean", "access") * 2,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One session: which scenario, from which seed, how long, the accident's minute and size."""

    number: int
    group: Group
    scenario: str
    seed: int
    minutes: int
    at_min: float | None = None
    parameters: Mapping[str, float | None] = field(default_factory=dict)


def cases(seed: int, sessions: int, only: Group | None = None) -> list[Case]:
    """Return the sessions of a run, in an order in which any part holds every group.

    With `only`, all of them are of that group.
    """
    dice = Random(seed)
    return [
        _case(number, only or _PATTERN[number % len(_PATTERN)], dice) for number in range(sessions)
    ]


def _case(number: int, group: Group, dice: Random) -> Case:
    own_seed = dice.getrandbits(48)
    onset = dice.uniform(ONSET_FROM_MIN, ONSET_UNTIL_MIN)
    drop = dice.uniform(LOWEST_DROP, HIGHEST_DROP)
    event = dice.choice(DEVICE_EVENTS)
    if group == "clean":
        return Case(number, group, "clean", own_seed, CLEAN_MINUTES)
    if group == "event":
        return Case(number, group, event, own_seed, ACCIDENT_MINUTES, onset)
    # None: the whole pressure of that person's access is lost.
    wanted = {"venous_drop": drop if group == "drop" else None}
    return Case(number, group, SILENT_SLIP, own_seed, ACCIDENT_MINUTES, onset, wanted)
