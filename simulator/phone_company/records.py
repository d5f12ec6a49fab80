"""What the phone company remembers: messages, calls and phones."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

MessageStatus = Literal["queued", "sent", "delivered", "undelivered", "failed", "received"]
CallStatus = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "no-answer", "busy", "failed"
]


@dataclass(frozen=True, slots=True)
class Account:
    """The customer: its identifier, its token and the number it owns."""

    sid: str
    token: str
    number: str


@dataclass(slots=True)
class Message:
    """One text message, from the account to a phone (outbound) or from a phone to it (inbound)."""

    sid: str
    account: str
    to: str
    sender: str
    body: str
    created: datetime
    status: MessageStatus
    direction: Literal["outbound-api", "inbound", "outbound-reply"]
    sent: datetime | None = None
    updated: datetime | None = None
    error_code: int | None = None


@dataclass(slots=True)
class Call:
    """One call from the account to a phone; `said` was spoken, `digits` were pressed."""

    sid: str
    account: str
    to: str
    sender: str
    created: datetime
    status: CallStatus = "queued"
    url: str | None = None
    twiml: str | None = None
    callback: str | None = None
    callback_events: tuple[str, ...] = ("completed",)
    ring_s: float = 60.0
    started: datetime | None = None
    ended: datetime | None = None
    said: list[str] = field(default_factory=list)
    digits: str = ""
    listening: bool = False
    callbacks_sent: int = 0


@dataclass(slots=True)
class Phone:
    """One handset. `answer_after_s` None: somebody must answer by hand.

    `auto_verify` answers a verification message with the code in it; `reachable` False makes
    messages undelivered and calls fail; `stopped` is set by STOP and lifted by START, as Twilio
    does.
    """

    number: str
    name: str = ""
    auto_verify: bool = False
    answer_after_s: float | None = None
    reachable: bool = True
    stopped: bool = False
    messages: list[Message] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


@dataclass(slots=True)
class Faults:
    """What goes wrong. Counts say how many of the next requests; -1 means until switched off.

    `refuse_429`: answer 429. `error_after_accept`: do the work and answer 500. `drop_accepted`:
    answer 201 and do nothing more. `delay_s`: wait before each delivery. `duplicate_receipts` and
    `reorder_receipts`: send status callbacks twice, or `delivered` before `sent`. `lose_receipts`:
    send none about messages. `slow_s`: do the work and answer that late. `offline`: 503.
    """

    refuse_429: int = 0
    error_after_accept: int = 0
    drop_accepted: int = 0
    delay_s: float = 0.0
    duplicate_receipts: bool = False
    reorder_receipts: bool = False
    lose_receipts: bool = False
    slow_s: float = 0.0
    offline: bool = False

    def strikes(self, name: Literal["refuse_429", "error_after_accept", "drop_accepted"]) -> bool:
        """Whether the fault `name` hits this request; uses up one of a count."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0
