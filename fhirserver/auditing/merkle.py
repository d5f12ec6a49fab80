"""Merkle trees of RFC 9162: the root of many leaves, and how to go on from there without them.

A `Frontier` is the roots of the complete subtrees that the leaves so far fall into; leaves are added to it one after
the other, in little more than a hash each.

Spec: https://www.rfc-editor.org/rfc/rfc9162#section-2.1
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
# What a leaf is told from a node by.
LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of the leaf for `entry`."""
    return sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return sha256(_NODE + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves: `roots` of its complete subtrees, the largest first."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def plus(self, leaves: Iterable[bytes]) -> Self:
        """Return the tree with the hashes of further leaves."""
        size, roots = self.size, list(self.roots)
        for leaf in leaves:
            node, carries = leaf, size
            while carries & 1:
                node = node_hash(roots.pop(), node)
                carries >>= 1
            roots.append(node)
            size += 1
        return type(self)(size, tuple(roots))

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        if not self.roots:
            return EMPTY_ROOT
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        """Return the subtree roots in one run."""
        return b"".join(self.roots)

    @classmethod
    def of(cls, size: int, run: bytes) -> Self:
        """Return the tree that `to_bytes` was asked of. Raises `ValueError` when the run is not one of that size."""
        if len(run) != size.bit_count() * HASH_BYTES:
            message = f"{len(run)} bytes are not the subtrees of {size} leaves"
            raise ValueError(message)
        return cls(size, cut(run))


def cut(run: bytes) -> tuple[bytes, ...]:
    """Return the hashes that `run` consists of. Raises `ValueError` for a part of one at the end."""
    if len(run) % HASH_BYTES:
        message = f"{len(run)} bytes are not a number of hashes"
        raise ValueError(message)
    return tuple(run[at : at + HASH_BYTES] for at in range(0, len(run), HASH_BYTES))
