"""The RSA keys that sign identity tokens, and when one follows another.

A new key is published before it signs, and an old one stays published while a token it signed may
still be looked at, so that nobody who keeps our JWK set for a while is left without a key.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys, https://www.rfc-editor.org/rfc/rfc7517
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

ALGORITHM: Final = "RS256"
_BITS: Final = 2048
_EXPONENT: Final = 65537
# How long a key signs, is known before it does, and is still published after it did.
SIGNS: Final = timedelta(days=90)
KNOWN_BEFORE: Final = timedelta(hours=1)
KNOWN_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key; `kid` is its thumbprint (RFC 7638)."""

    kid: str
    created: datetime
    private: RSAKey = field(repr=False)

    def public(self) -> dict[str, Any]:
        """Return the public half as a JWK."""
        return {
            **self.private.as_dict(private=False),
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
        }


def generate() -> bytes:
    """Return a new private key (PKCS #8, PEM)."""
    private = rsa.generate_private_key(_EXPONENT, _BITS)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read(pem: bytes, created: datetime) -> SigningKey:
    """Return the key that `generate` made."""
    private = RSAKey.import_key(pem)
    return SigningKey(private.thumbprint(), created, private)


def is_due(created: Sequence[datetime], now: datetime) -> bool:
    """Return whether another key must be made, where those there are were made at `created`."""
    return not created or now - max(created) >= SIGNS - KNOWN_BEFORE


def signing(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """Return the key that signs now: the newest that has been known for a while, else the oldest."""
    ordered = sorted(keys, key=lambda key: key.created)
    known = [key for key in ordered if now - key.created >= KNOWN_BEFORE]
    return known[-1] if known else next(iter(ordered), None)


def is_over(created: datetime, newer: Sequence[datetime], now: datetime) -> bool:
    """Return whether a key may be forgotten: one of the `newer` ones has signed in its place for long enough."""
    return any(one > created and now - one >= KNOWN_BEFORE + KNOWN_AFTER for one in newer)
