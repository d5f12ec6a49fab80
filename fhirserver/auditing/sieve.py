"""Which of many ids are on one side only, in the memory of a few thousand numbers.

Ids fall into buckets; each bucket knows how many it was given more than it lost, and their sum. Where both sides had the
same ids, nothing is left. Where something is left, those buckets are looked at again with the ids themselves.
"""

from collections.abc import Iterator
from typing import Final

_BUCKETS: Final = 4_096
# Ids held at once when buckets are looked at again.
MOST: Final = 200_000


class Sieve:
    """Compares what is added with what is taken."""

    def __init__(self, most: int = MOST) -> None:
        """Hold at most about `most` ids when something is looked at again."""
        self._most = most
        self._left = [0] * _BUCKETS
        self._sums = [0] * _BUCKETS
        self._taken = [0] * _BUCKETS

    def add(self, id_: int) -> None:
        """Have `id_` on the one side."""
        bucket = bucket_of(id_)
        self._left[bucket] += 1
        self._sums[bucket] += id_

    def take(self, id_: int) -> None:
        """Have `id_` on the other side."""
        bucket = bucket_of(id_)
        self._left[bucket] -= 1
        self._sums[bucket] -= id_
        self._taken[bucket] += 1

    def differing(self) -> Iterator[frozenset[int]]:
        """Yield buckets that differ, in groups of which so many were taken that they fit in memory."""
        group: set[int] = set()
        held = 0
        for bucket in range(_BUCKETS):
            if not (self._left[bucket] or self._sums[bucket]):
                continue
            if group and held + self._taken[bucket] > self._most:
                yield frozenset(group)
                group, held = set(), 0
            group.add(bucket)
            held += self._taken[bucket]
        if group:
            yield frozenset(group)


def bucket_of(id_: int) -> int:
    """Return the bucket of a 128-bit id; its last bits say whose it is, those before are chance."""
    return (id_ >> 16) % _BUCKETS
