"""Store and forward: a message is kept until the server itself acknowledged it. Pure.

The broker's PUBACK frees nothing here. At most `window` messages fly, that is, were sent on this
connection and not acknowledged; one that flies too long is sent again, each time after twice the
patience, because a server that is behind is not helped by hearing everything twice. Time is an
argument, in seconds of any clock that only goes forward.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from conformance.load.messages import Acknowledgement, Kind

_MOST_DOUBLINGS: Final = 4


@dataclass(slots=True)
class Kept:
    """A numbered message, what it becomes, and when it was made; `tries` on this connection."""

    seq: int
    payload: bytes
    observations: int
    readings: tuple[int, ...]
    made: float
    last_sent: float = 0.0
    tries: int = 0
    rejected: bool = False


class Outbox:
    """What one device still owes about one kind of message, in the order of the numbers."""

    def __init__(self, boot: str, kind: Kind, window: int) -> None:
        self.boot = boot
        self.kind = kind
        self._window = window
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._unsent: deque[Kept] = deque()
        self._flying = 0
        self._next = 1

    def __len__(self) -> int:
        return len(self._kept)

    def next_number(self) -> int:
        """Return the number the next message will have."""
        return self._next

    def put(
        self, payload: bytes, now: float, observations: int, readings: tuple[int, ...] = ()
    ) -> Kept:
        """Keep the message with the next number: what it becomes, and its readings' numbers."""
        kept = Kept(self._next, payload, observations, readings, now)
        self._kept[kept.seq] = kept
        self._unsent.append(kept)
        self._next += 1
        return kept

    def take(self, now: float) -> list[Kept]:
        """Return what is to be sent for the first time on this connection, as the window allows."""
        taken: list[Kept] = []
        while self._unsent and self._flying < self._window:
            kept = self._unsent.popleft()
            # Acknowledged after all, by a message of an earlier connection.
            if kept.seq not in self._kept:
                continue
            self._flying += 1
            self._mark(kept, now)
            taken.append(kept)
        return taken

    def late(self, now: float, patience: float) -> list[Kept]:
        """Return what has flown for too long, to be sent again."""
        found = [
            one
            for one in self._kept.values()
            if one.tries
            and now - one.last_sent >= patience * 2 ** min(one.tries - 1, _MOST_DOUBLINGS)
        ]
        for one in found:
            self._mark(one, now)
        return found

    def reconnected(self) -> None:
        """The connection is new: whatever flew on the old one is to be sent again."""
        self._unsent = deque(self._kept.values())
        self._flying = 0
        for one in self._kept.values():
            one.tries = 0

    def acknowledge(self, word: Acknowledgement) -> list[Kept]:
        """Forget and return what `word` covers; a word about another boot or kind covers none."""
        if word.boot != self.boot or word.kind != self.kind:
            return []
        if word.also or word.rejected:
            covered = [one for one in self._kept.values() if word.covers(one.seq)]
        else:
            # The usual case, cheap however much is kept behind.
            covered = []
            for one in self._kept.values():
                if one.seq > word.through:
                    break
                covered.append(one)
        for one in covered:
            one.rejected = one.seq in word.rejected
            del self._kept[one.seq]
            if one.tries:
                self._flying -= 1
        return covered

    def _mark(self, kept: Kept, now: float) -> None:
        kept.last_sent = now
        kept.tries += 1
