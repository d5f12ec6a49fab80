"""The key that signs what leaves the house as evidence.

One Ed25519 key for each root key of the keyring, derived from it (HKDF, RFC 5869), so that there is
nothing more to keep and to lose. A signature is a JWS with detached content (RFC 7515 appendix F,
RFC 9864): whoever has the public keys can tell that nobody changed a digit since.
"""

from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from fhirserver.crypto.root_keys import RootKeys

_ALGORITHM: Final = "Ed25519"
_PURPOSE: Final = "fhirserver evidence signing key"


class NotGenuineError(ValueError):
    """The content is not what was signed, or none of the known keys signed it."""


class SigningKeys:
    """The signing keys of all root keys; the active one's signs everything new."""

    def __init__(self, root: RootKeys) -> None:
        """Derive the keys of `root`."""
        self._active = root.active
        self._keys = {name: _derived(root.derive(name, _PURPOSE)) for name in root.names()}

    def sign(self, content: bytes) -> str:
        """Return the detached JWS of `content`: header and signature, without the content."""
        header = {"alg": _ALGORITHM, "kid": self._keys[self._active].kid}
        whole = jws.serialize_compact(
            header, content, self._keys[self._active], algorithms=[_ALGORITHM]
        )
        return jws.detach_content(whole)

    def public(self) -> dict[str, Any]:
        """Return the public keys as a JWK set (RFC 7517)."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.values()]}


def verify(content: bytes, signature: str, public: Mapping[str, Any]) -> str:
    """Return the id of the key in the JWK set `public` that signed `content`.

    Raises `NotGenuineError` when none of them did.
    """
    try:
        keys = KeySet.import_key_set({"keys": list(public["keys"])})
        found = jws.deserialize_compact(signature, keys, payload=content, algorithms=[_ALGORITHM])
    except (JoseError, ValueError, KeyError, TypeError) as defect:
        message = "the signature does not belong to this content, or to none of these keys"
        raise NotGenuineError(message) from defect
    return str(found.headers().get("kid", ""))


def _derived(seed: bytes) -> OKPKey:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = OKPKey.import_key(pem)
    key.ensure_kid()
    return key
