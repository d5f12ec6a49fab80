"""Store-and-forward: a device keeps every numbered message until the server acknowledged it.

A broker's PUBACK proves only that the broker answered. The server's own acknowledgement, sent
after its commit, is `{"boot", "kind", "through": N, "also": [[a, b]], "rejected": [n]}`: every
number up to N, the ranges of `also` and the numbers of `rejected` need not be kept. Whatever it
does not cover is sent again after a timeout and after each reconnection, events before telemetry,
in order. Pure: time is an argument (seconds of any monotonic clock).
"""

import json
from collections import OrderedDict
from dataclasses import dataclass, field

from simulator.devices.messages import Kind, Message

KINDS: tuple[Kind, ...] = ("evt", "tel")
# The timeout doubles while nothing is acknowledged, up to this many times the first.
LONGEST_PATIENCE = 6


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The server's word about one kind of one boot."""

    boot: str
    kind: Kind
    through: int
    also: tuple[tuple[int, int], ...] = ()
    rejected: tuple[int, ...] = ()


class AcknowledgementError(ValueError):
    """The bytes are no acknowledgement of the server."""


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise AcknowledgementError(f"not a number: {value!r}")
    return value


def read_acknowledgement(payload: bytes) -> Acknowledgement:
    """Return the acknowledgement in `payload`; raises AcknowledgementError for anything else."""
    try:
        body = json.loads(payload)
    except ValueError as error:
        raise AcknowledgementError("not JSON") from error
    if not isinstance(body, dict):
        raise AcknowledgementError("not an object")
    kind = body.get("kind")
    boot = body.get("boot")
    if kind not in ("tel", "evt") or not isinstance(boot, str):
        raise AcknowledgementError("kind or boot is missing")
    also = body.get("also", [])
    rejected = body.get("rejected", [])
    if not isinstance(also, list) or not isinstance(rejected, list):
        raise AcknowledgementError("also and rejected are lists")
    ranges: list[tuple[int, int]] = []
    for pair in also:
        if not isinstance(pair, list) or len(pair) != 2:
            raise AcknowledgementError("also holds pairs")
        ranges.append((_number(pair[0]), _number(pair[1])))
    return Acknowledgement(
        boot,
        kind,
        _number(body.get("through", 0)),
        tuple(ranges),
        tuple(_number(number) for number in rejected),
    )


@dataclass
class _Lane:
    """One kind's messages: `waiting` to be sent, `flying` by order of their last sending."""

    waiting: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    flying: OrderedDict[int, tuple[Message, float]] = field(default_factory=OrderedDict)
    patience_s: float = 0.0

    def __len__(self) -> int:
        return len(self.waiting) + len(self.flying)

    def drop(self, seq: int) -> bool:
        return self.waiting.pop(seq, None) is not None or self.flying.pop(seq, None) is not None

    def oldest(self) -> int:
        return min((*self.flying, *self.waiting))

    def land(self, due: list[int]) -> None:
        """Put messages that were sent back among those waiting, in the order of their numbers."""
        for seq in due:
            self.waiting[seq] = self.flying.pop(seq)[0]
        if due:
            self.waiting = OrderedDict(sorted(self.waiting.items()))


class StoreAndForward:
    """What one device still owes the server during one boot."""

    def __init__(
        self,
        boot: str,
        *,
        capacity: int = 20_000,
        resend_after_s: float = 10.0,
        window: int = 500,
    ) -> None:
        """`capacity` messages at most are kept; `window` at most are sent and unacknowledged."""
        self.boot = boot
        self._capacity = capacity
        self._resend_after_s = resend_after_s
        self._window = window
        self._lanes: dict[Kind, _Lane] = {kind: _Lane(patience_s=resend_after_s) for kind in KINDS}
        self.overflowed: dict[Kind, int] = {"tel": 0, "evt": 0}
        self.acknowledged: dict[Kind, int] = {"tel": 0, "evt": 0}
        self.rejected: dict[Kind, int] = {"tel": 0, "evt": 0}
        self.resent = 0

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def put(self, message: Message) -> None:
        """Keep a numbered message; when full, lose the oldest telemetry, events last, and count."""
        if message.seq is None or message.channel not in ("tel", "evt"):
            raise ValueError("only numbered messages are kept")
        self._lanes[message.channel].waiting[message.seq] = message
        if len(self) > self._capacity:
            kind: Kind = "tel" if len(self._lanes["tel"]) else "evt"
            lane = self._lanes[kind]
            lane.drop(lane.oldest())
            self.overflowed[kind] += 1

    def take(self, now_s: float) -> list[Message]:
        """Return what is to be sent now, events first, and count it as sent at `now_s`."""
        ready: list[Message] = []
        for kind in KINDS:
            lane = self._lanes[kind]
            late: list[int] = []
            for seq, (_, sent_s) in lane.flying.items():
                if now_s - sent_s < lane.patience_s:
                    break
                late.append(seq)
            self.resent += len(late)
            lane.land(late)
            if late:
                # A server that is behind must not be drowned by what it has already received.
                lane.patience_s = min(LONGEST_PATIENCE * self._resend_after_s, lane.patience_s * 2)
            while lane.waiting and len(lane.flying) < self._window:
                seq, message = lane.waiting.popitem(last=False)
                lane.flying[seq] = (message, now_s)
                ready.append(message)
        return ready

    def reconnected(self) -> None:
        """The connection is new: whatever flew on the old one is to be sent again."""
        for lane in self._lanes.values():
            lane.patience_s = self._resend_after_s
            self.resent += len(lane.flying)
            lane.land(list(lane.flying))

    def acknowledge(self, word: Acknowledgement) -> int:
        """Forget what `word` covers and return how many messages that were; another boot covers
        none.
        """
        if word.boot != self.boot:
            return 0
        lane = self._lanes[word.kind]
        rejected = set(word.rejected)
        covered = [
            seq
            for seq in (*lane.flying, *lane.waiting)
            if seq <= word.through
            or seq in rejected
            or any(first <= seq <= last for first, last in word.also)
        ]
        for seq in covered:
            lane.drop(seq)
        if covered:
            lane.patience_s = self._resend_after_s
        refused = sum(1 for seq in covered if seq in rejected)
        self.rejected[word.kind] += refused
        self.acknowledged[word.kind] += len(covered) - refused
        return len(covered)
