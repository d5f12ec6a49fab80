"""Store and forward: a message is kept until the server itself acknowledged it. Pure.

The broker's PUBACK frees nothing here. Time is an argument, in seconds of any clock that only goes
forward.
"""

from collections import OrderedDict
from dataclasses import dataclass

from conformance.load.messages import Acknowledgement, Kind


@dataclass(slots=True)
class Kept:
    """A numbered message and what it holds; `first_sent` is None until it was handed to a broker."""

    seq: int
    payload: bytes
    observations: int
    readings: tuple[int, ...]
    first_sent: float | None = None
    last_sent: float = 0.0
    rejected: bool = False


class Outbox:
    """What one device still owes about one kind of message, in the order of the numbers."""

    def __init__(self, boot: str, kind: Kind) -> None:
        self.boot = boot
        self.kind = kind
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._next = 1

    def __len__(self) -> int:
        return len(self._kept)

    def next_number(self) -> int:
        """Return the number the next message will have."""
        return self._next

    def put(self, payload: bytes, observations: int, readings: tuple[int, ...] = ()) -> Kept:
        """Keep the message with the next number: what it becomes, and its readings' numbers."""
        kept = Kept(self._next, payload, observations, readings)
        self._kept[kept.seq] = kept
        self._next += 1
        return kept

    def sent(self, kept: Kept, now: float) -> None:
        """Note that `kept` was handed to the broker; the first time is what latency counts from."""
        if kept.first_sent is None:
            kept.first_sent = now
        kept.last_sent = now

    def overdue(self, now: float, patience: float) -> list[Kept]:
        """Return what was sent `patience` seconds ago or earlier, and what was never sent."""
        return [
            one
            for one in self._kept.values()
            if one.first_sent is None or now - one.last_sent >= patience
        ]

    def acknowledge(self, word: Acknowledgement) -> list[Kept]:
        """Forget and return what `word` covers; a word about another boot or kind covers none."""
        if word.boot != self.boot or word.kind != self.kind:
            return []
        if not word.also and not word.rejected:
            return self._through(word.through)
        covered = [one for one in self._kept.values() if word.covers(one.seq)]
        for one in covered:
            one.rejected = one.seq in word.rejected
            del self._kept[one.seq]
        return covered

    def _through(self, last: int) -> list[Kept]:
        """Forget from the front: the usual case, whatever else is kept behind."""
        covered: list[Kept] = []
        while self._kept and next(iter(self._kept)) <= last:
            covered.append(self._kept.popitem(last=False)[1])
        return covered
