"""The golden list: what a correct server must do about a scenario, and what it must not do.

Kept as data beside each scenario, so that a checker can compare what happened with what was owed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Priority = Literal["PH", "PM", "PL"]


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """One alert the server owes.

    `system` and `code` name the condition, `source` the MDC metric it is about. `within_s` is the
    latest moment, `earliest_s` the first, both in seconds after the first moment called `since`:
    the scenario's `start`, the first reading beyond the `limit`, the machine's own `event:<code>`,
    the last word before `silence`, and others a scenario marks. It is not owed when a moment called
    `unless` came no later than that. An alert that rises from PM to PH is owed twice. `patient` is
    the short name of whom it is about where that is not the patient the session began with;
    "organization" means the owner of a device nobody is bound to.
    """

    system: str
    code: str
    priority: Priority
    within_s: float
    source: str | None = None
    earliest_s: float = 0.0
    since: str = "start"
    unless: str | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything owed for one scenario; no alert beyond `alerts` and `allowed` may reach a person.

    `allowed` are codes that may ring as well because they are consequences (a bleeding person's
    pressure falls). `incidents` is how many incidents the owed alerts are, at most; None: as many
    as there are. `most_rings` is how often people may be called at most. `machine_events` are the
    device's own events that must be recorded, `dead_letters` the reasons of the messages that must
    be set aside, `physiological` whether a physiological alert is allowed.
    """

    alerts: tuple[ExpectedAlert, ...] = ()
    allowed: tuple[str, ...] = ()
    incidents: int | None = None
    most_rings: int | None = None
    machine_events: tuple[str, ...] = ()
    dead_letters: tuple[str, ...] = ()
    physiological: bool = True


@dataclass(frozen=True, slots=True)
class Binding:
    """A device belongs to the patient of this short name `since` then, `until` None for good."""

    eui64: str
    patient: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Rebinding:
    """The machine goes to another patient at the onset, after `gap_s` without anybody."""

    patient: str
    gap_s: float
