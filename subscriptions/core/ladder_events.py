"""What can happen to a ladder. Names are in the past tense or say what came due."""

from dataclasses import dataclass
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.ladder_state import Answer, Roster


@dataclass(frozen=True, slots=True)
class Ring:
    """An alert was raised, grew in priority or crossed its limit anew (`again`)."""

    alert: UUID
    priority: Priority
    needs_other: bool
    again: bool
    roster: Roster


@dataclass(frozen=True, slots=True)
class Due:
    """A timer of round `round` has come due."""

    round: int
    roster: Roster


@dataclass(frozen=True, slots=True)
class Replied:
    """A member answered; `condition_present` says whether any alert of the incident still is."""

    member: str
    answer: Answer
    condition_present: bool
    roster: Roster


@dataclass(frozen=True, slots=True)
class Unreached:
    """What was sent to a member did not arrive."""

    member: str
    reason: str
    roster: Roster


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """The care team, or whether somebody can be reached, changed."""

    roster: Roster


@dataclass(frozen=True, slots=True)
class Ended:
    """Every alert of the incident was closed; `by` is the reference of who did it."""

    by: str


Event = Ring | Due | Replied | Unreached | RosterChanged | Ended
