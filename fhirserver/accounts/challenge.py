"""Challenges that passkeys sign: made without writing anything, good for minutes, answered once.

A challenge is an envelope of the tenant that says until when it is good, bound to one browser and one purpose.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.ports import Transaction
from fhirserver.store import factors

LIFETIME: Final = timedelta(minutes=5)
_TIME_BYTES: Final = 8


async def made(tx: Transaction, purpose: str, browser: str) -> bytes:
    """Return a new challenge for `purpose` in the browser that has the secret `browser`."""
    until = int((tx.now + LIFETIME).timestamp())
    return await tx.seal(None, _place(purpose, browser), until.to_bytes(_TIME_BYTES, "big"))


async def answered(tx: Transaction, purpose: str, browser: str, challenge: bytes) -> bool:
    """Return whether `challenge` was made for this, is good still, and is answered for the first time."""
    try:
        opened = await tx.unseal(None, _place(purpose, browser), challenge)
    except (Tampered, OverflowError):
        return False
    until = datetime.fromtimestamp(int.from_bytes(opened, "big"), UTC)
    return until > tx.now and await factors.answer_once(tx, challenge, until)


def _place(purpose: str, browser: str) -> str:
    return f"challenge|{purpose}|{browser}"
