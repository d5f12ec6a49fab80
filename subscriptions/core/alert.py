"""The alert: something is wrong with a person or their equipment and somebody may have to be told.

An alert lives on three independent axes (condition, response, signal; see
`subscriptions.core.life_cycle`), the way FHIR R6 DeviceAlert and IHE PCD-04 describe it:
https://build.fhir.org/devicealert.html. The row behind this value is the truth; the FHIR Flag is
its public face.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fhirserver.kernel.readings import Priority

Kind = Literal["physiological", "technical", "advisory"]
Family = Literal[
    "blood-loss",
    "air",
    "hypotension",
    "hypertension",
    "pressure",
    "monitoring-lost",
    "credibility",
    "power",
    "fluid",
    "other",
]
Condition = Literal["pending", "present", "absent", "stale"]
ResponseState = Literal[
    "none",
    "notifying",
    "delivered",
    "acknowledged",
    "accepted",
    "at-patient",
    "escalated",
    "exhausted",
    "closed",
]
Signal = Literal["on", "paused", "off", "latched"]
Cause = Literal["raised", "priority-raised", "rang-again", "condition-ended", "updated"]

# Larger is more urgent; priorities are compared through this table only.
URGENCY: Final[dict[Priority, int]] = {"PL": 1, "PM": 2, "PH": 3}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it stands now.

    `patient` is None for a device nobody is bound to. `pages` False means stored and shown, nobody
    is called (older than five minutes, unbound device, priority PL). `generation` grows by one
    whenever it must ring again from the first rung. `rule` names who wrote the limit
    (``ServiceRequest/x`` or the PlanDefinition's canonical) and `rule_version` the exact version;
    both None where no rule but the machine itself or a built-in check spoke. `key` identifies what
    is watched (one open alert per patient and key), `rang` is when it last rang.
    """

    id: UUID
    tenant: int
    patient: str | None
    device: str | None
    system: str
    code: str
    display: str
    kind: Kind
    family: Family
    priority: Priority
    condition: Condition
    response: ResponseState
    signal: Signal
    incident: UUID
    onset: datetime
    raised: datetime
    updated: datetime
    ended: datetime | None
    closed: datetime | None
    delayed: bool
    pages: bool
    generation: int
    rule: str | None
    rule_version: str | None
    flag: str | None
    simulated: bool
    key: str = ""
    rang: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Return whether nobody and nothing has closed it yet."""
        return self.closed is None


def more_urgent(one: Priority, other: Priority) -> bool:
    """Return whether `one` outranks `other` (PH over PM over PL)."""
    return URGENCY[one] > URGENCY[other]
