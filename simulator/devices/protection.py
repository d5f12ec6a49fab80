"""The machine's own protective system: pressure windows, alarms and the stopping of its pump.

Windows are centred on the running pressures some seconds after the blood flow is steady and again
every half hour, as machines do; while the flow is being turned they are suspended. A lower venous
limit of 50 mm[Hg] under the running pressure is why the machine alone misses most slipped needles
of fistulas (https://pubmed.ncbi.nlm.nih.gov/24341865/). Pure: values and seconds in, actions out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator import codes
from simulator.physiology import constants as c

Limits = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Raise:
    """Turn an alarm on."""

    event: str
    priority: str
    source: str | None = None
    limits: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class StopPump:
    """Stop the blood pump and clamp the line."""


Action = Raise | StopPump

# Which alarms stop the pump: a filter's pressure alone does not.
_STOPS = frozenset({codes.VENOUS_PRESSURE, codes.ARTERIAL_PRESSURE})


def centred(
    values: Mapping[str, float],
    *,
    below: float = c.VENOUS_LIMIT_BELOW,
    above: float = c.VENOUS_LIMIT_ABOVE,
) -> Limits:
    """Return the machine's windows around the running pressures `values` (mm[Hg])."""
    venous = values[codes.VENOUS_PRESSURE]
    return {
        codes.VENOUS_PRESSURE: {
            "low": round(max(c.VENOUS_LIMIT_LEAST, venous - below)),
            "high": round(min(c.VENOUS_LIMIT_HIGHEST, venous + above)),
        },
        codes.ARTERIAL_PRESSURE: {
            "low": round(c.ARTERIAL_LIMIT_LOW),
            "high": round(c.ARTERIAL_LIMIT_HIGH),
        },
        codes.TRANSMEMBRANE_PRESSURE: {
            "low": round(c.TRANSMEMBRANE_LIMIT_LOW),
            "high": round(c.TRANSMEMBRANE_LIMIT_HIGH),
        },
    }


class Protection:
    """The windows of one machine and how long each pressure has been beyond its own."""

    __slots__ = ("_beyond_s", "_centred_s", "_flow", "_now_s", "_said", "_steady_s", "_told")

    def __init__(self, *, settled: bool) -> None:
        """`settled`: the treatment already runs, its windows hold from the first tick."""
        self._now_s = 0.0
        self._centred_s = 0.0
        self._steady_s = float(c.LIMITS_SETTLE) if settled else 0.0
        self._flow = -1.0
        self._beyond_s: dict[tuple[str, str], float] = {}
        self._said: set[tuple[str, str]] = set()
        self._told: set[str] = set()

    @property
    def armed(self) -> bool:
        """Whether the windows hold now."""
        return self._steady_s >= c.LIMITS_SETTLE

    def recentring_due(self, flow_wanted: float, flow: float, dt_s: float) -> bool:
        """Let `dt_s` pass at this blood flow; return whether the windows are to be centred anew."""
        self._now_s += dt_s
        if flow_wanted != self._flow or abs(flow - flow_wanted) > 1.0:
            changed = self._flow >= 0.0
            self._flow = flow_wanted
            if changed or abs(flow - flow_wanted) > 1.0:
                self._steady_s = 0.0
                self._beyond_s.clear()
                return False
        was_armed = self.armed
        self._steady_s += dt_s
        if self.armed and (
            not was_armed or self._now_s - self._centred_s >= c.LIMITS_RECENTRED_EVERY
        ):
            self._centred_s = self._now_s
            return True
        return False

    def judge(self, values: Mapping[str, float], limits: Limits, dt_s: float) -> list[Action]:
        """Return what the machine does about `values`; each alarm is raised once until `reset`."""
        actions: list[Action] = []
        for source, window in limits.items():
            value = values[source]
            if value < window["low"]:
                side = "low"
            elif value > window["high"]:
                side = "high"
            else:
                if self._beyond_s:
                    self._beyond_s.pop((source, "low"), None)
                    self._beyond_s.pop((source, "high"), None)
                continue
            lasted = self._beyond_s.get((source, side), 0.0) + dt_s
            self._beyond_s[source, side] = lasted
            actions += self._conclude(source, side, lasted, window)
        return actions

    def _conclude(
        self, source: str, side: str, lasted_s: float, window: Mapping[str, float]
    ) -> list[Action]:
        lost_access = source == codes.VENOUS_PRESSURE and side == "low"
        actions: list[Action] = []
        if lasted_s >= c.LIMIT_CONFIRM and (source, side) not in self._said:
            self._said.add((source, side))
            event = codes.EVENT_LOW if side == "low" else codes.EVENT_HIGH
            actions.append(Raise(event, "PH" if lost_access else "PM", source, window))
        conclude_s = c.LIMIT_CONFIRM + (c.ACCESS_CONCLUDE if lost_access else 0.0)
        if lost_access and lasted_s >= conclude_s:
            actions += self._once(codes.EVENT_VENOUS_ACCESS, source, window)
        if source in _STOPS and lasted_s >= conclude_s + c.PUMP_STOPS_AFTER:
            stop = self._once(codes.EVENT_PUMP_STOP, None, None)
            actions += [StopPump(), *stop] if stop else []
        return actions

    def _once(
        self, event: str, source: str | None, window: Mapping[str, float] | None
    ) -> list[Action]:
        if event in self._told:
            return []
        self._told.add(event)
        return [Raise(event, "PH", source, window)]

    def reset(self) -> None:
        """Forget what was said: the alarms were ended by hand and the pump starts again."""
        self._said.clear()
        self._told.clear()
        self.unsettle()
        self._flow = -1.0

    def unsettle(self) -> None:
        """Suspend the windows until the pressures are steady again."""
        self._beyond_s.clear()
        self._steady_s = 0.0
