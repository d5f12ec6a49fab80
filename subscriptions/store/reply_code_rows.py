"""Rows of `reply_code`: what a telephone may answer with, found by the telephone and the code."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from fhirserver.kernel.ports import Transaction

_PURPOSE = "reply-code"
# Run by the scanning role: which tenants hold codes nobody may use any more.
EXPIRED: Final[LiteralString] = (
    "SELECT DISTINCT tenant FROM reply_code WHERE expires < %s LIMIT 100"
)


@dataclass(frozen=True, slots=True)
class CodeOwner:
    """Whose code it is and for what: `incident` None proves a number."""

    incident: UUID | None
    patient: str | None
    member: str
    subscription: str


def phone_lookup(tx: Transaction, phone: str) -> int:
    """Return the keyed hash by which a telephone is found."""
    return tx.blind("phone", phone)


def _bucket(tx: Transaction, phone: int) -> int:
    return tx.bucket(None, "phone", str(phone))


def _lookup(tx: Transaction, phone: int, code: str) -> int:
    return tx.blind("reply-code", f"{phone}\x1f{code}")


async def issue(
    tx: Transaction, phone: int, code: str, owner: CodeOwner, expires: datetime
) -> bool:
    """Give `code` to `owner` at a telephone; False when that telephone has it open already."""
    bucket = _bucket(tx, phone)
    lookup = _lookup(tx, phone, code)
    await tx.execute(
        "DELETE FROM reply_code WHERE bucket = %s AND tenant = %s AND phone_lookup = %s"
        " AND expires <= %s",
        (bucket, tx.tenant, phone, tx.now),
    )
    rows = await tx.execute(
        "INSERT INTO reply_code (bucket, tenant, phone_lookup, lookup, incident, patient, member,"
        " subscription, code, issued, expires)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (
            bucket,
            tx.tenant,
            phone,
            lookup,
            owner.incident,
            owner.patient,
            owner.member,
            owner.subscription,
            await tx.seal(None, f"{_PURPOSE}|{phone}|{lookup}", code.encode()),
            tx.now,
            expires,
        ),
    )
    return bool(rows)


async def code_of(tx: Transaction, phone: int, owner: CodeOwner) -> str | None:
    """Return the open code `owner` already has at a telephone, None when there is none."""
    rows = await tx.execute(
        "SELECT code, lookup FROM reply_code WHERE bucket = %s AND tenant = %s AND phone_lookup = %s"
        " AND member = %s AND incident IS NOT DISTINCT FROM %s AND expires > %s"
        " ORDER BY issued DESC LIMIT 1",
        (_bucket(tx, phone), tx.tenant, phone, owner.member, owner.incident, tx.now),
    )
    if not rows:
        return None
    code, lookup = rows[0]
    return (await tx.unseal(None, f"{_PURPOSE}|{phone}|{lookup}", bytes(code))).decode()


async def owner_of(tx: Transaction, phone: int, code: str) -> CodeOwner | None:
    """Return whose open code this is at this telephone; None for any other telephone's code."""
    rows = await tx.execute(
        "SELECT incident, patient, member, subscription FROM reply_code"
        " WHERE bucket = %s AND tenant = %s AND phone_lookup = %s AND lookup = %s AND expires > %s",
        (_bucket(tx, phone), tx.tenant, phone, _lookup(tx, phone, code), tx.now),
    )
    return CodeOwner(*rows[0]) if rows else None


async def alarms_at(tx: Transaction, phone: int) -> list[CodeOwner]:
    """Return the owners of every open alarm code of a telephone."""
    rows = await tx.execute(
        "SELECT incident, patient, member, subscription FROM reply_code"
        " WHERE bucket = %s AND tenant = %s AND phone_lookup = %s AND incident IS NOT NULL"
        " AND expires > %s ORDER BY issued",
        (_bucket(tx, phone), tx.tenant, phone, tx.now),
    )
    return [CodeOwner(*row) for row in rows]


async def withdraw(tx: Transaction, phone: int, owner: CodeOwner) -> None:
    """Take back what `owner` could answer with at a telephone."""
    await tx.execute(
        "DELETE FROM reply_code WHERE bucket = %s AND tenant = %s AND phone_lookup = %s"
        " AND member = %s AND incident IS NOT DISTINCT FROM %s",
        (_bucket(tx, phone), tx.tenant, phone, owner.member, owner.incident),
    )


async def forget_before(tx: Transaction, moment: datetime) -> None:
    """Delete codes that ended before `moment`."""
    await tx.execute(
        "DELETE FROM reply_code WHERE tenant = %s AND expires < %s", (tx.tenant, moment)
    )
