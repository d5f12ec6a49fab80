"""What a network does to messages: loses, repeats, reorders, holds back, mangles. Pure, seeded.

A layer over a stream of messages in the order they were sent; it yields them in the order in which
they arrive. Losing here is for good: devices that keep messages until they are acknowledged lose
nothing, they repeat and are late (`held`).
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from simulator.devices.messages import Channel, Message

LOCAL_TENANT: Final = "home"


class Sent:
    """One message on its way: who said it, when it was sent and when it is received.

    `seconds` counts from the start of the session to the receipt.
    """

    __slots__ = ("eui64", "message", "received", "seconds", "sent")

    def __init__(
        self, eui64: str, message: Message, sent: datetime, received: datetime, seconds: float
    ) -> None:
        self.eui64 = eui64
        self.message = message
        self.sent = sent
        self.received = received
        self.seconds = seconds

    @property
    def channel(self) -> Channel:
        """birth, status, tel or evt."""
        return self.message.channel

    @property
    def address(self) -> str:
        """Where a broker would find it."""
        return f"hd/v1/{LOCAL_TENANT}/{self.eui64}/{self.message.channel}"

    @property
    def body(self) -> dict[str, Any] | None:
        """The JSON object, None when the bytes hold none."""
        return self.message.body

    @property
    def payload(self) -> bytes:
        """The bytes, made now."""
        return self.message.payload

    def late(self, by: timedelta) -> "Sent":
        """Return the same message received later."""
        more = by.total_seconds()
        return Sent(self.eui64, self.message, self.sent, self.received + by, self.seconds + more)

    def saying(self, message: Message) -> "Sent":
        """Return another message sent and received at the same moments."""
        return Sent(self.eui64, message, self.sent, self.received, self.seconds)


@dataclass(frozen=True, slots=True)
class Held:
    """The link is down from `from_s` for `for_s` seconds: numbered messages come after it."""

    from_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares are 0..1 of the numbered messages; birth and status pass untouched.

    `drop` loses, `repeat` delivers twice (the second up to `repeat_within_s` later), `reorder`
    delays by up to `reorder_within_s` so that others overtake, `corrupt` changes one byte. `held`
    are times without a link. `skew_s` is added to what the device's wall clock says.
    """

    drop: float = 0.0
    repeat: float = 0.0
    repeat_within_s: float = 5.0
    reorder: float = 0.0
    reorder_within_s: float = 3.0
    corrupt: float = 0.0
    skew_s: float = 0.0
    held: tuple[Held, ...] = ()


NO_FAULTS: Final = Faults()


def disturbed(stream: Iterable[Sent], faults: Faults, seed: int | str) -> Iterator[Sent]:
    """Return `stream` as it arrives through a network with `faults`, in order of receipt."""
    if faults == NO_FAULTS:
        return iter(stream)
    return _disturbed(stream, faults, Random(seed))


def _disturbed(stream: Iterable[Sent], faults: Faults, dice: Random) -> Iterator[Sent]:
    waiting: list[tuple[datetime, int, Sent]] = []
    counted = 0
    for sent in stream:
        while waiting and waiting[0][0] <= sent.received:
            yield heapq.heappop(waiting)[2]
        for arriving in _through(sent, faults, dice):
            counted += 1
            heapq.heappush(waiting, (arriving.received, counted, arriving))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _through(sent: Sent, faults: Faults, dice: Random) -> list[Sent]:
    if faults.skew_s:
        sent = _skewed(sent, faults.skew_s)
    if sent.message.seq is None:
        return [sent]
    if dice.random() < faults.drop:
        return []
    if dice.random() < faults.corrupt:
        sent = _corrupted(sent, dice)
    arriving = [sent]
    if dice.random() < faults.repeat:
        arriving.append(sent.late(timedelta(seconds=dice.uniform(0.0, faults.repeat_within_s))))
    if dice.random() < faults.reorder:
        late = timedelta(seconds=dice.uniform(0.0, faults.reorder_within_s))
        arriving = [one.late(late) for one in arriving]
    for gap in faults.held:
        if gap.from_s <= sent.seconds < gap.from_s + gap.for_s:
            # Everything comes at once after reconnecting, in the order it was said.
            left = timedelta(seconds=gap.from_s + gap.for_s - sent.seconds)
            arriving = [one.late(left) for one in arriving]
    return arriving


def _skewed(sent: Sent, skew_s: float) -> Sent:
    body = sent.body
    if body is None or "dev_time" not in body:
        return sent
    said = datetime.fromisoformat(body["dev_time"]) + timedelta(seconds=skew_s)
    wrong = body | {"dev_time": said.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    return sent.saying(replace(sent.message, content=wrong))


def _corrupted(sent: Sent, dice: Random) -> Sent:
    mangled = bytearray(sent.payload)
    # A byte that no JSON text holds: whatever it hits, the message cannot be read.
    mangled[dice.randrange(len(mangled))] = 0x00
    return sent.saying(replace(sent.message, content=bytes(mangled)))
