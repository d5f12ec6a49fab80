"""A JWT by which a client proves who it is with a key instead of a secret.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint,
https://www.rfc-editor.org/rfc/rfc7523#section-3
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from authlib.oauth2.rfc6749.errors import InvalidClientError
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ("RS384", "ES384")
LONGEST: Final = timedelta(minutes=5)
# Clocks differ; a proof that is some seconds too old or too early is still one.
LEEWAY: Final = timedelta(seconds=30)
_KEY_TYPES: Final = {"RS384": "RSA", "ES384": "EC"}
_RSA_BITS: Final = 2048
_LONGEST_JTI: Final = 255
_LONGEST_ASSERTION: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an assertion says of itself, unproved."""

    client_id: str
    algorithm: str
    kid: str
    jku: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved: `jti` may not be seen again before `until`."""

    jti: str
    until: datetime


def claimed(assertion: str) -> Claimed:
    """Return what `assertion` says of itself. Raises `InvalidClientError` when it cannot be a proof."""
    if len(assertion) > _LONGEST_ASSERTION or not assertion.isascii():
        raise _refused("The assertion is not a JWT.")
    try:
        whole = jws.extract_compact(assertion.encode())
        claims = json.loads(whole.payload)
    # What is nested without end ends in the last of them.
    except (JoseError, ValueError, RecursionError) as problem:
        raise _refused("The assertion is not a JWT.") from problem
    header = whole.headers()
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise _refused("The assertion must be signed with RS384 or ES384.")
    if not isinstance(kid, str) or not kid:
        raise _refused("The assertion names no kid.")
    if not isinstance(claims, dict) or not isinstance(claims.get("sub"), str):
        raise _refused("The assertion names no sub.")
    jku = header.get("jku")
    return Claimed(claims["sub"], algorithm, kid, None if jku is None else str(jku))


def proof(
    assertion: str, said: Claimed, keys: Mapping[str, Any], audience: str, now: datetime
) -> Proof:
    """Return the proof that whoever holds a key of the JWK set `keys` made `assertion` for `audience`.

    Raises `InvalidClientError`.
    """
    claims = _verified(assertion, said, keys)
    if claims.get("iss") != said.client_id or claims.get("sub") != said.client_id:
        raise _refused("iss and sub must both be the client id.")
    given = claims.get("aud")
    if given != audience and not (isinstance(given, list) and audience in given):
        raise _refused("aud must be the URL of the token endpoint.")
    expires = _moment(claims.get("exp"))
    if expires is None or expires <= now - LEEWAY:
        raise _refused("The assertion has expired.")
    if expires > now + LONGEST + LEEWAY:
        raise _refused("exp may be five minutes ahead at most.")
    for name in ("nbf", "iat"):
        if name in claims and ((_moment(claims[name]) or expires) > now + LEEWAY):
            raise _refused("The assertion is not valid yet.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or len(jti) not in range(1, _LONGEST_JTI + 1):
        raise _refused("jti is missing or too long.")
    return Proof(jti, expires + LEEWAY)


def has_key(keys: Mapping[str, Any], kid: str) -> bool:
    """Return whether the JWK set has a key of this name."""
    return any(one.get("kid") == kid for one in _listed(keys))


def key_faults(keys: Mapping[str, Any]) -> str | None:
    """Return why the JWK set cannot be a client's public keys, None when it can."""
    listed = _listed(keys)
    if not listed:
        return "jwks must be a JWK set with at least one key."
    for one in listed:
        if not isinstance(one.get("kid"), str) or not one["kid"]:
            return "Every key needs a kid."
        if "d" in one or "k" in one:
            return "jwks must hold public keys alone."
        if _usable(one, one.get("kty")) is None:
            return "Keys are RSA of 2048 bits or more, or EC on P-384."
    return None


def _verified(assertion: str, said: Claimed, keys: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = _KEY_TYPES[said.algorithm]
    named = [one for one in _listed(keys) if one.get("kid") == said.kid]
    if not named:
        raise _refused("The client has no key of this kid.")
    for one in named:
        key = _usable(one, wanted)
        if key is None:
            continue
        try:
            return jwt.decode(assertion, key, algorithms=[said.algorithm]).claims
        except (JoseError, ValueError):
            continue
    raise _refused("The signature is not of the key of this kid.")


def _usable(jwk: Mapping[str, Any], kind: object) -> RSAKey | ECKey | None:
    if jwk.get("kty") != kind or jwk.get("use", "sig") != "sig":
        return None
    public = {
        name: value for name, value in jwk.items() if name in ("kty", "n", "e", "crv", "x", "y")
    }
    try:
        if kind == "RSA":
            key = RSAKey.import_key(public)
            return key if key.public_key.key_size >= _RSA_BITS else None
        if kind == "EC" and public.get("crv") == "P-384":
            return ECKey.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def _listed(keys: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = keys.get("keys")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _refused(reason: str) -> Exception:
    error: Exception = InvalidClientError(reason, status_code=401)
    return error
