"""What the telephone channel carries between deciding, sending and recording."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.message import Language
from subscriptions.core.receipt import Cause
from subscriptions.core.timing import Medium

# ``unavailable``: not taken. ``lost`` and ``ambiguous``: nobody can say; the first may be sent again
# at once. ``withdrawn``: not wanted any more. ``too-many``: that telephone takes no more texts now.
Result = Literal[
    "pending", "handed-over", "refused", "unavailable", "lost", "ambiguous", "withdrawn", "too-many"
]


@dataclass(frozen=True, slots=True)
class Handset:
    """One telephone, how to speak to it, and the Subscription it belongs to."""

    number: str
    lookup: int
    member: str
    language: Language


@dataclass(frozen=True, slots=True)
class Sending:
    """One message or call on its way through `company`. `text` is the body, or the call's TwiML.

    `asked` are the companies that were asked before in this shipment. `look_first`: an earlier try
    may have arrived; `blindly`: send even when the company cannot say.
    """

    attempt: UUID
    company: str
    medium: Medium
    to: str
    text: str
    callback: str
    urgency: Priority
    started: datetime
    look_first: bool
    blindly: bool
    expects_receipt: bool = False
    result: Result = "pending"
    reference: str | None = None
    cause: Cause | None = None
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sendings:
    """What one Subscription is about to send; delivered through event `through` afterwards."""

    tenant: int
    subscription: str
    epoch: int
    through: int
    sendings: tuple[Sending, ...]
