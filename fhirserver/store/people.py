"""Accounts of people and what they may act as.

Login names and names of people are sealed with the tenant's key, and so are the hashes of passwords: whoever has the
database alone has nothing to guess at.
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID, uuid4

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import PrincipalKind

_COLUMNS: Final[LiteralString] = (
    "SELECT id, person, profile, password IS NOT NULL, created, disabled FROM account WHERE tenant = %s"
)


@dataclass(frozen=True, slots=True)
class Account:
    """One human. `person` is the id of a Person, None where there is none; `disabled` since when, None while good."""

    id: str
    login: str
    name: str
    language: str
    person: str | None
    has_password: bool
    created: datetime
    disabled: datetime | None


def normalized(login: str) -> str:
    """Return a login name as it is compared: however it was typed, it is the same name."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


async def add(tx: Transaction, login: str, name: str, language: str, person: str | None) -> str:
    """Return the id of a new account without a password or a role. Raises `Conflict` when the name is taken."""
    id_ = uuid4()
    profile = json.dumps({"login": login.strip(), "name": name, "language": language})
    made = await tx.execute(
        "INSERT INTO account (tenant, id, login, person, profile, created) VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (tenant, login) DO NOTHING RETURNING id",
        (
            tx.tenant,
            id_,
            _login(tx, login),
            person,
            await tx.seal(None, f"account|{id_}", profile.encode()),
            tx.now,
        ),
    )
    if not made:
        msg = f"there is an account {login.strip()!r} already"
        raise Conflict(msg)
    return str(id_)


async def by_login(tx: Transaction, login: str) -> Account | None:
    """Return the account of this login name, None when there is none."""
    rows = await tx.execute(_COLUMNS + " AND login = %s", (tx.tenant, _login(tx, login)))
    return await _account(tx, rows[0]) if rows else None


async def by_id(tx: Transaction, account: str) -> Account | None:
    """Return the account with this id, None when there is none."""
    rows = await tx.execute(_COLUMNS + " AND id = %s", (tx.tenant, UUID(account)))
    return await _account(tx, rows[0]) if rows else None


async def everybody(tx: Transaction) -> Sequence[Account]:
    """Return every account of the tenant by login name."""
    rows = await tx.execute(_COLUMNS, (tx.tenant,))
    found = [await _account(tx, row) for row in rows]
    return sorted(found, key=lambda one: normalized(one.login))


async def roles(tx: Transaction, account: str) -> Sequence[tuple[PrincipalKind, str]]:
    """Return what the account may act as: kind and reference."""
    rows = await tx.execute(
        "SELECT kind, reference FROM account_role WHERE tenant = %s AND account = %s ORDER BY since, kind, reference",
        (tx.tenant, UUID(account)),
    )
    return [(kind, reference) for kind, reference in rows]


async def link(tx: Transaction, account: str, kind: PrincipalKind, reference: str) -> None:
    """Let the account act as `reference` from now on."""
    await tx.execute(
        "INSERT INTO account_role (tenant, account, kind, reference, since) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (tx.tenant, UUID(account), kind, reference, tx.now),
    )


async def unlink(tx: Transaction, account: str, kind: PrincipalKind, reference: str) -> bool:
    """Let the account no longer act as `reference`; return whether it could."""
    gone = await tx.execute(
        "DELETE FROM account_role WHERE tenant = %s AND account = %s AND kind = %s AND reference = %s RETURNING 1",
        (tx.tenant, UUID(account), kind, reference),
    )
    return bool(gone)


async def set_person(tx: Transaction, account: str, person: str) -> None:
    """Remember which Person the account's human is."""
    await tx.execute(
        "UPDATE account SET person = %s WHERE tenant = %s AND id = %s",
        (person, tx.tenant, UUID(account)),
    )


async def password(tx: Transaction, account: str) -> str | None:
    """Return the hash of the account's password, None when it has none."""
    rows = await tx.execute(
        "SELECT password FROM account WHERE tenant = %s AND id = %s", (tx.tenant, UUID(account))
    )
    if not rows or rows[0][0] is None:
        return None
    return (await tx.unseal(None, f"password|{account}", bytes(rows[0][0]))).decode()


async def set_password(tx: Transaction, account: str, hashed: str | None) -> None:
    """Replace the hash of the account's password; None takes it away."""
    sealed = None if hashed is None else await tx.seal(None, f"password|{account}", hashed.encode())
    await tx.execute(
        "UPDATE account SET password = %s WHERE tenant = %s AND id = %s",
        (sealed, tx.tenant, UUID(account)),
    )


async def disable(tx: Transaction, account: str, *, disabled: bool) -> None:
    """Close the account, or open it again."""
    await tx.execute(
        "UPDATE account SET disabled = %s WHERE tenant = %s AND id = %s",
        (tx.now if disabled else None, tx.tenant, UUID(account)),
    )


def _login(tx: Transaction, login: str) -> int:
    return tx.blind("account-login", normalized(login))


async def _account(tx: Transaction, row: Sequence[Any]) -> Account:
    id_, person, sealed, has_password, created, disabled = row
    profile = json.loads(await tx.unseal(None, f"account|{id_}", bytes(sealed)))
    return Account(
        str(id_),
        profile["login"],
        profile["name"],
        profile["language"],
        person,
        has_password,
        created,
        disabled,
    )
