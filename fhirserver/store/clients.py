"""The registered clients of the authorization server."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import orjson

from fhirserver.kernel.ports import Transaction
from fhirserver.smart.client import Client
from fhirserver.store.database import Pool
from fhirserver.store.relationships import epoch

_COLUMNS: Final[LiteralString] = (
    "client, tenant, name, authentication, grant_types, redirect_uris, scopes, registered, secret, jwks, jwks_uri, "
    "introspects, details, disabled"
)


async def find(pool: Pool, client: str) -> Client | None:
    """Return the client of this id, whichever tenant it belongs to; None when there is none."""
    async with pool.connection() as connection:
        found = await connection.rows(
            f"SELECT {_COLUMNS} FROM smart_client WHERE client = %s", (client,)
        )
    return _read(found[0]) if found else None


async def origins(pool: Pool) -> frozenset[str]:
    """Return the origins of all clients that are not disabled."""
    async with pool.connection() as connection:
        found = await connection.rows(f"SELECT {_COLUMNS} FROM smart_client WHERE disabled IS NULL")
    return frozenset(origin for row in found for origin in _read(row).origins)


async def of_tenant(tx: Transaction) -> Sequence[Client]:
    """Return the clients of the transaction's tenant in the order of their names."""
    found = await tx.execute(
        f"SELECT {_COLUMNS} FROM smart_client WHERE tenant = %s ORDER BY name, client", (tx.tenant,)
    )
    return [_read(row) for row in found]


async def get(tx: Transaction, client: str) -> Client | None:
    """Return the client of this id and tenant, None when there is none."""
    found = await tx.execute(
        f"SELECT {_COLUMNS} FROM smart_client WHERE tenant = %s AND client = %s",
        (tx.tenant, client),
    )
    return _read(found[0]) if found else None


async def hold_enabled(tx: Transaction, client: str) -> bool:
    """Return whether the client is let in, which nobody changes before the transaction ends."""
    found = await tx.execute(
        "SELECT disabled IS NULL FROM smart_client WHERE tenant = %s AND client = %s FOR SHARE",
        (tx.tenant, client),
    )
    return bool(found and found[0][0])


async def add(tx: Transaction, client: Client) -> None:
    """Keep a new client of the transaction's tenant."""
    await tx.execute(
        f"INSERT INTO smart_client ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            client.id,
            tx.tenant,
            client.name,
            client.authentication,
            list(client.grant_types),
            list(client.redirect_uris),
            list(client.scopes),
            client.registered,
            client.secret,
            None if client.jwks is None else _text(client.jwks),
            client.jwks_uri,
            client.introspects,
            _text(client.details),
            client.disabled,
        ),
    )
    await epoch.move(tx)


async def set_disabled(tx: Transaction, client: str, *, disabled: bool) -> bool:
    """Disable a client, or enable it again; return whether there is one. Its tokens are another matter."""
    found = await tx.execute(
        "UPDATE smart_client SET disabled = CASE WHEN %s THEN coalesce(disabled, %s) END "
        "WHERE tenant = %s AND client = %s RETURNING client",
        (disabled, tx.now, tx.tenant, client),
    )
    await epoch.move(tx)
    return bool(found)


async def replace_secret(tx: Transaction, client: str, digest: bytes) -> bool:
    """Put another secret in the place of a client's; return whether there is one that has a secret."""
    found = await tx.execute(
        "UPDATE smart_client SET secret = %s WHERE tenant = %s AND client = %s AND secret IS NOT NULL RETURNING client",
        (digest, tx.tenant, client),
    )
    return bool(found)


def _text(value: Any) -> str:
    return orjson.dumps(dict(value)).decode()


def _read(row: tuple[Any, ...]) -> Client:
    client, tenant, name, authentication, grants, uris, scopes, registered = row[:8]
    secret, jwks, jwks_uri, introspects, details, disabled = row[8:]
    return Client(
        client,
        tenant,
        name,
        authentication,
        tuple(grants),
        tuple(uris),
        tuple(scopes),
        registered,
        secret,
        None if jwks is None else orjson.loads(jwks),
        jwks_uri,
        introspects,
        orjson.loads(details),
        disabled,
    )
