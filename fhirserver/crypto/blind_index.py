"""The blind index: equality search without plaintext.

Every equality-searchable value becomes a signed 64-bit keyed BLAKE2b hash (RFC 7693) of resource type, parameter and
normalized value under a key of its tenant; the tenant needs no place in the hashed text because no two tenants share
a key. A reference is the hash of its target combined (XOR) with a constant of the parameter, so that a row's own key
can be joined with the references pointing at it in SQL.

There are two keys. Values are hashed under one that can be replaced: rows say which `version` of it they carry. A version
may also keep the key and hash the values of some types anew. What
only links rows (ids, references, telephone look-ups) is hashed under one that stays: ids stand in the clear beside
their hashes, so that hashing them anew would hide nothing.

A value that many share can be spread over several keys, among which the id of the resource chooses: then no key is
more frequent than others and none tells its value (`fhirserver.search.coarse` says which).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

_SEPARATOR = "\x1f"
# Codes, statuses and units come again and again: what was hashed a moment ago need not be hashed anew.
_REMEMBERED: Final = 32_768


class BlindIndex:
    """Hashes under one tenant's index keys (32 bytes each), of one `version` of the key of values."""

    def __init__(
        self,
        key: bytes,
        version: int,
        *,
        link: bytes | None = None,
        spread: Mapping[str, int] | None = None,
        fresh: frozenset[str] = frozenset(),
        since: int | None = None,
    ) -> None:
        """Hash values under `key` and links under `link`, the same key where there is none.

        `spread` says over how many keys a value is spread, by what `place` returns for it; one where it says
        nothing. None: this version of the index spreads nothing. The key is that of the version `since` (None: this
        one's own): values of the types in `fresh` have other keys than they had in the versions between, those of
        all other types the same.
        """
        # Keyed once: a copy of it costs less than keying it again.
        self._keyed = blake2b(digest_size=8, key=key)
        self._linking = blake2b(digest_size=8, key=link or key)
        self.version = version
        self.since = version if since is None else since
        self.spread = spread
        self.fresh = fresh
        self._mark = str(version)
        self._hash = lru_cache(maxsize=_REMEMBERED)(self._link)
        self._value = lru_cache(maxsize=_REMEMBERED)(self._of_value)

    def hash(self, *parts: str) -> int:
        """Return the signed 64-bit hash of `parts`, which cannot run into each other. Replacing keys leaves it."""
        return self._link(*parts)

    def value(self, type_: str, parameter: str, text: str, part: int = 0) -> int:
        """Return the key of a token, string, uri or date unit; `part` counts the keys it is spread over."""
        return self._value(type_, parameter, f"{text}{_SEPARATOR}{part}" if part else text)

    def part(self, type_: str, parameter: str, text: str, id_: str, of: int) -> int:
        """Return which of so many keys the resource `id_` has for a value; 0 where there is one."""
        if of == 1:
            return 0
        hasher = self._keyed.copy()
        hasher.update(
            _SEPARATOR.join((self._label("part", type_), type_, parameter, text, id_)).encode()
        )
        return int.from_bytes(hasher.digest(), "big") % of

    def number(self, type_: str, parameter: str, text: str) -> int:
        """Return the number of a kind of range. Replacing keys leaves it."""
        return self._hash("value", type_, parameter, text)

    def own(self, reference: str) -> int:
        """Return a resource's own key; `reference` is ``Type/id`` or an absolute or canonical URL."""
        return self._hash("reference", reference)

    def owns(self) -> Callable[[bytes], int]:
        """Return what makes own keys of many references (UTF-8) that are hardly met again: none is remembered."""
        begun = self._linking.copy()
        begun.update(f"reference{_SEPARATOR}".encode())

        def own(reference: bytes) -> int:
            hasher = begun.copy()
            hasher.update(reference)
            return int.from_bytes(hasher.digest(), "big", signed=True)

        return own

    def reference(self, type_: str, parameter: str, target: str) -> int:
        """Return the key of a reference from `type_` through `parameter` to `target`."""
        return self._hash("reference", target) ^ self._hash("parameter", type_, parameter)

    def parameter_constant(self, type_: str, parameter: str) -> int:
        """Return the constant that turns a target's own key into the key of a reference to it."""
        return self._hash("parameter", type_, parameter)

    def _link(self, *parts: str) -> int:
        hasher = self._linking.copy()
        hasher.update(_SEPARATOR.join(parts).encode())
        return int.from_bytes(hasher.digest(), "big", signed=True)

    def _of_value(self, type_: str, parameter: str, text: str) -> int:
        hasher = self._keyed.copy()
        hasher.update(
            _SEPARATOR.join((self._label("value", type_), type_, parameter, text)).encode()
        )
        return int.from_bytes(hasher.digest(), "big", signed=True)

    def _label(self, what: str, type_: str) -> str:
        """Return what hashes of a type begin with: the version as well, where it makes keys anew."""
        return f"{what} {self._mark}" if type_ in self.fresh else what


def distinct(keys: Iterable[int]) -> list[int]:
    """Return `keys` sorted and without repeats, as the index wants them."""
    return sorted(set(keys))
