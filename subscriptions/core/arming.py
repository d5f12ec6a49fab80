"""Whether monitoring is armed: somebody at home has shown that an alarm would reach them. Pure.

Before a treatment the server sends a test page to everybody of the first tier. Monitoring is armed
when one of them acknowledges it and can still be reached; it lapses when the last such person is
lost. Readings are judged either way: what is missing without it is the certainty that somebody
hears the alarm, and that is an alarm of its own.

Rules
-----
1. Only a member of tier 1 counts who can be reached and whose telephone is not the patient's: a
   number shared with the patient ends no PH alarm, so it proves nothing.
2. A test page and its acknowledgement hold for one treatment: for `TEST_PAGE_HOLDS` before it, until
   it is over; then the patient is `UNARMED` again.
3. Treatment while not armed is told at once; after `TEST_PAGE_GRACE` when a test page is on its
   way.
4. Who is under 18, or of unknown age, is armed only under a clinician's own order: the default rules
   are made for adults.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from fhirserver.relations.majority import grown, latest_birth
from subscriptions.core.constants import ADULT_FROM, TEST_PAGE_GRACE, TEST_PAGE_HOLDS
from subscriptions.core.event_codes import NOT_ARMED
from subscriptions.core.findings import Finding, What, own_finding
from subscriptions.core.ladder_state import Contact

ArmedState = Literal["unarmed", "testing", "armed", "lapsed"]
# Why monitoring is not armed.
Reason = Literal[
    "not-tested", "not-acknowledged", "nobody-reachable", "person-lost", "no-order", "too-old"
]

_GRACE: Final = timedelta(seconds=TEST_PAGE_GRACE.value)
_HOLDS: Final = timedelta(seconds=TEST_PAGE_HOLDS.value)


@dataclass(frozen=True, slots=True)
class Arming:
    """How a patient's monitoring stands.

    `asked` is when the last test page went out, `armed` since when it is armed, `by` who has
    acknowledged, `reason` why it is not armed (None while it is).
    """

    state: ArmedState = "unarmed"
    asked: datetime | None = None
    armed: datetime | None = None
    by: tuple[str, ...] = ()
    reason: Reason | None = "not-tested"


UNARMED: Final = Arming()


def able(roster: Iterable[Contact]) -> tuple[str, ...]:
    """Return who counts: members of tier 1 who can be reached at a telephone of their own."""
    return tuple(
        contact.member
        for contact in roster
        if contact.tier == 1 and contact.unreachable is None and not contact.shares_with_patient
    )


def asked(arming: Arming, roster: Iterable[Contact], now: datetime) -> Arming:
    """Return the arming after a test page went out; one that is armed stays so meanwhile."""
    if not able(roster):
        return replace(_lost(arming, "nobody-reachable"), asked=now)
    if arming.state == "armed":
        return replace(arming, asked=now)
    return Arming("testing", now, None, (), "not-acknowledged")


def acknowledged(
    arming: Arming, member: str, roster: Iterable[Contact], now: datetime, *, allowed: bool
) -> Arming:
    """Return the arming after `member` acknowledged a test page; `allowed`: rule 4 is met."""
    if arming.state == "unarmed" or member not in able(roster):
        return arming
    if not allowed:
        return _lost(arming, "no-order")
    by = tuple(dict.fromkeys((*arming.by, member)))
    return Arming("armed", arming.asked, arming.armed or now, by, None)


def looked_at(
    arming: Arming, roster: Iterable[Contact], now: datetime, *, allowed: bool, in_session: bool
) -> Arming:
    """Return the arming as it is now that the roster, the orders or only the time have changed."""
    if arming.state in ("testing", "armed") and not in_session and _too_old(arming, now):
        return Arming(reason="too-old")
    if arming.state not in ("testing", "armed"):
        return arming
    if not allowed:
        return _lost(arming, "no-order")
    people = able(roster)
    if arming.state == "testing":
        return arming if people else _lost(arming, "nobody-reachable")
    return arming if set(arming.by) & set(people) else _lost(arming, "person-lost")


def holds_until(arming: Arming, *, in_session: bool) -> datetime | None:
    """Return when a test page is too old for a treatment that has not begun; None for never."""
    since = arming.armed or arming.asked
    if in_session or since is None or arming.state not in ("testing", "armed"):
        return None
    return since + _HOLDS


def tell_at(arming: Arming, session_started: datetime) -> datetime | None:
    """Return when a treatment must be told to be unarmed (rule 3); None while it is armed."""
    if arming.state == "armed":
        return None
    return session_started + _GRACE if arming.state == "testing" else session_started


def may_be_armed(birth_date: Any, now: datetime, *, has_own_order: bool) -> bool:
    """Return whether rule 4 is met; `birth_date` is a FHIR date, perhaps partial, or nothing."""
    return has_own_order or _is_adult(birth_date, now)


def not_armed_finding(
    *,
    patient: str,
    device: str | None,
    what: What,
    reason: Reason | None,
    simulated: bool,
    live: bool,
    at: datetime,
) -> Finding:
    """Return the finding that a treatment runs unarmed (``breached``), or no longer (``ended``)."""
    return own_finding(
        what,
        NOT_ARMED,
        key="not-armed",
        patient=patient,
        device=device,
        priority="PM",
        at=at,
        simulated=simulated,
        detail={"reason": reason or "armed"},
        bound=live,
        live=live,
        damped=False,
    )


def _lost(arming: Arming, reason: Reason) -> Arming:
    state: ArmedState = "lapsed" if arming.state in ("armed", "lapsed") else "unarmed"
    return Arming(state, arming.asked, None, (), reason)


def _too_old(arming: Arming, now: datetime) -> bool:
    until = holds_until(arming, in_session=False)
    return until is not None and now >= until


def _is_adult(birth_date: Any, now: datetime) -> bool:
    latest = latest_birth(birth_date)
    return latest is not None and grown(latest, ADULT_FROM.value) <= now.date()
