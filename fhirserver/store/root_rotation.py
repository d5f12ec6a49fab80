"""Rotation of root keys: the few keys they wrap are wrapped by the active one, and nothing else changes."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

from fhirserver.crypto import envelope
from fhirserver.crypto.root_keys import RootKeys
from fhirserver.store import signing_keys
from fhirserver.store.caller import entering
from fhirserver.store.connection import Connection, Query
from fhirserver.store.data_keys import CHANGED
from fhirserver.store.database import Pool
from fhirserver.store.tenant_keys import label

_COUNT: Final[LiteralString] = (
    "SELECT ring_key, count(*) FROM tenant_key WHERE tenant = %s GROUP BY ring_key"
)


async def rewrap_tenant_keys(pool: Pool, root: RootKeys, tenants: Sequence[int]) -> int:
    """Wrap whatever hangs on another root key by the active one; return how many keys that were.

    Raises `UnusableRootKey` when one of them is not there any more.
    """
    done = 0
    async with pool.connection() as connection:
        for tenant in tenants:
            done += await _of_tenant(connection, root, tenant)
        done += await _signing(connection, root)
        await connection.rows(CHANGED)
    return done


async def hanging_on(pool: Pool, tenants: Sequence[int]) -> Mapping[str, int]:
    """Return how many keys hang on each root key, by its name."""
    found: dict[str, int] = {}
    async with pool.connection() as connection:
        for tenant in tenants:
            _, rows = await connection.round((entering(tenant), Query(_COUNT, (tenant,))))
            for name, count in rows:
                found[name] = found.get(name, 0) + count
        for name, count in await connection.rows(
            "SELECT ring_key, count(*) FROM signing_key GROUP BY ring_key"
        ):
            found[name] = found.get(name, 0) + count
    return found


async def _of_tenant(connection: Connection, root: RootKeys, tenant: int) -> int:
    rows = (
        await connection.round(
            (
                entering(tenant),
                Query(
                    "SELECT purpose, version, ring_key, wrapped FROM tenant_key WHERE tenant = %s AND ring_key <> %s",
                    (tenant, root.active),
                ),
            )
        )
    )[1]
    for purpose, version, name, wrapped in rows:
        key = root.unwrap(name, label(tenant, purpose, version), bytes(wrapped))
        to, again = root.wrap(_nonce(), label(tenant, purpose, version), key)
        await connection.round(
            (
                entering(tenant),
                Query(
                    "UPDATE tenant_key SET ring_key = %s, wrapped = %b WHERE tenant = %s AND purpose = %s "
                    "AND version = %s AND ring_key = %s",
                    (to, again, tenant, purpose, version, name),
                ),
            )
        )
    return len(rows)


async def _signing(connection: Connection, root: RootKeys) -> int:
    rows = await connection.rows(
        "SELECT kid, ring_key, wrapped FROM signing_key WHERE ring_key <> %s", (root.active,)
    )
    for kid, name, wrapped in rows:
        key = root.unwrap(name, signing_keys.purpose(kid), bytes(wrapped))
        to, again = root.wrap(_nonce(), signing_keys.purpose(kid), key)
        await connection.rows(
            "UPDATE signing_key SET ring_key = %s, wrapped = %b WHERE kid = %s AND ring_key = %s",
            (to, again, kid, name),
        )
    return len(rows)


def _nonce() -> bytes:
    return secrets.token_bytes(envelope.NONCE_BYTES)
