"""What a telephone company reports about a message or call it took, put in order.

Statuses of Twilio's REST API:
https://www.twilio.com/docs/messaging/api/message-resource#message-status-values and
https://www.twilio.com/docs/voice/api/call-resource#call-status-values. Reports arrive twice and out
of order; a later stage is never undone by an earlier one.
"""

from typing import Final, Literal

Verdict = Literal["on-its-way", "arrived", "not-arrived"]

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
# one that says its owner has opted out at the carrier.
DEAD_NUMBER_ERRORS: Final = frozenset(("21211", "21214", "21217", "21614", "30005", "30006"))
OPTED_OUT_ERROR: Final = "21610"


def stage(status: str) -> int:
    """Return how far along `status` is; 0 for a status nobody knows."""
    return _STAGES.get(status, (0, "on-its-way"))[0]


def verdict(status: str) -> Verdict:
    """Return what `status` says about the person at the other end."""
    return _STAGES.get(status, (0, "on-its-way"))[1]
