"""The life of a managed text-message Subscription: proven by its owner, ended by its owner.

https://hl7.org/fhir/R4/subscription.html#status. Nobody but the person holding the telephone makes
it ``active``, and only that person lifts an ``off``. A provider that is away changes nothing.
"""

from typing import Final, Literal

Status = Literal["requested", "active", "error", "off"]
VerificationEvent = Literal["number-changed", "confirmed", "stopped", "started", "number-dead"]

# (status now, what happened) -> status then; absent pairs change nothing. ``started`` is START from
# a number that was proven before; an unproven one is sent a new code instead (``number-changed``).
STATUSES: Final[dict[tuple[Status, VerificationEvent], Status]] = {
    ("requested", "confirmed"): "active",
    ("requested", "stopped"): "off",
    ("requested", "number-dead"): "error",
    ("requested", "number-changed"): "requested",
    ("active", "stopped"): "off",
    ("active", "number-dead"): "error",
    ("active", "number-changed"): "requested",
    ("off", "started"): "active",
    ("off", "number-changed"): "requested",
    ("error", "stopped"): "off",
    ("error", "started"): "active",
    ("error", "confirmed"): "active",
    ("error", "number-changed"): "requested",
}


def after(status: Status, event: VerificationEvent) -> Status:
    """Return the status after `event`, unchanged where the table knows nothing."""
    return STATUSES.get((status, event), status)
