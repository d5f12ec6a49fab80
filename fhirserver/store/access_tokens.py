"""Bearer tokens as the store keeps them: only a digest of each, with whom it stands for."""

import secrets
from datetime import datetime, timedelta
from typing import Final

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.principal import Grant, Principal
from fhirserver.store.database import Pool

_TOKEN_BYTES: Final = 32


async def grant(pool: Pool, token: str, now: datetime) -> Grant | None:
    """Return what `token` stands for, None when it is unknown, has expired or was revoked."""
    async with pool.connection() as connection:
        found = await connection.rows(
            "SELECT tenant, kind, reference, scopes, patient, client, account, expires FROM access_token "
            "WHERE digest = %s AND expires > %s AND revoked IS NULL",
            (secret_digest(token), now),
        )
    if not found:
        return None
    tenant, kind, reference, scopes, *rest = found[0]
    return Grant(
        Principal(tenant, kind, reference), None if scopes is None else tuple(scopes), *rest
    )


async def issue_token(pool: Pool, holder: Principal, lifetime: timedelta, now: datetime) -> str:
    """Return a fresh token of `holder`; only its hash is kept."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    async with pool.connection() as connection:
        await connection.rows(
            "INSERT INTO access_token (digest, tenant, kind, reference, issued, expires) VALUES (%s, %s, %s, %s, %s, %s)",
            (
                secret_digest(token),
                holder.tenant,
                holder.kind,
                holder.reference,
                now,
                now + lifetime,
            ),
        )
    return token
