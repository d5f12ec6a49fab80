"""What holds the root keys: whatever can wrap a key of a tenant and give it back.

A keyring (`fhirserver.crypto.keyring`) does so with keys it has in memory. A key management service does it without
ever showing a key: `wrap` and `unwrap` are its Encrypt and Decrypt, `derive` its MAC. All may take as long as a network
call: they are asked once for each tenant key of a process.
"""

from collections.abc import Sequence
from typing import Protocol


class UnusableRootKey(ValueError):
    """A root key is not there or cannot be used; the message says what to mend."""


class RootKeys(Protocol):
    """Root keys by name; one of them, the active one, wraps everything new."""

    @property
    def active(self) -> str:
        """The name of the key that wraps what is new."""

    def names(self) -> Sequence[str]:
        """Return the names of the keys that can unwrap, the active one among them."""

    def wrap(self, nonce: bytes, purpose: str, key: bytes) -> tuple[str, bytes]:
        """Return the name of the active key and `key` (32 bytes) wrapped under it for `purpose`.

        `nonce` are 12 random bytes; who draws its own may leave them.
        """

    def unwrap(self, name: str, purpose: str, wrapped: bytes) -> bytes:
        """Return the key that `wrap` wrapped.

        Raises `UnusableRootKey` when the key `name` is not there, `fhirserver.crypto.envelope.Tampered` when this
        was wrapped for another purpose, by another key, or was changed.
        """

    def derive(self, name: str, purpose: str) -> bytes:
        """Return the 32 secret bytes that the key `name` gives for `purpose`: always the same, no other key's.

        Raises `UnusableRootKey`.
        """
