"""What a ladder asks for. The response part carries it out by writing Tasks; nothing else sends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from subscriptions.core.ladder_state import TimerKind
from subscriptions.core.life_cycle import Transition
from subscriptions.core.timing import Medium

Purpose = Literal["alert", "repeat", "emergency", "exhausted", "recheck", "test"]
TaskStatus = Literal["received", "accepted", "rejected", "completed", "cancelled"]
Outcome = Literal[
    "seen",
    "coming",
    "declined",
    "here",
    "other-needed",
    "over",
    "ended",
    "tested",
    "test-declined",
]
OperatorReason = Literal["exhausted", "monitoring-lost"]


@dataclass(frozen=True, slots=True)
class Page:
    """Tell `member` now, over `media`; `number` counts this member's pages."""

    member: str
    purpose: Purpose
    media: tuple[Medium, ...]
    number: int
    round: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Record that `member` was passed over, and why."""

    member: str
    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Set the status of `member`'s Task."""

    member: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Schedule:
    """Set the timer `kind` to `at`, replacing an earlier one."""

    kind: TimerKind
    at: datetime
    round: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Remove the timer `kind`."""

    kind: TimerKind


@dataclass(frozen=True, slots=True)
class Move:
    """Move the response axis of every alert of the incident."""

    transition: Transition
    by: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """What the person who replied is answered."""

    member: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TellOperator:
    """Open a Task for the operator."""

    reason: OperatorReason


@dataclass(frozen=True, slots=True)
class Finish:
    """The ladder is over: close the incident's Task."""

    by: str


Command = Page | Skip | Mark | Schedule | Cancel | Move | Confirm | TellOperator | Finish
