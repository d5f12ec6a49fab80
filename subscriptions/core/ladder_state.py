"""The state of a ladder: who stands on it, what they were told and answered, what is due."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.timing import LADDERS, LadderTiming, Medium

Answer = Literal["a", "y", "n", "h"]
TimerKind = Literal["rung", "repeat", "emergency", "recheck", "realarm", "roster", "resume"]
Phase = Literal["ringing", "at-patient", "closed"]

_NURSE_RUNG: Final = 3


@dataclass(frozen=True, slots=True)
class Contact:
    """A care-team member who may be told.

    `tier` is the CareTeam's escalation tier (1 first), `order` the place within it. `unreachable`
    says why nobody can be sent to, None when the member's Subscription is active.
    `shares_with_patient` is true for the patient and for whoever is reached at a number of the
    patient. `media` are the ways they may be told by. `quiet`: these are their quiet hours, in
    which only a PH alert rings.
    """

    member: str
    tier: int
    professional: bool
    shares_with_patient: bool
    unreachable: str | None
    order: int = 1
    media: tuple[Medium, ...] = ("sms", "voice")
    quiet: bool = False

    @property
    def rung(self) -> int:
        """Return the rung: professionals of a later tier than the first are the nurse rung."""
        return max(self.tier, _NURSE_RUNG) if self.professional and self.tier > 1 else self.tier


@dataclass(frozen=True, slots=True)
class Roster:
    """Who may be told now, and how fast; iterates over the contacts.

    `until` is when it changes by itself next (a shift, quiet hours or a membership begins or ends),
    None for never. `pace` holds the times of the ladder by priority.
    """

    contacts: tuple[Contact, ...] = ()
    until: datetime | None = None
    pace: Mapping[Priority, LadderTiming] = field(default_factory=lambda: LADDERS)

    def __iter__(self) -> Iterator[Contact]:
        """Iterate over the contacts."""
        return iter(self.contacts)

    def find(self, member: str) -> Contact | None:
        """Return the contact of `member`, None when they are not on the ladder."""
        return next((c for c in self.contacts if c.member == member), None)


# A place on the ladder: the rung, and the order within it where a priority tells one by one.
Step = tuple[int, int]
BEFORE_THE_FIRST: Final[Step] = (0, 0)


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
    """The state of one incident's ladder.

    `round` grows each time it rings from rung 1 again; `begun` is when it last rang for something
    new, `started` when this round did. `counting`: since when nobody has come, where that was before
    `started`; rungs and prompt are counted from then, so that what rings anew delays nobody.
    `everyone`: all are told at once, whatever their rung. `paused_until` silences it; nothing comes
    due before.
    """

    priority: Priority
    needs_other: bool
    alerts: tuple[UUID, ...]
    round: int
    started: datetime
    begun: datetime
    phase: Phase = "ringing"
    reached: Step = BEFORE_THE_FIRST
    next_rung_at: datetime | None = None
    emergency_at: datetime | None = None
    recheck_at: datetime | None = None
    realarm_at: datetime | None = None
    roster_until: datetime | None = None
    paused_until: datetime | None = None
    everyone: bool = False
    held: bool = False
    prompted: bool = False
    exhausted: bool = False
    rechecked: bool = False
    people: tuple[Person, ...] = ()
    counting: datetime | None = None

    @property
    def counted_from(self) -> datetime:
        """Return since when the rungs are counted."""
        return self.started if self.counting is None else self.counting

    def person(self, member: str) -> Person:
        """Return what is known of `member`, an untold person when nothing is."""
        return next((p for p in self.people if p.member == member), Person(member))


def timers(ladder: Ladder | None) -> Mapping[TimerKind, datetime]:
    """Return the timers that must exist while the ladder is in this state."""
    if ladder is None or ladder.phase == "closed":
        return {}
    if ladder.phase == "at-patient":
        return {} if ladder.recheck_at is None else {"recheck": ladder.recheck_at}
    if ladder.paused_until is not None:
        return {"resume": ladder.paused_until}
    repeat = min((p.repeat_at for p in ladder.people if p.repeat_at is not None), default=None)
    due: dict[TimerKind, datetime | None] = {
        "rung": ladder.next_rung_at,
        "repeat": repeat,
        "emergency": ladder.emergency_at,
        "realarm": ladder.realarm_at,
        "roster": ladder.roster_until,
    }
    return {kind: at for kind, at in due.items() if at is not None}


def is_unanswered(ladder: Ladder) -> bool:
    """Return whether everyone was told of a danger, and nobody has come since."""
    danger = ladder.priority == "PH" or ladder.needs_other
    everyone_told = ladder.exhausted or ladder.started != ladder.begun
    return ladder.phase == "ringing" and danger and everyone_told


def step_of(contact: Contact, timing: LadderTiming) -> Step:
    """Return where `contact` stands on a ladder with these times."""
    return (contact.rung, contact.order if timing.between else 1)


def delay_of(step: Step, roster: Roster, timing: LadderTiming) -> timedelta:
    """Return how long after the start those at `step` are told."""
    steps = {step_of(contact, timing) for contact in roster}
    before = len({one for one in steps if one[0] == step[0] and one < step})
    in_turn = _rung_delay(timing, step[0]) + before * timing.between
    later = min((one[0] for one in steps if one[0] > step[0]), default=None)
    return in_turn if later is None else min(in_turn, _rung_delay(timing, later))


def _rung_delay(timing: LadderTiming, rung: int) -> timedelta:
    known = timing.rungs.get(rung)
    if known is not None:
        return known
    last = max(timing.rungs)
    return timing.rungs[last] + (rung - last) * timing.further_rung
