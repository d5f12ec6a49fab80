"""The blind index: equality search without plaintext.

Every equality-searchable value becomes a signed 64-bit keyed BLAKE2b hash (RFC 7693) of resource type, parameter and
normalized value under a key of its tenant; the tenant needs no place in the hashed text because no two tenants share
a key. A reference is the hash of its target combined (XOR) with a constant of the parameter, so that a row's own key
can be joined with the references pointing at it in SQL.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

_SEPARATOR = "\x1f"
# Codes, statuses and units come again and again: what was hashed a moment ago need not be hashed anew.
_REMEMBERED: Final = 32_768


class BlindIndex:
    """Hashes under one tenant's index key (32 bytes), of one `version`."""

    def __init__(self, key: bytes, version: int) -> None:
        """Use `key`; rows record `version` so that a re-keying can run while both versions are searched."""
        # Keyed once: a copy of it costs less than keying it again.
        self._keyed = blake2b(digest_size=8, key=key)
        self.version = version
        self._hash = lru_cache(maxsize=_REMEMBERED)(self._hashed)

    def hash(self, *parts: str) -> int:
        """Return the signed 64-bit hash of `parts`, which cannot run into each other."""
        return self._hashed(*parts)

    def value(self, type_: str, parameter: str, text: str) -> int:
        """Return the key of a token, string, uri or date unit."""
        return self._hash("value", type_, parameter, text)

    def own(self, reference: str) -> int:
        """Return a resource's own key; `reference` is ``Type/id`` or an absolute or canonical URL."""
        return self._hash("reference", reference)

    def reference(self, type_: str, parameter: str, target: str) -> int:
        """Return the key of a reference from `type_` through `parameter` to `target`."""
        return self._hash("reference", target) ^ self._hash("parameter", type_, parameter)

    def parameter_constant(self, type_: str, parameter: str) -> int:
        """Return the constant that turns a target's own key into the key of a reference to it."""
        return self._hash("parameter", type_, parameter)

    def _hashed(self, *parts: str) -> int:
        hasher = self._keyed.copy()
        hasher.update(_SEPARATOR.join(parts).encode())
        return int.from_bytes(hasher.digest(), "big", signed=True)


def distinct(keys: Iterable[int]) -> list[int]:
    """Return `keys` sorted and without repeats, as the index wants them."""
    return sorted(set(keys))
