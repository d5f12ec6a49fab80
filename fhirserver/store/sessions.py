"""Sessions of browsers, and failures to open one."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID, uuid4

from fhirserver.accounts.session import Session
from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction

_COLUMNS: Final[LiteralString] = (
    "SELECT id, account, kind, reference, methods, opened, seen, sealed FROM account_session WHERE tenant = %s"
)


async def open_(
    tx: Transaction, secret: str, account: str, methods: Sequence[str], agent: str, address: str
) -> str:
    """Return the id of a new session of the browser that has `secret`."""
    id_ = uuid4()
    about = json.dumps({"agent": agent, "address": address}).encode()
    await tx.execute(
        "INSERT INTO account_session (tenant, id, digest, account, methods, opened, seen, sealed) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            tx.tenant,
            id_,
            secret_digest(secret),
            UUID(account),
            list(methods),
            tx.now,
            tx.now,
            await tx.seal(None, f"session|{id_}", about),
        ),
    )
    return str(id_)


async def of_secret(tx: Transaction, secret: str) -> Session | None:
    """Return the session of the browser that has `secret`, None when there is none (any more)."""
    rows = await tx.execute(_COLUMNS + " AND digest = %s", (tx.tenant, secret_digest(secret)))
    return await _session(tx, rows[0]) if rows else None


async def by_id(tx: Transaction, session: str) -> Session | None:
    """Return the session with this id, None when there is none (any more)."""
    rows = await tx.execute(_COLUMNS + " AND id = %s", (tx.tenant, UUID(session)))
    return await _session(tx, rows[0]) if rows else None


async def hold(tx: Transaction, session: str, kind: str, reference: str) -> bool:
    """Return whether the session is there and its account acts as that, neither of which ends before the transaction."""
    rows = await tx.execute(
        "SELECT 1 FROM account_session s JOIN account_role r ON r.tenant = s.tenant AND r.account = s.account "
        "WHERE s.tenant = %s AND s.id = %s AND r.kind = %s AND r.reference = %s FOR SHARE",
        (tx.tenant, UUID(session), kind, reference),
    )
    return bool(rows)


async def of_account(tx: Transaction, account: str) -> Sequence[Session]:
    """Return the sessions of the account, the newest first, also those that have run out and are not yet removed."""
    rows = await tx.execute(
        _COLUMNS + " AND account = %s ORDER BY opened DESC, id", (tx.tenant, UUID(account))
    )
    return [await _session(tx, row) for row in rows]


async def touch(tx: Transaction, session: str) -> None:
    """Note a request of the session's browser."""
    await tx.execute(
        "UPDATE account_session SET seen = %s WHERE tenant = %s AND id = %s",
        (tx.now, tx.tenant, UUID(session)),
    )


async def renew(tx: Transaction, session: str, secret: str, methods: Sequence[str]) -> None:
    """Let the session's person have proved who they are just now, by `methods`; the browser gets another `secret`."""
    await tx.execute(
        "UPDATE account_session SET digest = %s, methods = %s, opened = %s, seen = %s WHERE tenant = %s AND id = %s",
        (secret_digest(secret), list(methods), tx.now, tx.now, tx.tenant, UUID(session)),
    )


async def prove(tx: Transaction, session: str, method: str) -> None:
    """Note that the session's person proved who they are by one more `method`."""
    await tx.execute(
        "UPDATE account_session SET methods = methods || %s::text WHERE tenant = %s AND id = %s",
        (method, tx.tenant, UUID(session)),
    )


async def act_as(tx: Transaction, session: str, kind: str, reference: str) -> None:
    """Let the session act in one role of its account."""
    await tx.execute(
        "UPDATE account_session SET kind = %s, reference = %s WHERE tenant = %s AND id = %s",
        (kind, reference, tx.tenant, UUID(session)),
    )


async def end(
    tx: Transaction, account: str, *, only: str | None = None, but: str | None = None
) -> Sequence[str]:
    """End the sessions of the account, or `only` one, or all `but` one; return the ids of those that were ended."""
    rows = await tx.execute(
        "DELETE FROM account_session WHERE tenant = %s AND account = %s AND (%s::uuid IS NULL OR id = %s::uuid) "
        "AND (%s::uuid IS NULL OR id <> %s::uuid) RETURNING id",
        (tx.tenant, UUID(account), only, only, but, but),
    )
    return [str(id_) for (id_,) in rows]


async def failures(tx: Transaction, subject: str) -> tuple[int, datetime] | None:
    """Return how often and when last somebody failed as `subject`, and hold that until commit; None: never."""
    rows = await tx.execute(
        "INSERT INTO sign_in_failure AS f (tenant, subject, failures, latest) VALUES (%s, %s, 0, %s) "
        "ON CONFLICT (tenant, subject) DO UPDATE SET failures = f.failures RETURNING failures, latest",
        (tx.tenant, _subject(tx, subject), tx.now),
    )
    count, latest = rows[0]
    return (count, latest) if count else None


async def set_failures(tx: Transaction, subject: str, count: int, latest: datetime) -> None:
    """Remember how often and when last somebody failed as `subject`."""
    await tx.execute(
        "UPDATE sign_in_failure SET failures = %s, latest = %s WHERE tenant = %s AND subject = %s",
        (count, latest, tx.tenant, _subject(tx, subject)),
    )


async def forgive(tx: Transaction, subject: str, *, one: bool = False) -> bool:
    """Forget the failures of `subject`, or `one` of them; return whether there were any."""
    gone = await tx.execute(
        "UPDATE sign_in_failure SET failures = CASE WHEN %s THEN greatest(failures - 1, 0) ELSE 0 END "
        "WHERE tenant = %s AND subject = %s AND failures > 0 RETURNING 1",
        (one, tx.tenant, _subject(tx, subject)),
    )
    return bool(gone)


async def forget(tx: Transaction, longest: timedelta, failed: timedelta) -> None:
    """Remove what is over: sessions, codes, and failures that no longer count."""
    await tx.execute(
        "DELETE FROM account_session WHERE tenant = %s AND opened < %s",
        (tx.tenant, tx.now - longest),
    )
    await tx.execute(
        "DELETE FROM single_use WHERE tenant = %s AND expires < %s", (tx.tenant, tx.now)
    )
    await tx.execute(
        "DELETE FROM launch_handle WHERE tenant = %s AND expires < %s", (tx.tenant, tx.now)
    )
    await tx.execute(
        "DELETE FROM sign_in_failure WHERE tenant = %s AND latest < %s",
        (tx.tenant, tx.now - failed),
    )


def _subject(tx: Transaction, subject: str) -> int:
    return tx.blind("sign-in", subject)


async def _session(tx: Transaction, row: Sequence[Any]) -> Session:
    id_, account, kind, reference, methods, opened, seen, sealed = row
    about = json.loads(await tx.unseal(None, f"session|{id_}", bytes(sealed)))
    return Session(
        str(id_),
        str(account),
        None if kind is None else (kind, reference),
        tuple(methods),
        opened,
        seen,
        about["agent"],
        about["address"],
    )
