"""The state of a ladder: who stands on it, what they were told and answered, what is due."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.timing import LADDERS, LadderTiming

Answer = Literal["a", "y", "n", "h"]
TimerKind = Literal["rung", "repeat", "emergency", "recheck"]
Phase = Literal["ringing", "at-patient", "closed"]

_NURSE_RUNG: Final = 3


@dataclass(frozen=True, slots=True)
class Contact:
    """A care-team member who may be told.

    `tier` is the CareTeam's escalation tier (1 first). `unreachable` says why nobody can be sent
    to, None when the member's Subscription is active. `shares_with_patient` is true for the patient
    and for whoever is reached at a number of the patient.
    """

    member: str
    tier: int
    professional: bool
    shares_with_patient: bool
    unreachable: str | None

    @property
    def rung(self) -> int:
        """Return the rung: professionals of a later tier than the first are the nurse rung."""
        return max(self.tier, _NURSE_RUNG) if self.professional and self.tier > 1 else self.tier


Roster = tuple[Contact, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """What one member was told and answered in this round; `pages` counts over all rounds."""

    member: str
    pages: int = 0
    told: bool = False
    skipped: str | None = None
    answer: Answer | None = None
    repeat_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The state of one incident's ladder. `round` grows each time it rings from rung 1 again."""

    priority: Priority
    needs_other: bool
    alerts: tuple[UUID, ...]
    round: int
    started: datetime
    phase: Phase = "ringing"
    rung: int = 0
    next_rung_at: datetime | None = None
    emergency_at: datetime | None = None
    recheck_at: datetime | None = None
    held: bool = False
    exhausted: bool = False
    rechecked: bool = False
    people: tuple[Person, ...] = ()

    @property
    def timing(self) -> LadderTiming:
        """Return the times of this priority."""
        return LADDERS[self.priority]

    def person(self, member: str) -> Person:
        """Return what is known of `member`, an untold person when nothing is."""
        return next((p for p in self.people if p.member == member), Person(member))


def timers(ladder: Ladder | None) -> Mapping[TimerKind, datetime]:
    """Return the timers that must exist while the ladder is in this state."""
    if ladder is None or ladder.phase == "closed":
        return {}
    if ladder.phase == "at-patient":
        return {} if ladder.recheck_at is None else {"recheck": ladder.recheck_at}
    repeat = min((p.repeat_at for p in ladder.people if p.repeat_at is not None), default=None)
    due: dict[TimerKind, datetime | None] = {
        "rung": ladder.next_rung_at,
        "repeat": repeat,
        "emergency": ladder.emergency_at,
    }
    return {kind: at for kind, at in due.items() if at is not None}


def rung_delay(timing: LadderTiming, rung: int) -> timedelta:
    """Return how long after the start `rung` is told."""
    known = timing.rungs.get(rung)
    if known is not None:
        return known
    last = max(timing.rungs)
    return timing.rungs[last] + (rung - last) * timing.further_rung
