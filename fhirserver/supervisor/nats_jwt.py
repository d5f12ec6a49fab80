"""Keys and tokens in the form nats-server understands, pure: key material and time are arguments.

An *nkey* is an Ed25519 key written as base32 over prefix bytes, the key and a CRC-16
(https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth).
A NATS token is a JWT whose algorithm is ``ed25519-nkey`` and whose issuer is such a key
(https://docs.nats.io/reference/reference-protocols/nats-api-reference).
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX_ACCOUNT: Final = 0  # "A..."
PREFIX_SERVER: Final = 13 << 3  # "N..."
PREFIX_SEED: Final = 18 << 3  # "S..."
PREFIX_USER: Final = 20 << 3  # "U..."
SEED_BYTES: Final = 32
CRC_BYTES: Final = 2
HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
UNLIMITED: Final = -1


class UnusableToken(ValueError):
    """A key or token that is not what it claims to be."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The key pair that signs tokens of devices; made of 32 random bytes, kept secret."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, raw: bytes) -> "AccountKey":
        """Return the key made of `raw` (32 random bytes)."""
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    @classmethod
    def from_seed(cls, seed: str) -> "AccountKey":
        """Return the key of an account seed (``SA...``); else `UnusableToken`."""
        raw = _decoded(seed)
        # The seed's two prefix bytes hold five bits of "seed" and eight of the kind of key.
        kind = (raw[0] & 7) << 5 | raw[1] >> 3
        if raw[0] & 0xF8 != PREFIX_SEED or kind != PREFIX_ACCOUNT or len(raw) != SEED_BYTES + 2:
            raise UnusableToken("not the seed of an account key")
        return cls.of(raw[2:])

    @property
    def seed(self) -> str:
        """The secret in the form NATS tools use, ``SA...``."""
        first = PREFIX_SEED | PREFIX_ACCOUNT >> 5
        second = (PREFIX_ACCOUNT & 31) << 3
        return _encoded(bytes([first, second]) + self.private.private_bytes_raw())

    @property
    def public(self) -> str:
        """The public key, ``A...``; goes into the broker's configuration."""
        return _encoded(bytes([PREFIX_ACCOUNT]) + self.private.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What nats-server asks when somebody connects: who it is, and which server waits."""

    server_id: str
    user_nkey: str
    username: str
    password: str
    connection_type: str
    host: str


def read_request(token: str) -> ConnectRequest:
    """Return the request in `token`, after checking that the server named in it signed it.

    Raises `UnusableToken` for a token that is malformed, forged or of another kind.
    """
    claims = verified_claims(token)
    nats = claims.get("nats")
    if not isinstance(nats, dict) or nats.get("type") != "authorization_request":
        raise UnusableToken("not an authorization request")
    server, client, options = (
        _mapping(nats.get(name)) for name in ("server_id", "client_info", "connect_opts")
    )
    if server.get("id") != claims.get("iss"):
        raise UnusableToken("signed by another server than it names")
    user_nkey = str(nats.get("user_nkey", ""))
    if _decoded(user_nkey)[0] != PREFIX_USER:
        raise UnusableToken("names no user key")
    return ConnectRequest(
        server_id=str(server["id"]),
        user_nkey=user_nkey,
        username=str(options.get("user", "")),
        password=str(options.get("pass", "")),
        connection_type=str(client.get("type", "")),
        host=str(client.get("host", "")),
    )


def user_token(
    key: AccountKey,
    *,
    request: ConnectRequest,
    account: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    now: datetime,
    jti: str,
) -> str:
    """Return the token that lets the asking MQTT client in, with these subjects and no others."""
    return signed_token(
        key,
        {
            "aud": account,
            "sub": request.user_nkey,
            "name": request.username,
            "nats": {
                "type": "user",
                "version": 2,
                "pub": {"allow": list(publish)},
                "sub": {"allow": list(subscribe)},
                "subs": UNLIMITED,
                "data": UNLIMITED,
                "payload": UNLIMITED,
                "allowed_connection_types": ["MQTT"],
            },
        },
        now=now,
        jti=jti,
    )


def answer(
    key: AccountKey,
    request: ConnectRequest,
    *,
    user: str | None,
    now: datetime,
    jti: str,
) -> str:
    """Return the signed answer to `request`: the `user` token, or a refusal when it is None."""
    body = {"jwt": user} if user is not None else {"error": "refused"}
    return signed_token(
        key,
        {
            "aud": request.server_id,
            "sub": request.user_nkey,
            "nats": {"type": "authorization_response", "version": 2, **body},
        },
        now=now,
        jti=jti,
    )


def signed_token(key: AccountKey, claims: Mapping[str, Any], *, now: datetime, jti: str) -> str:
    """Return `claims` as a token issued by `key` at `now`; `jti` must be unique to it."""
    full = {**claims, "iss": key.public, "iat": int(now.timestamp()), "jti": jti}
    signed = f"{_part(HEADER)}.{_part(full)}"
    return f"{signed}.{_base64url(key.private.sign(signed.encode()))}"


def verified_claims(token: str) -> dict[str, Any]:
    """Return the claims of `token`, whose signature must be its issuer's; else `UnusableToken`."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_unbase64url(head)), json.loads(_unbase64url(body))
        issuer = _decoded(str(claims["iss"]))[1:]
        Ed25519PublicKey.from_public_bytes(issuer).verify(
            _unbase64url(signature), f"{head}.{body}".encode()
        )
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise UnusableToken("not a token signed by its issuer") from error
    if not isinstance(claims, dict) or header.get("alg") != HEADER["alg"]:
        raise UnusableToken("signed with another algorithm")
    return claims


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _part(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(raw: bytes) -> str:
    checked = raw + _crc16(raw).to_bytes(CRC_BYTES, "little")
    return base64.b32encode(checked).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise UnusableToken("not base32") from error
    body, crc = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
    if len(body) <= SEED_BYTES or crc != _crc16(body).to_bytes(CRC_BYTES, "little"):
        raise UnusableToken("a key with a wrong length or checksum")
    return body


def _crc16(raw: bytes) -> int:
    """CRC-16/XMODEM, which the standard library calls ``crc_hqx`` with an initial value of zero."""
    return binascii.crc_hqx(raw, 0)
