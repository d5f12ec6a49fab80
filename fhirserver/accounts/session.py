"""Sessions in the browser: what they know, when they end, and what is still missing until somebody is signed in.

Automatic logoff is 45 CFR 164.312(a)(2)(iii): https://www.ecfr.gov/current/title-45/section-164.312
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Step = Literal["second-factor", "enrol", "role", "done"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The pages of a session close after `idle` without a request of its browser; it ends after `longest`."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is kept. `id` is no secret: what the browser has is another value.

    `role` is what it acts as (kind, reference), None until its person said so. `methods` it was opened with, by the
    names of RFC 8176: pwd (password), otp (code of an app), kba (recovery code), hwk (passkey). `agent` and `address`
    are what the browser said of itself.
    """

    id: str
    account: str
    role: tuple[str, str] | None
    methods: tuple[str, ...]
    opened: datetime
    seen: datetime
    agent: str
    address: str


def is_over(session: Session, limits: Limits, now: datetime) -> bool:
    """Return whether `session` has ended for good, and with it what apps may do while it lasts."""
    return now - session.opened >= limits.longest


def is_idle(session: Session, limits: Limits, now: datetime) -> bool:
    """Return whether nothing came from the browser for so long that its person must prove who they are again."""
    return now - session.seen >= limits.idle


def missing(
    session: Session, factors: Iterable[str], roles: Sequence[tuple[str, str]], *, required: bool
) -> Step:
    """Return what must follow before `session` is good for anything.

    That is a second factor where the account has one, making one where it is `required`, and saying which of several
    `roles` is meant. A passkey is two factors by itself: the device, and what unlocks it (NIST SP 800-63B-4 section
    3.1.7).
    """
    if not {"hwk", "otp", "kba"}.intersection(session.methods):
        if {"totp", "passkey"}.intersection(factors):
            return "second-factor"
        if required:
            return "enrol"
    return "role" if role_of(session, roles) is None and roles else "done"


def role_of(session: Session, roles: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the role of the account that `session` acts in: the one chosen while it lasts, or the only one."""
    if session.role in roles:
        return session.role
    return roles[0] if len(roles) == 1 else None


def is_fresh(session: Session, now: datetime, limit: timedelta = timedelta(minutes=15)) -> bool:
    """Return whether its person proved who they are recently enough to change how they do so."""
    return now - session.opened < limit


def needs_second_factor(kinds: Iterable[str], policy: str) -> bool:
    """Return whether who acts as principals of these kinds must have one.

    `policy` is ``everybody``, ``professionals`` (whoever is not only a patient or a care partner) or ``nobody``.
    """
    if policy == "everybody":
        return True
    return policy == "professionals" and any(
        kind not in ("patient", "related-person") for kind in kinds
    )
