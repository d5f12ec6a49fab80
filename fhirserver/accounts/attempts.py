"""Tries to sign in are counted before anything is compared, so that many at once are no way around the count."""

from datetime import datetime

from fhirserver.accounts.lockout import ADDRESS, NAME, Failures, Limit, counted, paused_until
from fhirserver.kernel.ports import Transaction
from fhirserver.store import people, sessions


async def begin(tx: Transaction, whose: str, address: str) -> datetime | None:
    """Count a try as failed until `succeeded`; return when the next is allowed if this one is not, None when it is.

    `whose` is what `named` or `second_factor_of` makes of a login name.
    """
    subjects = ((whose, NAME), (_address(address), ADDRESS))
    found = [(subject, limit, await _failures(tx, subject)) for subject, limit in subjects]
    paused = [until for _, limit, one in found if (until := paused_until(one, limit, tx.now))]
    if paused:
        return max(paused)
    for subject, limit, one in found:
        await _count(tx, subject, one, limit)
    return None


async def begin_code(tx: Transaction, address: str) -> datetime | None:
    """Do the same for a code that names no account."""
    subject = _address(address)
    known = await _failures(tx, subject)
    until = paused_until(known, ADDRESS, tx.now)
    if until is None:
        await _count(tx, subject, known, ADDRESS)
    return until


async def succeeded(tx: Transaction, whose: str | None, address: str) -> None:
    """Take the count of a try back: all failures of `whose`, one of the address, whose others may be somebody else's."""
    if whose is not None:
        await sessions.forgive(tx, whose)
    await sessions.forgive(tx, _address(address), one=True)


def named(login: str) -> str:
    """Return what failures under a login name, whether it exists or not, are counted as."""
    return f"name|{people.normalized(login)}"


def second_factor_of(login: str) -> str:
    """Return what failures of the second factor of `login` are counted as: no login name is counted as the same."""
    return f"second factor|{people.normalized(login)}"


def old_password_of(login: str) -> str:
    """Return what wrong old passwords, where `login` wants a new one, are counted as."""
    return f"old password|{people.normalized(login)}"


def _address(address: str) -> str:
    return f"address|{address}"


async def _failures(tx: Transaction, subject: str) -> Failures | None:
    known = await sessions.failures(tx, subject)
    return None if known is None else Failures(*known)


async def _count(tx: Transaction, subject: str, known: Failures | None, limit: Limit) -> None:
    now = counted(known, limit, tx.now)
    await sessions.set_failures(tx, subject, now.count, now.latest)
