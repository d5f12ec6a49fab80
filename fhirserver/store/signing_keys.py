"""The private keys that sign identity tokens, each sealed under a key of its own that the keyring wraps."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhirserver.crypto import envelope
from fhirserver.crypto.root_keys import RootKeys
from fhirserver.smart import signing_key
from fhirserver.smart.signing_key import SigningKey
from fhirserver.store.database import Pool

# Whoever makes a key is alone meanwhile, so that several processes starting together make one.
_LOCK: Final = 0x5349474E


async def known(pool: Pool, ring: RootKeys) -> Sequence[SigningKey]:
    """Return all keys. Raises `UnusableKeyring` when the keyring is not the one they were kept with."""
    async with pool.connection() as connection:
        found = await connection.rows(
            "SELECT kid, ring_key, wrapped, sealed, created FROM signing_key"
        )
    return [
        signing_key.read(_opened(ring, kid, ring_key, wrapped, sealed), created)
        for kid, ring_key, wrapped, sealed, created in found
    ]


async def keep_going(pool: Pool, ring: RootKeys, now: datetime) -> None:
    """Make a key when one is due and forget those that are over."""
    async with pool.connection() as connection, connection.transaction():
        await connection.rows("SELECT pg_advisory_xact_lock(%s::bigint)", (_LOCK,))
        made = await connection.rows("SELECT kid, created FROM signing_key")
        created = [moment for _, moment in made]
        for kid, moment in made:
            if signing_key.is_over(moment, created, now):
                await connection.rows("DELETE FROM signing_key WHERE kid = %s", (kid,))
        if not signing_key.is_due(created, now):
            return
        pem = await asyncio.to_thread(signing_key.generate)
        key = signing_key.read(pem, now)
        own = secrets.token_bytes(envelope.KEY_BYTES)
        ring_key, wrapped = ring.wrap(_nonce(), purpose(key.kid), own)
        sealed = envelope.seal(AESGCM(own), _nonce(), purpose(key.kid).encode(), pem)
        await connection.rows(
            "INSERT INTO signing_key (kid, ring_key, wrapped, sealed, created) VALUES (%s, %s, %s, %s, %s)",
            (key.kid, ring_key, wrapped, sealed, now),
        )


def purpose(kid: str) -> str:
    """Return what a key's own key is wrapped for."""
    return f"signing-key|{kid}"


def _opened(ring: RootKeys, kid: str, ring_key: str, wrapped: bytes, sealed: bytes) -> bytes:
    own = ring.unwrap(ring_key, purpose(kid), wrapped)
    return envelope.unseal(AESGCM(own), purpose(kid).encode(), sealed)


def _nonce() -> bytes:
    return secrets.token_bytes(envelope.NONCE_BYTES)
