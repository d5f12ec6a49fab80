"""The golden list: what a correct server must do about a scenario, and what it must not do.

Kept as data beside each scenario, so that a checker can compare what happened with what was owed.
"""

from dataclasses import dataclass
from typing import Literal

Priority = Literal["PH", "PM", "PL"]


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """One alert the server owes.

    `system` and `code` name the condition, `source` the MDC metric it is about. `within_s` is the
    latest moment, `earliest_s` the first, both in seconds after `since`: the scenario's `start`,
    the first reading beyond the `limit`, or the machine's own `event`.
    """

    system: str
    code: str
    priority: Priority
    within_s: float
    source: str | None = None
    earliest_s: float = 0.0
    since: Literal["start", "limit", "event"] = "start"


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything owed for one scenario; no alert beyond `alerts` may reach a person.

    `machine_events` are the device's own events that must be recorded, `dead_letters` the reasons
    of the messages that must be set aside, `physiological` whether a physiological alert is
    allowed.
    """

    alerts: tuple[ExpectedAlert, ...] = ()
    machine_events: tuple[str, ...] = ()
    dead_letters: tuple[str, ...] = ()
    physiological: bool = True
