"""The keyring: root keys that wrap tenant keys, which wrap the data keys of patients.

The ring is a small JSON document ``{"active": "k1", "keys": {"k1": "<base64 of 32 bytes>"}}``. A retired key stays in
the ring until no tenant key is wrapped by it.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fhirserver.crypto import envelope
from fhirserver.crypto.root_keys import UnusableRootKey


class UnusableKeyring(UnusableRootKey):
    """The keyring document cannot be used; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Root keys by name; `active` wraps everything new. Implements `fhirserver.crypto.root_keys.RootKeys`."""

    active: str
    keys: Mapping[str, bytes]

    def names(self) -> Sequence[str]:
        """Return the names of the keys."""
        return tuple(self.keys)

    def wrap(self, nonce: bytes, purpose: str, key: bytes) -> tuple[str, bytes]:
        """Return the name of the active root key and `key` wrapped under it for `purpose`."""
        return self.active, envelope.seal(
            AESGCM(self.keys[self.active]), nonce, purpose.encode(), key
        )

    def unwrap(self, name: str, purpose: str, wrapped: bytes) -> bytes:
        """Return the key that `wrap` wrapped.

        Raises `UnusableKeyring` when the root key `name` is not in the ring, `Tampered` when it was made for another
        purpose.
        """
        return envelope.unseal(AESGCM(self._named(name)), purpose.encode(), wrapped)

    def derive(self, name: str, purpose: str) -> bytes:
        """Return the 32 bytes (HKDF, RFC 5869) of the root key `name` for `purpose`. Raises `UnusableKeyring`."""
        derivation = HKDF(
            hashes.SHA256(), envelope.KEY_BYTES, salt=name.encode(), info=purpose.encode()
        )
        return derivation.derive(self._named(name))

    def plus(self, name: str, key: bytes) -> "Keyring":
        """Return the ring with a further root key, which is the active one. Raises `UnusableKeyring` for a known name."""
        if name in self.keys:
            msg = f"there is a key {name!r} already"
            raise UnusableKeyring(msg)
        return Keyring(name, {**self.keys, name: key})

    def without(self, name: str) -> "Keyring":
        """Return the ring without a retired key. Raises `UnusableKeyring` for the active one."""
        if name == self.active:
            msg = f"the key {name!r} is the active one"
            raise UnusableKeyring(msg)
        return Keyring(self.active, {one: key for one, key in self.keys.items() if one != name})

    def _named(self, name: str) -> bytes:
        if name not in self.keys:
            msg = f"the keyring has no key {name!r}; restore the keyring this data was written with"
            raise UnusableKeyring(msg)
        return self.keys[name]


def create(name: str, key: bytes) -> Keyring:
    """Return a ring with one root key of 32 random bytes."""
    return Keyring(name, {name: key})


def parse(document: bytes) -> Keyring:
    """Return the ring that `render` wrote. Raises `UnusableKeyring` naming the defect."""
    try:
        data = json.loads(document)
        keys = {
            str(name): base64.b64decode(text, validate=True) for name, text in data["keys"].items()
        }
        active = str(data["active"])
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as defect:
        # Without what it says: the text of a decoder's error may quote a key.
        msg = f"not a keyring document ({type(defect).__name__})"
        raise UnusableKeyring(msg) from None
    if active not in keys:
        msg = f"the active key {active!r} is not among the keys"
        raise UnusableKeyring(msg)
    short = [name for name, key in keys.items() if len(key) != envelope.KEY_BYTES]
    if short:
        msg = f"keys must be 32 bytes: {', '.join(sorted(short))}"
        raise UnusableKeyring(msg)
    return Keyring(active, keys)


def render(ring: Keyring) -> bytes:
    """Return the ring as the document `parse` reads."""
    keys = {name: base64.b64encode(key).decode() for name, key in ring.keys.items()}
    return json.dumps({"active": ring.active, "keys": keys}, indent=2).encode()
