"""Second factors: authenticator apps, passkeys, recovery codes; and codes and challenges that are good once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, LiteralString
from uuid import UUID, uuid4

from fhirserver.kernel.ports import Transaction

Kind = Literal["totp", "passkey", "recovery"]
_COLUMNS: Final[LiteralString] = (
    "SELECT id, account, kind, digest, sealed, counter, created, used FROM account_factor WHERE tenant = %s"
)

# Of the length of a credential id, which stands before the secret.
_LENGTH: Final = 2


@dataclass(frozen=True, slots=True)
class Factor:
    """One second factor.

    `secret` is what is checked against, empty for a recovery code, which is found by its digest. `credential` is the id of
    a passkey.
    """

    id: str
    account: str
    kind: Kind
    secret: bytes
    credential: bytes
    counter: int
    created: datetime
    used: datetime | None


async def of_account(tx: Transaction, account: str) -> Sequence[Factor]:
    """Return the factors of the account, oldest first."""
    rows = await tx.execute(
        _COLUMNS + " AND account = %s ORDER BY created, id", (tx.tenant, UUID(account))
    )
    return [await _factor(tx, *row) for row in rows]


async def of_credential(tx: Transaction, credential: bytes) -> Factor | None:
    """Return the passkey with this credential id, and hold it until commit; None when there is none."""
    rows = await tx.execute(
        _COLUMNS + " AND kind = 'passkey' AND digest = %s FOR UPDATE",
        (tx.tenant, sha256(credential).digest()),
    )
    return await _factor(tx, *rows[0]) if rows else None


async def add(
    tx: Transaction,
    account: str,
    kind: Kind,
    secret: bytes,
    *,
    credential: bytes = b"",
    counter: int = 0,
) -> None:
    """Add an authenticator app with its `secret`, or a passkey with its public key and `credential` id."""
    id_ = uuid4()
    await tx.execute(
        "INSERT INTO account_factor (tenant, id, account, kind, digest, sealed, counter, created) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            tx.tenant,
            id_,
            UUID(account),
            kind,
            sha256(credential).digest() if credential else None,
            await tx.seal(None, f"factor|{id_}", _joined(credential, secret)),
            counter,
            tx.now,
        ),
    )


async def replace_recovery_codes(tx: Transaction, account: str, digests: Sequence[bytes]) -> None:
    """Forget the account's recovery codes and remember these."""
    await tx.execute(
        "DELETE FROM account_factor WHERE tenant = %s AND account = %s AND kind = 'recovery'",
        (tx.tenant, UUID(account)),
    )
    for digest in digests:
        await tx.execute(
            "INSERT INTO account_factor (tenant, id, account, kind, digest, created) VALUES (%s, %s, %s, 'recovery', %s, %s)",
            (tx.tenant, uuid4(), UUID(account), digest, tx.now),
        )


async def use_recovery_code(tx: Transaction, account: str, digest: bytes) -> bool:
    """Return whether this is an unused recovery code of the account; it is none any more."""
    gone = await tx.execute(
        "DELETE FROM account_factor WHERE tenant = %s AND account = %s AND kind = 'recovery' AND digest = %s RETURNING 1",
        (tx.tenant, UUID(account), digest),
    )
    return bool(gone)


async def used(tx: Transaction, factor: Factor, counter: int) -> bool:
    """Note that `factor` was used; return False when somebody else used it at the same moment."""
    moved = await tx.execute(
        "UPDATE account_factor SET counter = %s, used = %s WHERE tenant = %s AND id = %s AND counter = %s RETURNING 1",
        (counter, tx.now, tx.tenant, UUID(factor.id), factor.counter),
    )
    return bool(moved)


async def remove(tx: Transaction, account: str, factor: str | None = None) -> None:
    """Remove one factor of the account, or all; recovery codes go with the last other one."""
    if factor is not None:
        await tx.execute(
            "DELETE FROM account_factor WHERE tenant = %s AND account = %s AND id = %s",
            (tx.tenant, UUID(account), UUID(factor)),
        )
        if any(one.kind != "recovery" for one in await of_account(tx, account)):
            return
    await tx.execute(
        "DELETE FROM account_factor WHERE tenant = %s AND account = %s", (tx.tenant, UUID(account))
    )


async def offer(
    tx: Transaction, digest: bytes, purpose: str, account: str, expires: datetime
) -> None:
    """Remember a code that opens `account` once; earlier ones of the same purpose are good no longer."""
    await tx.execute(
        "DELETE FROM single_use WHERE tenant = %s AND purpose = %s AND account = %s",
        (tx.tenant, purpose, UUID(account)),
    )
    await tx.execute(
        "INSERT INTO single_use (tenant, digest, purpose, account, expires) VALUES (%s, %s, %s, %s, %s)",
        (tx.tenant, digest, purpose, UUID(account), expires),
    )


async def offered_to(tx: Transaction, digest: bytes, purpose: str) -> str | None:
    """Return the account a code opens, and hold the code until commit; None when it is used, late or never was."""
    rows = await tx.execute(
        "SELECT account FROM single_use WHERE tenant = %s AND digest = %s AND purpose = %s AND expires > %s FOR UPDATE",
        (tx.tenant, digest, purpose, tx.now),
    )
    return str(rows[0][0]) if rows else None


async def spend(tx: Transaction, digest: bytes) -> None:
    """Let a code be good no longer."""
    await tx.execute(
        "DELETE FROM single_use WHERE tenant = %s AND digest = %s", (tx.tenant, digest)
    )


async def answer_once(tx: Transaction, challenge: bytes, expires: datetime) -> bool:
    """Return whether `challenge`, good until `expires`, is answered for the first time."""
    first = await tx.execute(
        "INSERT INTO single_use (tenant, digest, purpose, expires) VALUES (%s, %s, 'challenge', %s) "
        "ON CONFLICT DO NOTHING RETURNING 1",
        (tx.tenant, sha256(challenge).digest(), expires),
    )
    return bool(first)


async def _factor(
    tx: Transaction,
    id_: UUID,
    account: UUID,
    kind: Kind,
    _digest: bytes | None,
    sealed: bytes | None,
    counter: int,
    created: datetime,
    when: datetime | None,
) -> Factor:
    opened = b"" if sealed is None else await tx.unseal(None, f"factor|{id_}", bytes(sealed))
    length = int.from_bytes(opened[:_LENGTH], "big")
    credential, secret = opened[_LENGTH : _LENGTH + length], opened[_LENGTH + length :]
    return Factor(str(id_), str(account), kind, secret, credential, counter, created, when)


def _joined(credential: bytes, secret: bytes) -> bytes:
    return len(credential).to_bytes(_LENGTH, "big") + credential + secret
