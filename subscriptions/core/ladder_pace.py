"""The times of one patient's ladder, where the care team has others than `timing.LADDERS`.

A CareTeam may carry the extension ``ladder-timing`` once per priority. Every time has bounds: a
ladder that is too slow costs blood, one that is too fast calls people who need not come, and the
emergency prompt cannot be taken away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Literal, cast

from fhirserver.kernel.canonical import LADDER_TIMING
from fhirserver.kernel.readings import Priority
from fhirserver.kernel.resource import Json
from subscriptions.core.timing import LADDERS, LadderTiming

Part = Literal["rung-2", "rung-3", "emergency-prompt", "everyone", "repeat"]
# What a care team wants, in seconds, by priority.
Wishes = Mapping[Priority, Mapping[Part, int]]

# [P] The least and the most, in seconds. PH: the second person is asked before the first minute is
# over and the prompt comes before a third of the blood is lost at 400 mL/min.
BOUNDS: Final[Mapping[Priority, Mapping[Part, tuple[int, int]]]] = {
    "PH": {
        "rung-2": (0, 45),
        "rung-3": (0, 60),
        "emergency-prompt": (60, 120),
        "everyone": (90, 180),
        "repeat": (20, 60),
    },
    "PM": {
        "rung-2": (60, 600),
        "rung-3": (120, 1200),
        "everyone": (300, 1800),
        "repeat": (120, 900),
    },
}
_SECONDS: Final = {"s": 1, "min": 60}
_LONGEST_SECONDS: Final = 86_400


def wishes_of(team: Json) -> Wishes:
    """Return the times a CareTeam has of its own. Raises `ValueError` for what cannot be granted."""
    found: dict[Priority, dict[Part, int]] = {}
    for extension in team.get("extension", []):
        if extension.get("url") != LADDER_TIMING:
            continue
        parts = extension.get("extension", [])
        stated = next((p.get("valueCode") for p in parts if p.get("url") == "priority"), None)
        priority = next((one for one in BOUNDS if one == stated), None)
        if priority is None:
            raise ValueError("the times of a ladder need a priority: PH or PM")
        if priority in found:
            raise ValueError(f"the times of {priority} are given twice")
        found[priority] = _times(priority, parts)
        _in_order(pace([{priority: found[priority]}])[priority], priority)
    return found


def pace(wishes: Iterable[Wishes]) -> Mapping[Priority, LadderTiming]:
    """Return the times in force; where several teams have one, the shortest counts."""
    shortest: dict[Priority, dict[Part, int]] = {}
    for one in wishes:
        for priority, times in one.items():
            known = shortest.setdefault(priority, {})
            for part, seconds in times.items():
                known[part] = min(seconds, known.get(part, seconds))
    return {
        priority: _with(timing, shortest.get(priority, {})) for priority, timing in LADDERS.items()
    }


def _with(timing: LadderTiming, times: Mapping[Part, int]) -> LadderTiming:
    if not times:
        return timing

    def of(part: Part, usual: timedelta) -> timedelta:
        return timedelta(seconds=times[part]) if part in times else usual

    return replace(
        timing,
        rungs={
            **timing.rungs,
            2: of("rung-2", timing.rungs[2]),
            3: of("rung-3", timing.rungs[3]),
        },
        emergency=None if timing.emergency is None else of("emergency-prompt", timing.emergency),
        exhausted=of("everyone", timing.exhausted),
        repeat_every=of("repeat", timing.repeat_every),
    )


def _times(priority: Priority, parts: Iterable[Any]) -> dict[Part, int]:
    times: dict[Part, int] = {}
    for part in parts:
        name = part.get("url")
        if name == "priority":
            continue
        bounds = BOUNDS[priority].get(name)
        if bounds is None:
            raise ValueError(f"{priority} has no {name}")
        if name in times:
            raise ValueError(f"{name} is given twice")
        seconds = _seconds(name, part.get("valueDuration"))
        if not bounds[0] <= seconds <= bounds[1]:
            raise ValueError(f"{name} of {priority} is between {bounds[0]} and {bounds[1]} s")
        times[cast("Part", name)] = seconds
    return times


def _seconds(name: str, value: Any) -> int:
    quantity = value if isinstance(value, Mapping) else {}
    unit, number = _SECONDS.get(str(quantity.get("code"))), quantity.get("value")
    if unit is None or number is None or not 0 <= number <= _LONGEST_SECONDS:
        raise ValueError(f"{name} is a number of s or min")
    if number * unit != int(number * unit):
        raise ValueError(f"{name} is a whole number of seconds")
    return int(number * unit)


def _in_order(timing: LadderTiming, priority: Priority) -> None:
    if not timing.rungs[2] <= timing.rungs[3] <= timing.exhausted:
        raise ValueError(f"the rungs of {priority} follow each other")
