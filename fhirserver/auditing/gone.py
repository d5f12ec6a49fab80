"""Sealed events that are not there any more: removed by the tenant's policy, or deleted. Known only at the end of the log,
because what tells of a removal comes behind what it removed.

Pure. The youngest of a tenant are remembered one by one, the others as their number: a policy removes the oldest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappush, heappushpop
from typing import Final

MOST: Final = 10_000


@dataclass(slots=True)
class GoneEvents:
    """Those of one tenant. `expired_before` is until when its policy removed, None: never."""

    most: int = MOST
    expired_before: datetime | None = None
    _youngest: list[tuple[datetime, str]] = field(default_factory=list)
    _older: int = 0
    _older_until: datetime | None = None

    def add(self, id_: str, written: datetime) -> None:
        """Note that an event of that time is gone."""
        if len(self._youngest) < self.most:
            heappush(self._youngest, (written, id_))
            return
        dropped, _ = heappushpop(self._youngest, (written, id_))
        self._older += 1
        self._older_until = max(dropped, self._older_until or dropped)

    def policy(self, before: datetime) -> None:
        """Learn that everything from before a time was removed."""
        self.expired_before = max(before, self.expired_before or before)

    def expired(self) -> int:
        """Return how many of them the policy removed."""
        return sum(map(self._by_policy, self._youngest)) + (
            0 if self._some_older_deleted() else self._older
        )

    def deleted(self) -> Iterator[str]:
        """Yield the ids of those remembered that no policy removed."""
        for one in sorted(self._youngest):
            if not self._by_policy(one):
                yield one[1]

    def more(self) -> int:
        """Return how many older ones there are, at least one of which no policy removed; 0 when it removed all."""
        return self._older if self._some_older_deleted() else 0

    def _by_policy(self, one: tuple[datetime, str]) -> bool:
        return self.expired_before is not None and one[0] < self.expired_before

    def _some_older_deleted(self) -> bool:
        until = self._older_until
        return until is not None and (self.expired_before is None or until >= self.expired_before)
