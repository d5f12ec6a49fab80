"""Signs of life of one device in one batch: those that say something new, in order. Pure."""

from decimal import Decimal
from typing import Final

from fhirserver.kernel.readings import Contact
from fhirserver.kernel.resource import Json

# A device that means to speak less often than once an hour cannot be watched by its silence.
_LONGEST_INTERVAL: Final = 3600


def promised_interval(birth: Json) -> float | None:
    """Return how many seconds apart a device means to send (``interval_s`` of its birth), None when it does not say."""
    said = birth.get("interval_s")
    if isinstance(said, bool) or not isinstance(said, int | float | Decimal):
        return None
    return float(said) if 0 < said <= _LONGEST_INTERVAL else None


def note(told: list[Contact], contact: Contact) -> None:
    """Add a sign of life; the newest stands for those before it that said the same of the treatment."""
    last = told[-1] if told else None
    if (
        last is not None
        and last.mode == contact.mode
        and last.session == contact.session
        and last.patient == contact.patient
        and last.online
    ):
        told[-1] = contact
    else:
        told.append(contact)
