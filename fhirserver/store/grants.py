"""What people allowed clients, and the codes and tokens that came of it; of secrets only their digests.

Every function works in the transaction of the client's tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.smart.family import Code, Family, Known, Refresh
from fhirserver.store.relationships import epoch

_FAMILY: Final[LiteralString] = (
    "g.family, g.tenant, g.kind, g.reference, g.client, g.account, g.session, g.fhir_user, g.scopes, g.patient, "
    "g.authenticated, g.begun, g.expires, g.context, g.nonce, g.revoked"
)
_JOINED: Final[LiteralString] = "JOIN smart_grant g ON g.tenant = t.tenant AND g.family = t.family"
# What has ended is still told apart from what never was, for a while.
_KEPT: Final = timedelta(days=7)
_FORGOTTEN: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM smart_assertion WHERE tenant = %s AND expires < %s",
    "DELETE FROM smart_code WHERE tenant = %s AND expires < %s",
    "DELETE FROM smart_refresh WHERE tenant = %s AND expires < %s",
    "DELETE FROM access_token WHERE tenant = %s AND expires < %s",
    "DELETE FROM smart_grant WHERE tenant = %s AND expires < %s",
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One grant, or one token that belongs to none, as an administrator sees it."""

    family: UUID | None
    client: str | None
    account: str | None
    kind: str
    reference: str
    scopes: tuple[str, ...] | None
    begun: datetime
    expires: datetime


async def begin(tx: Transaction, family: Family, code: Code, digest: bytes) -> None:
    """Keep what was allowed and the code that stands for it."""
    await tx.execute(
        "INSERT INTO smart_grant (tenant, family, client, account, session, kind, reference, fhir_user, scopes, patient, "
        "context, nonce, authenticated, begun, expires) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            tx.tenant,
            family.id,
            family.client,
            family.account,
            family.session,
            family.principal.kind,
            family.principal.reference,
            family.fhir_user,
            list(family.scopes),
            family.patient,
            orjson.dumps(dict(family.context)).decode(),
            family.nonce,
            family.authenticated,
            family.begun,
            family.expires,
        ),
    )
    await tx.execute(
        "INSERT INTO smart_code (tenant, digest, family, redirect_uri, challenge, expires) VALUES (%s, %s, %s, %s, %s, %s)",
        (tx.tenant, digest, family.id, code.redirect_uri, code.challenge, code.expires),
    )


async def take_code(tx: Transaction, digest: bytes) -> Code | None:
    """Return the code and mark it used; `used` of the answer says when it was before. None when there is none.

    What it stands for cannot be revoked before the transaction ends: whoever revokes it then finds what came of it.
    """
    found = await tx.execute(
        f"SELECT {_FAMILY}, t.redirect_uri, t.challenge, t.expires, t.used FROM smart_code t {_JOINED} "
        "WHERE t.tenant = %s AND t.digest = %s FOR UPDATE OF t, g",
        (tx.tenant, digest),
    )
    if not found:
        return None
    await tx.execute(
        "UPDATE smart_code SET used = coalesce(used, %s) WHERE tenant = %s AND digest = %s",
        (tx.now, tx.tenant, digest),
    )
    row = found[0]
    return Code(_family(row), *row[_WIDTH:])


async def find_refresh(tx: Transaction, digest: bytes) -> Refresh | None:
    """Return a refresh token, held with what it stands for until the transaction ends; None when there is none."""
    found = await tx.execute(
        f"SELECT {_FAMILY}, t.issued, t.expires, t.used FROM smart_refresh t {_JOINED} "
        "WHERE t.tenant = %s AND t.digest = %s FOR UPDATE OF t, g",
        (tx.tenant, digest),
    )
    return Refresh(_family(found[0]), *found[0][_WIDTH:]) if found else None


async def use_refresh(tx: Transaction, digest: bytes) -> None:
    """Mark a refresh token used."""
    await tx.execute(
        "UPDATE smart_refresh SET used = %s WHERE tenant = %s AND digest = %s",
        (tx.now, tx.tenant, digest),
    )


async def add_refresh(tx: Transaction, digest: bytes, family: Family, expires: datetime) -> None:
    """Keep a new refresh token of `family`."""
    await tx.execute(
        "INSERT INTO smart_refresh (tenant, digest, family, issued, expires) VALUES (%s, %s, %s, %s, %s)",
        (tx.tenant, digest, family.id, tx.now, expires),
    )


async def add_access(tx: Transaction, digest: bytes, token: Known) -> None:
    """Keep a new access token."""
    await tx.execute(
        "INSERT INTO access_token (digest, tenant, kind, reference, issued, expires, scopes, patient, client, account, "
        "family) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            digest,
            tx.tenant,
            token.principal.kind,
            token.principal.reference,
            token.issued,
            token.expires,
            list(token.scopes),
            token.patient,
            token.client,
            token.account,
            token.family and token.family.id,
        ),
    )


