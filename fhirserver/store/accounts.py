"""Who may ask: bearer tokens, the epoch that says something about access changed, tenants, and
broker credentials of devices.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from fhirserver.kernel.principal import Grant, Principal
from fhirserver.store.database import Pool

_TOKEN_BYTES = 32


async def grant(pool: Pool, token: str, now: datetime) -> Grant | None:
    """Return what `token` stands for, None when it is unknown, has expired or was revoked."""
    async with pool.connection() as connection:
        found = await connection.rows(
            "SELECT tenant, kind, reference, scopes, patient, client, account, expires FROM access_token "
            "WHERE digest = %s AND expires > %s AND revoked IS NULL",
            (digest(token), now),
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
            (digest(token), holder.tenant, holder.kind, holder.reference, now, now + lifetime),
        )
    return token


async def access_epoch(pool: Pool) -> int:
    """Return a number that grows with every change of who may see what."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT epoch FROM access_epoch")
    return int(found[0][0]) if found else 0


async def ensure_tenant(pool: Pool, name: str) -> int:
    """Return the number of the tenant called `name`, creating it when there is none."""
    async with pool.connection() as connection:
        await connection.rows(
            "INSERT INTO tenant (tenant, name) SELECT coalesce(max(tenant), 0) + 1, %s FROM tenant "
            "WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE name = %s) ON CONFLICT DO NOTHING",
            (name, name),
        )
    number = await tenant_number(pool, name)
    if number is None:
        return await ensure_tenant(pool, name)
    return number


async def tenant_number(pool: Pool, name: str) -> int | None:
    """Return the number of the tenant called `name`, None when there is none."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT tenant FROM tenant WHERE name = %s", (name,))
    return int(found[0][0]) if found else None


async def tenants(pool: Pool) -> Sequence[tuple[int, str]]:
    """Return every tenant as (number, name)."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT tenant, name FROM tenant ORDER BY tenant")
    return [(number, name) for number, name in found]


def digest(secret: str) -> bytes:
    """Return what is stored of a bearer token or a password of a device."""
    # The secret is 192 random bits or more, so a plain hash cannot be searched; a slow one would only slow us down.
    return hashlib.sha256(secret.encode()).digest()
