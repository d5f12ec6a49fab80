"""A treatment as the machine tells of it: when it begins, pauses and ends. Pure.

A machine in mode TX that is bound to a patient treats that patient. The treatment is over when the
machine has been in a mode that treats nobody for `TREATMENT_OVER_AFTER`, when the machine is no
longer the patient's, when it names another treatment, or when somebody says so.

Modes of operation: MDC_HDIALY_MACH_MODE_OF_OPERATION (MDC 158594).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from fhirserver.kernel.readings import Contact
from subscriptions.core.constants import (
    PAGES_UNTIL,
    TREATMENT_END_MISSING_AFTER,
    TREATMENT_OVER_AFTER,
)
from subscriptions.core.event_codes import SESSION_END_MISSING
from subscriptions.core.findings import Finding, What, own_finding

_OVER_AFTER: Final = timedelta(seconds=TREATMENT_OVER_AFTER.value)
_MISSING_AFTER: Final = timedelta(seconds=TREATMENT_END_MISSING_AFTER.value)
_LIVE: Final = timedelta(seconds=PAGES_UNTIL.value)

# What a sign of life does to a treatment.
Step = Literal["nothing", "begins", "pauses", "goes-on", "comes-live", "ends", "begins-another"]


@dataclass(frozen=True, slots=True)
class Session:
    """A treatment that is not over.

    `procedure` is the id of its Procedure, `therapy` the machine's own name of it, None where it
    gave none. `paused` is since when the machine treats nobody, `planned_end` when it should be
    over. `live` is False while all that was heard of it was older than five minutes on receipt: a
    record of the past, for which nobody is called. `told` and `end_told` say whether it was told
    that monitoring is not armed, and that its end is missing.
    """

    procedure: str
    patient: str
    device: str
    therapy: str | None
    started: datetime
    planned_end: datetime
    paused: datetime | None = None
    live: bool = True
    told: bool = False
    end_told: bool = False
    simulated: bool = False


def heard(session: Session | None, contact: Contact) -> Step:
    """Return what `contact` of a device does to the treatment it is busy with (None: none).

    What was said before the treatment began, or before it paused, and arrives only now, does nothing.
    """
    treats = contact.mode == "TX" and contact.patient is not None
    if session is None:
        return "begins" if treats else "nothing"
    if contact.mode is None or is_late(session, contact):
        return "nothing"
    other_therapy = None not in (session.therapy, contact.session) and (
        session.therapy != contact.session
    )
    if contact.patient != session.patient or other_therapy:
        return "begins-another" if treats else "ends"
    if treats:
        if session.paused is not None:
            return "goes-on"
        return "comes-live" if not session.live and is_live(contact) else "nothing"
    return "pauses" if session.paused is None else "nothing"


def is_late(session: Session, contact: Contact) -> bool:
    """Return whether `contact` is from before the treatment began, or before it paused."""
    return said_at(contact) < (session.paused or session.started)


def said_at(contact: Contact) -> datetime:
    """Return when the device said so."""
    return contact.received if contact.at is None else min(contact.at, contact.received)


def is_live(contact: Contact) -> bool:
    """Return whether `contact` is of now: not older than what people are still called for."""
    return contact.received - said_at(contact) <= _LIVE


def over_at(session: Session) -> datetime | None:
    """Return when the treatment is over unless it goes on; None while the machine treats."""
    return None if session.paused is None else session.paused + _OVER_AFTER


def end_missing_at(session: Session) -> datetime | None:
    """Return when its end is missing; None when that was told already, or it is of the past."""
    if session.end_told or not session.live:
        return None
    return session.planned_end + _MISSING_AFTER


def ended_at(session: Session, at: datetime) -> tuple[datetime, bool]:
    """Return when a treatment that ends `at` was over, and whether that is known.

    One whose end was missing already, and that ends because another begins, was over at some time before.
    """
    if session.end_told and session.paused is None:
        return session.planned_end + _MISSING_AFTER, False
    return max(at, session.started), True


def due_at(session: Session, tell: datetime | None) -> datetime | None:
    """Return when time itself does something to it; `tell`: when it is told to be unarmed."""
    told = tell if session.live and not session.told else None
    moments = (over_at(session), end_missing_at(session), told)
    return min((moment for moment in moments if moment is not None), default=None)


def paused(session: Session, at: datetime) -> Session:
    """Return the treatment while the machine treats nobody."""
    return replace(session, paused=at)


def gone_on(session: Session, contact: Contact) -> Session:
    """Return the treatment going on."""
    return replace(session, paused=None, live=session.live or is_live(contact))


def end_missing_finding(session: Session, what: What, at: datetime) -> Finding:
    """Return the finding that nobody has ended a treatment (``breached``), or that it is over."""
    return own_finding(
        what,
        SESSION_END_MISSING,
        key=f"session-end:{session.procedure}",
        patient=session.patient,
        device=session.device,
        priority="PM",
        at=at,
        simulated=session.simulated,
        detail={"reason": "planned end long past", "planned end": session.planned_end.isoformat()},
    )