async def find_access(tx: Transaction, digest: bytes) -> Known | None:
    """Return a client's access token that is still good, None when there is none."""
    found = await tx.execute(
        "SELECT tenant, kind, reference, scopes, patient, client, account, issued, expires, family FROM access_token "
        "WHERE tenant = %s AND digest = %s AND expires > %s AND revoked IS NULL AND client IS NOT NULL",
        (tx.tenant, digest, tx.now),
    )
    if not found:
        return None
    tenant, kind, reference, scopes, patient, client, account, issued, expires, of = found[0]
    family = None
    if of is not None:
        families = await tx.execute(
            f"SELECT {_FAMILY} FROM smart_grant g WHERE g.tenant = %s AND g.family = %s",
            (tx.tenant, of),
        )
        family = _family(families[0]) if families else None
    holder = Principal(tenant, kind, reference)
    return Known(holder, tuple(scopes or ()), patient, client, account, issued, expires, family)


async def claim_assertion(tx: Transaction, client: str, digest: bytes, until: datetime) -> bool:
    """Remember that a client used this assertion; return whether it is the first time."""
    found = await tx.execute(
        "INSERT INTO smart_assertion (tenant, client, digest, expires) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING RETURNING true",
        (tx.tenant, client, digest, until),
    )
    return bool(found)


async def end_access(tx: Transaction, digest: bytes) -> None:
    """Revoke one access token."""
    await tx.execute(
        "UPDATE access_token SET revoked = %s WHERE tenant = %s AND digest = %s AND revoked IS NULL",
        (tx.now, tx.tenant, digest),
    )
    await epoch.move(tx)


async def end_grants(
    tx: Transaction,
    *,
    family: UUID | None = None,
    client: str | None = None,
    account: str | None = None,
) -> int:
    """Revoke what fits every argument given, with its refresh and access tokens; return how many tokens and grants."""
    wanted = {
        "tenant": tx.tenant,
        "now": tx.now,
        "family": family,
        "client": client,
        "account": account,
    }
    fits: LiteralString = (
        "WHERE tenant = %(tenant)s AND revoked IS NULL "
        "AND (%(family)s::uuid IS NULL OR family = %(family)s::uuid) "
        "AND (%(client)s::text IS NULL OR client = %(client)s::text) "
        "AND (%(account)s::text IS NULL OR account = %(account)s::text) "
        # Never the administrator's own tokens, which belong to no client and no account.
        "AND (client IS NOT NULL OR account IS NOT NULL)"
    )
    grants = await tx.execute(
        f"UPDATE smart_grant SET revoked = %(now)s {fits} RETURNING true", wanted
    )
    tokens = await tx.execute(
        f"UPDATE access_token SET revoked = %(now)s {fits} AND expires > %(now)s RETURNING true",
        wanted,
    )
    await epoch.move(tx)
    return len(grants) + len(tokens)


async def end_session(tx: Transaction, session: str) -> int:
    """Revoke what may only be used while that session lasts; return how many tokens and grants."""
    ended = await tx.execute(
        "UPDATE smart_grant SET revoked = %s WHERE tenant = %s AND session = %s AND revoked IS NULL "
        "AND NOT 'offline_access' = ANY (scopes) RETURNING family",
        (tx.now, tx.tenant, session),
    )
    for (family,) in ended:
        await end_grants(tx, family=family)
    return len(ended)


async def listed(
    tx: Transaction, *, client: str | None = None, account: str | None = None
) -> Sequence[Listed]:
    """Return the grants and tokens of the tenant that are good now, the newest first."""
    found = await tx.execute(
        "SELECT family, client, account, kind, reference, scopes, begun, expires FROM ("
        "SELECT family, client, account, kind, reference, scopes, begun, expires FROM smart_grant g "
        "WHERE tenant = %(tenant)s AND revoked IS NULL AND expires > %(now)s AND EXISTS (SELECT 1 FROM ("
        "SELECT expires FROM smart_refresh r WHERE r.tenant = g.tenant AND r.family = g.family AND r.used IS NULL "
        "UNION ALL SELECT expires FROM access_token a WHERE a.tenant = g.tenant AND a.family = g.family "
        "AND a.revoked IS NULL) t WHERE t.expires > %(now)s) "
        "UNION ALL SELECT NULL, client, account, kind, reference, scopes, issued, expires FROM access_token "
        "WHERE tenant = %(tenant)s AND revoked IS NULL AND expires > %(now)s AND family IS NULL) u "
        "WHERE (%(client)s::text IS NULL OR client = %(client)s::text) "
        "AND (%(account)s::text IS NULL OR account = %(account)s::text) ORDER BY begun DESC",
        {"tenant": tx.tenant, "now": tx.now, "client": client, "account": account},
    )
    return [
        Listed(
            family, of, by, kind, reference, None if scopes is None else tuple(scopes), begun, end
        )
        for family, of, by, kind, reference, scopes, begun, end in found
    ]


async def forget(tx: Transaction) -> None:
    """Remove what ended some days ago."""
    for statement in _FORGOTTEN:
        await tx.execute(statement, (tx.tenant, tx.now - _KEPT))


_WIDTH: Final = _FAMILY.count(",") + 1


def _family(row: tuple[Any, ...]) -> Family:
    (id_, tenant, kind, reference, client, account, session, fhir_user, scopes, patient,
     authenticated, begun, expires, context, nonce, revoked) = row[:_WIDTH]  # fmt: skip
    return Family(
        id_,
        Principal(tenant, kind, reference),
        client,
        account,
        session,
        fhir_user,
        tuple(scopes),
        patient,
        authenticated,
        begun,
        expires,
        orjson.loads(context),
        nonce,
        revoked,
    )
