"""What a telephone company reports about a message or call it took, put in order.

Statuses and errors of Twilio's REST API:
https://www.twilio.com/docs/messaging/api/message-resource#message-status-values,
https://www.twilio.com/docs/voice/api/call-resource#call-status-values,
https://www.twilio.com/docs/api/errors. Companies with other words are translated to these. Reports
arrive twice and out of order; a later stage is never undone by an earlier one.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from fhirserver.kernel.readings import Priority
from subscriptions.core.timing import Medium

Verdict = Literal["on-its-way", "arrived", "not-arrived"]
Cause = Literal["dead-number", "opted-out"]

_STAGES: Final[dict[str, tuple[int, Verdict]]] = {
    "queued": (1, "on-its-way"),
    "accepted": (1, "on-its-way"),
    "scheduled": (1, "on-its-way"),
    "initiated": (1, "on-its-way"),
    "sending": (2, "on-its-way"),
    "ringing": (2, "on-its-way"),
    "sent": (3, "on-its-way"),
    "in-progress": (4, "arrived"),
    "answered": (4, "arrived"),
    "delivered": (5, "arrived"),
    "read": (6, "arrived"),
    "completed": (5, "arrived"),
    # A telephone that rang and was not answered was reached; its owner was not. The text message
    # and the next call go on, so this escalates nothing by itself.
    "busy": (5, "on-its-way"),
    "no-answer": (5, "on-its-way"),
    "canceled": (5, "on-its-way"),
    "undelivered": (5, "not-arrived"),
    "failed": (5, "not-arrived"),
}

# Errors after which a number will never work (invalid, not a mobile, unknown, landline), and the
# one that says its owner has opted out at the carrier. Every other error is the company's own.
_CAUSES: Final[Mapping[str, Cause]] = {
    "21211": "dead-number",
    "21214": "dead-number",
    "21217": "dead-number",
    "21614": "dead-number",
    "30005": "dead-number",
    "30006": "dead-number",
    "21610": "opted-out",
}

# The stage that ends the wait for a report: a text that was delivered, a telephone that rings.
_SETTLED: Final[Mapping[Medium, int]] = {"sms": 5, "voice": 2}
# [P] How long a company may stay silent about what it took before another one is asked, and after
# the last of them the next person: a PH ladder asks its second rung after 30 s in any case.
_RECEIPT_WAIT: Final[Mapping[Priority, timedelta]] = {
    "PH": timedelta(seconds=15),
    "PM": timedelta(seconds=60),
    "PL": timedelta(seconds=60),
}


def stage(status: str) -> int:
    """Return how far along `status` is; 0 for a status nobody knows."""
    return _STAGES.get(status, (0, "on-its-way"))[0]


def verdict(status: str) -> Verdict:
    """Return what `status` says about the person at the other end."""
    return _STAGES.get(status, (0, "on-its-way"))[1]


def cause_of(error: str | None) -> Cause | None:
    """Return what a company's error says about the number itself, None when nothing."""
    return None if error is None else _CAUSES.get(error)


def settled_stage(medium: Medium) -> int:
    """Return the stage from which on nothing more is waited for."""
    return _SETTLED[medium]


def receipt_wait(urgency: Priority) -> timedelta:
    """Return how long a company may take to report that a message arrived."""
    return _RECEIPT_WAIT[urgency]
