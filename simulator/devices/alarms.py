"""The alarms a machine has raised itself: start, keep-alive while active, end.

Facets as in IHE PCD-04 (phase, state, activity): while a condition holds, a `continue` follows at
least every 30 s, so that a lost `start` or a lost connection is noticed.
https://profiles.ihe.net/DEV/TF/Volume2/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.physiology import constants as c

KEEP_ALIVE_S = float(c.KEEP_ALIVE)


@dataclass(slots=True)
class Alarm:
    """One condition: `event` and `source` are MDC codes, `value` in `unit` (UCUM)."""

    alarm_id: str
    event: str
    priority: str
    source: str | None = None
    value: float | None = None
    unit: str | None = None
    limits: Mapping[str, float] | None = None
    kind: str = "ST"
    since_keep_alive_s: float = 0.0

    def facets(self, phase: str) -> dict[str, Any]:
        """Return the facets of this alarm in `phase` (start, continue or end)."""
        facets: dict[str, Any] = {
            "alarm_id": self.alarm_id,
            "event": self.event,
            "source": self.source,
            "phase": phase,
            "state": "inactive" if phase == "end" else "active",
            "activity": "enabled",
            "priority": self.priority,
            "kind": self.kind,
        }
        if self.value is not None:
            facets["value"] = self.value
            facets["unit"] = self.unit
        if self.limits is not None:
            facets["limits"] = dict(self.limits)
        return facets


class AlarmPanel:
    """The alarms of one machine that are on."""

    def __init__(self) -> None:
        self._active: dict[tuple[str, str | None], Alarm] = {}
        self._raised = 0

    def __bool__(self) -> bool:
        return bool(self._active)

    def active(self, event: str, source: str | None = None) -> bool:
        """Whether `event` about `source` is on."""
        return (event, source) in self._active

    def start(
        self,
        event: str,
        priority: str,
        *,
        source: str | None = None,
        value: float | None = None,
        unit: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Turn an alarm on and return its facets; an alarm already on keeps its id."""
        key = (event, source)
        alarm = self._active.get(key)
        phase = "continue"
        if alarm is None:
            self._raised += 1
            phase = "start"
            alarm = Alarm(f"a-{self._raised}", event, priority, source, value, unit, limits)
            self._active[key] = alarm
        alarm.value = value
        alarm.since_keep_alive_s = 0.0
        return alarm.facets(phase)

    def keep_alive(self, dt_s: float) -> list[dict[str, Any]]:
        """Let `dt_s` seconds pass; return the facets of alarms whose keep-alive is due."""
        due: list[dict[str, Any]] = []
        for alarm in self._active.values():
            alarm.since_keep_alive_s += dt_s
            if alarm.since_keep_alive_s >= KEEP_ALIVE_S:
                alarm.since_keep_alive_s = 0.0
                due.append(alarm.facets("continue"))
        return due

    def end_all(self) -> list[dict[str, Any]]:
        """Turn every alarm off and return the closing facets."""
        closing = [alarm.facets("end") for alarm in self._active.values()]
        self._active.clear()
        return closing
