"""What the telephone channel carries between deciding, sending and recording."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.message import Language
from subscriptions.core.timing import Medium

Result = Literal["pending", "handed-over", "refused", "unavailable", "ambiguous"]


@dataclass(frozen=True, slots=True)
class Handset:
    """One telephone, how to speak to it, and the Subscription it belongs to."""

    number: str
    lookup: int
    member: str
    language: Language


@dataclass(frozen=True, slots=True)
class Sending:
    """One message or call. `text` is the body, or the call's TwiML."""

    attempt: UUID
    medium: Medium
    to: str
    text: str
    callback: str
    urgency: Priority
    started: datetime
    look_first: bool
    blindly: bool
    result: Result = "pending"
    reference: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sendings:
    """What one Subscription is about to send; delivered through event `through` afterwards."""

    through: int
    sendings: tuple[Sending, ...]
