"""Rows of `inbound_message`: messages from telephones already acted on, so that none acts twice."""

from datetime import datetime
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction

_PURPOSE = "inbound-answer"
# Run by the scanning role: which tenants remember messages older than a moment.
EXPIRED: Final[LiteralString] = (
    "SELECT DISTINCT tenant FROM inbound_message WHERE received < %s LIMIT 100"
)


def _place(tx: Transaction, message: str) -> tuple[int, int, int]:
    lookup = tx.blind("inbound-message", message)
    return tx.bucket(None, "inbound-message", str(lookup)), tx.tenant, lookup


def _purpose(tx: Transaction, message: str) -> str:
    return f"{_PURPOSE}|{_place(tx, message)[2]}"


async def begin(tx: Transaction, message: str) -> str | None:
    """Take a new message and return None, or return what it was answered when it came before.

    A second delivery of the same message waits here until the first is done.
    """
    taken = await tx.execute(
        "INSERT INTO inbound_message (bucket, tenant, lookup, received, answer)"
        " VALUES (%s, %s, %s, %s, '') ON CONFLICT DO NOTHING RETURNING 1",
        (*_place(tx, message), tx.now),
    )
    if taken:
        return None
    rows = await tx.execute(
        "SELECT answer FROM inbound_message WHERE bucket = %s AND tenant = %s AND lookup = %s",
        _place(tx, message),
    )
    return (await tx.unseal(None, _purpose(tx, message), bytes(rows[0][0]))).decode()


async def answered(tx: Transaction, message: str, answer: str) -> None:
    """Record what a message was answered with."""
    await tx.execute(
        "UPDATE inbound_message SET answer = %s WHERE bucket = %s AND tenant = %s AND lookup = %s",
        (await tx.seal(None, _purpose(tx, message), answer.encode()), *_place(tx, message)),
    )


async def forget_before(tx: Transaction, moment: datetime) -> None:
    """Delete what was received before `moment`."""
    await tx.execute(
        "DELETE FROM inbound_message WHERE tenant = %s AND received < %s", (tx.tenant, moment)
    )
