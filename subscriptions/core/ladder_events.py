"""What can happen to a ladder. Names are in the past tense or say what came due."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.ladder_state import Answer, Roster


@dataclass(frozen=True, slots=True)
class Ring:
    """An alert was raised, grew in priority or crossed its limit anew (`again`).

    `everyone`: it says that the alarm itself is deaf, so all are told at once.
    """

    alert: UUID
    priority: Priority
    needs_other: bool
    again: bool
    roster: Roster
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A timer of round `round` has come due.

    `condition_present` says whether what is wrong with any alert of the incident still is.
    """

    round: int
    roster: Roster
    condition_present: bool = True


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
class Paused:
    """A member who has answered asks for silence until `until`."""

    member: str
    until: datetime
    roster: Roster


@dataclass(frozen=True, slots=True)
class Ended:
    """Every alert of the incident was closed; `by` is the reference of who did it."""

    by: str


Event = Ring | Due | Replied | Unreached | RosterChanged | Paused | Ended
