"""Rows of `dead_letter`: what no door could process, under the tenant's key: one that cannot be read has no patient."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.kernel import keys
from fhirserver.kernel.ports import DeadLetterCount, Transaction
from fhirserver.kernel.telemetry import DeadLetter

_COLUMNS: Final[LiteralString] = "id, door, source, reason, received, kind, parts, replayed"


@dataclass(frozen=True, slots=True)
class Listed:
    """A dead letter as an operator sees it in a list; nothing here was sealed."""

    id: UUID
    door: str
    source: str
    reason: str
    received: datetime
    kind: str
    parts: Sequence[str]
    replayed: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant: of a door, a source and a reason where those are given; `open`: not replayed yet."""

    door: str | None = None
    source: str | None = None
    reason: str | None = None
    is_open: bool = True


async def keep(tx: Transaction, letters: Sequence[DeadLetter]) -> None:
    """Write the letters."""
    for letter in letters:
        bucket = keys.bucket_of(tx.tenant, "device-address", letter.source)
        row = keys.row_id(keys.unix_ms(tx.now), bucket, secrets.randbits(64))
        raw = await tx.seal(None, _purpose(row), letter.raw)
        await tx.execute(
            "INSERT INTO dead_letter (bucket, tenant, id, door, source, reason, received, raw, kind, parts) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (bucket, tx.tenant, row, letter.door, letter.source, letter.reason, tx.now, raw, letter.kind,
             list(letter.parts)),
        )  # fmt: skip


async def counted(tx: Transaction) -> Sequence[DeadLetterCount]:
    """Return how many there are that were not replayed, the most frequent first."""
    rows = await tx.execute(
        "SELECT door, source, reason, count(*), max(received) FROM dead_letter WHERE tenant = %s "
        "AND replayed IS NULL GROUP BY door, source, reason ORDER BY count(*) DESC, source, reason LIMIT 1000",
        (tx.tenant,),
    )
    return [DeadLetterCount(*row) for row in rows]


async def listed(tx: Transaction, wanted: Wanted, most: int) -> Sequence[Listed]:
    """Return the oldest letters that are meant, at most so many."""
    rows = await tx.execute(
        "SELECT " + _COLUMNS + " FROM dead_letter WHERE tenant = %s AND door = coalesce(%s, door) "
        "AND source = coalesce(%s, source) AND reason = coalesce(%s, reason) AND (NOT %s OR replayed IS NULL) "
        "ORDER BY received, id LIMIT %s",
        (tx.tenant, wanted.door, wanted.source, wanted.reason, wanted.is_open, most),
    )
    return [Listed(*row) for row in rows]


async def shown(tx: Transaction, row: UUID) -> tuple[Listed, bytes] | None:
    """Return a letter and the message as it came in; None when there is none."""
    place = (tx.tenant, keys.bucket_of_row(row), row)
    where: LiteralString = " FROM dead_letter WHERE tenant = %s AND bucket = %s AND id = %s"
    rows = await tx.execute("SELECT " + _COLUMNS + where, place)
    if not rows:
        return None
    ((raw,),) = await tx.execute("SELECT raw" + where, place)
    return Listed(*rows[0]), await tx.unseal(None, _purpose(row), raw)


async def take(tx: Transaction, row: UUID) -> bool:
    """Note that a letter is processed again now; False when somebody has done so before."""
    found = await tx.execute(
        "UPDATE dead_letter SET replayed = %s WHERE tenant = %s AND bucket = %s AND id = %s AND replayed IS NULL "
        "RETURNING id",
        (tx.now, tx.tenant, keys.bucket_of_row(row), row),
    )
    return bool(found)


def _purpose(row: UUID) -> str:
    return f"dead-letter|{row}"
