"""Pauses after failures, for a name and for an address.

A name is counted whether or not there is an account of that name, and a paused name is refused before anything is
compared: what a stranger learns is how often he tried. A pause grows, and ends by itself, so that nobody can shut
somebody else out for good; a passkey works meanwhile, because it cannot be guessed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """`free` failures cost nothing; the next one `first`, and every further one twice as much, up to `longest`.

    Failures are forgotten after `forgotten` without one.
    """

    free: int
    first: timedelta
    longest: timedelta
    forgotten: timedelta


@dataclass(frozen=True, slots=True)
class Failures:
    """How often, and when last (aware, UTC)."""

    count: int
    latest: datetime


# [P] figures: a person mistypes three times, a program three thousand times. At most 100 guesses a day for one name.
NAME: Final = Limit(5, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=24))
# Many people sign in from one clinic.
ADDRESS: Final = Limit(50, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=1))


def paused_until(failures: Failures | None, limit: Limit, now: datetime) -> datetime | None:
    """Return when the next try is allowed, None when it is now."""
    if failures is None or failures.count < limit.free or now - failures.latest > limit.forgotten:
        return None
    doublings = min(failures.count - limit.free, 30)
    until = failures.latest + min(limit.first * 2**doublings, limit.longest)
    return until if until > now else None


def counted(failures: Failures | None, limit: Limit, now: datetime) -> Failures:
    """Return `failures` with one more now."""
    if failures is None or now - failures.latest > limit.forgotten:
        return Failures(1, now)
    return Failures(failures.count + 1, now)
