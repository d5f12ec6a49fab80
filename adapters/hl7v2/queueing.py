"""Which messages are committed together, and which of them next. Pure.

Alarms first. Two batches are under way at once, one being read and made while the database works on the other. What several
messages say of one machine is never in both: what one says is what the next one is compared with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from adapters.hl7v2.coming import Coming

ALARM: Final = "ORU^R40"
_MOST: Final = 256
_AT_ONCE: Final = 2
# How many messages a batch beside another one is worth beginning for: each costs the same beside what its messages cost.
_WORTH: Final = 8

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[Answer]):
    """A message, and who waits for what becomes of it."""

    coming: Coming
    answer: Answer

    @property
    def is_alarm(self) -> bool:
        """Return whether it tells of an alarm."""
        return self.coming.kind == ALARM

    @property
    def same(self) -> frozenset[object]:
        """Return what no other message of its batch may share: sender and control id."""
        return frozenset() if self.coming.key is None else frozenset((self.coming.key,))

    @property
    def alone(self) -> frozenset[object]:
        """Return what no message of another batch may share: the above, and its machines."""
        found = self.coming.found
        return self.same.union(() if found is None else (one.address for one in found.devices))


class Queue(Generic[Answer]):
    """What waits and what is under way."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._waiting: list[Waiting[Answer]] = []
        self._under_way: list[Sequence[Waiting[Answer]]] = []

    def add(self, coming: Coming, answer: Answer) -> None:
        """Let a message wait."""
        self._waiting.append(Waiting(coming, answer))

    def next(self) -> Sequence[Waiting[Answer]]:
        """Return the next batch, which is under way then; empty while it must wait, or is hardly worth it."""
        if len(self._under_way) == _AT_ONCE:
            return ()
        taken = {one for batch in self._under_way for waiting in batch for one in waiting.alone}
        batch: list[Waiting[Answer]] = []
        for one in sorted(self._waiting, key=lambda one: not one.is_alarm):
            if taken.isdisjoint(one.alone):
                batch.append(one)
                # The same message over two connections: the second comes when the first is there.
                taken |= one.same
        if self._under_way:
            if len(batch) < _WORTH and not any(one.is_alarm for one in batch):
                return ()
        elif len(batch) >= _AT_ONCE * _WORTH:
            batch = batch[: -(len(batch) // -_AT_ONCE)]
        batch = batch[:_MOST]
        if batch:
            chosen = set(map(id, batch))
            self._waiting = [one for one in self._waiting if id(one) not in chosen]
            self._under_way.append(batch)
        return batch

    def done(self, batch: Sequence[Waiting[Answer]]) -> None:
        """Note that a batch is not under way any more."""
        self._under_way.remove(batch)
