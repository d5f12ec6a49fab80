"""One websocket of a subscriber as a machine without I/O: binding, greeting, resuming, pacing, ending.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets. A client binds by token;
each bound Subscription is greeted with a handshake, then gets what it missed, then what happens. A
notification counts as delivered once the client's side has confirmed it; until then its number is not
recorded, so a socket that breaks loses nothing: the next one goes on behind the last number recorded.
The line to a slow client is bounded, and a client that stands still for too long is let go.

The guide shows the bind frame with and without a colon; both are understood. It says nothing of close
codes: those from 4400 are this server's own.
"""

import re
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from subscriptions.core.notification import Kind
from subscriptions.core.presence import Look, look_in

Key = tuple[int, str]  # tenant, Subscription id

PATH: Final = "/ws/subscriptions"

_BIND: Final = re.compile(
    r"bind-with-token(?:[ \t]*:[ \t]*|[ \t]+)([A-Za-z0-9_-]{16,128})[ \t\r\n]*"
)


@dataclass(frozen=True, slots=True)
class Bind:
    """The client asks for the Subscriptions of a token."""

    token: str


@dataclass(frozen=True, slots=True)
class Close:
    """The socket ends: a code of RFC 6455 or one of ours, and a short reason without personal data."""

    code: int
    reason: str


GOING_AWAY: Final = Close(1001, "the server stops: connect again")
TEXT_ONLY: Final = Close(1003, "text frames only")
NOT_UNDERSTOOD: Final = Close(1008, "say: bind-with-token: <token>")
UNFIT: Final = Close(1011, "a notification could not be made")
BAD_TOKEN: Final = Close(1008, "this token is unknown or has expired: get a new one")
EXPIRED: Final = Close(1008, "the token has expired: get a new one and bind again")
NO_ACCESS: Final = Close(1008, "access to a Subscription has ended")
TOO_BIG: Final = Close(1009, "the message is too long")
TOO_SLOW: Final = Close(1013, "nothing is read: bind again to go on where this ended")
UNAVAILABLE: Final = Close(1013, "try again later")
NOT_BOUND: Final = Close(4408, "nothing was bound")
TAKEN_OVER: Final = Close(4409, "a newer socket has bound a Subscription of this one")
ENDED: Final = Close(4410, "a Subscription was deleted, switched off or is in error")
TOO_MANY_BOUND: Final = Close(4413, "too many Subscriptions on one socket")
TOO_OFTEN: Final = Close(4429, "too many messages")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one socket may take up. Sizes in characters of text."""

    bind_within: timedelta = timedelta(seconds=10)
    stall: timedelta = timedelta(seconds=30)
    longest_message: int = 512
    # Messages a client may send at once, and how many more each second allows.
    burst: int = 20
    a_second: float = 2.0
    frames: int = 32
    size: int = 256 * 1024
    bindings: int = 1000


class Want(NamedTuple):
    """A notification to be made: of an event notification, the events above `after` up to `through`."""

    key: Key
    kind: Kind
    after: int
    through: int


class Frame(NamedTuple):
    """A notification ready to be sent. `through` is the last event number in it, None without events."""

    key: Key
    kind: Kind
    through: int | None
    text: str


@dataclass(slots=True)
class _Binding:
    expires: datetime
    heartbeat: timedelta | None
    numbered: int
    queued: int
    quiet_since: datetime
    is_greeted: bool = False
    is_asked: bool = False


class _InFlight(NamedTuple):
    mark: int
    sent: datetime
    size: int
    key: Key
    through: int | None


def token_of(text: str) -> str | None:
    """Return the token of a bind frame in either form, None when it is something else."""
    found = _BIND.fullmatch(text)
    return None if found is None else found[1]


class Conversation:
    """What one socket was sent, is owed and may ask. All times are handed in."""

    def __init__(self, opened: datetime, limits: Limits | None = None) -> None:
        """Begin at `opened` with nothing bound."""
        self._limits = limits or Limits()
        self._opened = opened
        self._allowance = float(self._limits.burst)
        self._heard = opened
        self._bindings: dict[Key, _Binding] = {}
        self._line: deque[Frame] = deque()
        self._in_flight: deque[_InFlight] = deque()
        self._size = 0
        self._asked = 0
        self._sent = 0
        self._progress: dict[Key, int] = {}

    def received(self, text: str | None, now: datetime) -> Bind | Look | Close:
        """Return what a message of the client means; None for a binary one."""
        elapsed = max(0.0, (now - self._heard).total_seconds())
        self._heard = now
        refilled = self._allowance + elapsed * self._limits.a_second
        self._allowance = min(float(self._limits.burst), refilled) - 1
        if self._allowance < 0:
            return TOO_OFTEN
        if text is None:
            return TEXT_ONLY
        if len(text) > self._limits.longest_message:
            return TOO_BIG
        token = token_of(text)
        return (look_in(text) or NOT_UNDERSTOOD) if token is None else Bind(token)

    @property
    def bound(self) -> frozenset[Key]:
        """The Subscriptions bound to this socket."""
        return frozenset(self._bindings)

    def room(self, more: int) -> bool:
        """Return whether `more` Subscriptions may be bound."""
        return len(self._bindings) + more <= self._limits.bindings

    def bind(
        self,
        key: Key,
        *,
        delivered: int,
        numbered: int,
        expires: datetime,
        heartbeat: timedelta | None,
        now: datetime,
    ) -> None:
        """Bind `key`, to go on behind event `delivered`; what was numbered so far is `numbered`."""
        self._bindings[key] = _Binding(expires, heartbeat, numbered, delivered, now)

    def bind_again(self, key: Key, expires: datetime) -> None:
        """Greet anew what is bound here already, under a token that ends at `expires`; nothing is repeated."""
        binding = self._bindings[key]
        binding.expires = expires
        binding.is_greeted = False

    def beats(self, key: Key, heartbeat: timedelta | None) -> None:
        """Send heartbeats at another pace from now on, None for never."""
        self._bindings[key].heartbeat = heartbeat

    def numbered(self, key: Key, number: int) -> bool:
        """Learn that events of `key` are numbered up to `number`; return whether that is news."""
        binding = self._bindings.get(key)
        if binding is None or number <= binding.numbered:
            return False
        binding.numbered = number
        return True

    def wants(self, now: datetime, *, beats: bool = True) -> list[Want]:
        """Return what shall be made now, as far as the line has room; each is asked for once.

        Every answer is handed to `queue`, or to `not_made`. Without `beats` there are no heartbeats: a
        server whose alarms do not work must be missed.
        """
        room = self._room()
        found: list[Want] = []
        for key, binding in self._bindings.items():
            if len(found) >= room:
                break
            kind = None if binding.is_asked else _next_kind(binding, now, beats=beats)
            if kind is not None:
                binding.is_asked = True
                found.append(Want(key, kind, binding.queued, binding.numbered))
        self._asked += len(found)
        return found

    def queue(self, frame: Frame) -> None:
        """Take a notification into the line."""
        binding = self._answered(frame.key)
        if binding is None:
            return
        if frame.kind == "handshake":
            binding.is_greeted = True
        if frame.through is not None:
            binding.queued = frame.through
        self._line.append(frame)
        self._size += len(frame.text)

    def nothing_left(self, key: Key, after: int) -> None:
        """Learn that no events up to `after` are kept any more: go on behind them."""
        binding = self._answered(key)
        if binding is not None:
            binding.queued = max(binding.queued, after)
            if not self._is_under_way(key):
                self._progress[key] = binding.queued

    def not_made(self, key: Key) -> None:
        """Ask for `key` again later: it could not be made now."""
        self._answered(key)

    def next(self, now: datetime) -> Frame | None:
        """Return the next notification to send, counted as sent from now on; None when the line is empty."""
        if not self._line:
            return None
        frame = self._line.popleft()
        self._sent += 1
        size = len(frame.text)
        self._in_flight.append(_InFlight(self._sent, now, size, frame.key, frame.through))
        self._bindings[frame.key].quiet_since = now
        return frame

    @property
    def mark(self) -> int:
        """What to hand to `confirmed` once everything sent so far has arrived."""
        return self._sent

    def confirmed(self, mark: int) -> None:
        """Learn that everything sent up to `mark` has arrived at the client."""
        while self._in_flight and self._in_flight[0].mark <= mark:
            arrived = self._in_flight.popleft()
            self._size -= arrived.size
            if arrived.through is not None:
                self._progress[arrived.key] = arrived.through

    def progress(self) -> dict[Key, int]:
        """Return the numbers that arrived since the last call, to be recorded."""
        found, self._progress = self._progress, {}
        return found

    def overdue(self, now: datetime) -> Close | None:
        """Return why the socket must end now, None while it may stay."""
        if not self._bindings and now - self._opened >= self._limits.bind_within:
            return NOT_BOUND
        if self._in_flight and now - self._in_flight[0].sent >= self._limits.stall:
            return TOO_SLOW
        if any(binding.expires <= now for binding in self._bindings.values()):
            return EXPIRED
        return None

    def is_waiting(self, now: datetime, *, beats: bool = True) -> bool:
        """Return whether something is owed that nobody has asked for yet, and the line has room for it."""
        return self._room() > 0 and any(
            not binding.is_asked and _next_kind(binding, now, beats=beats) is not None
            for binding in self._bindings.values()
        )

    def _room(self) -> int:
        if self._size >= self._limits.size:
            return 0
        return self._limits.frames - len(self._line) - len(self._in_flight) - self._asked

    def _answered(self, key: Key) -> _Binding | None:
        binding = self._bindings.get(key)
        if binding is None or not binding.is_asked:
            return None
        binding.is_asked = False
        self._asked -= 1
        return binding

    def _is_under_way(self, key: Key) -> bool:
        return any(one.key == key for one in self._line) or any(
            one.key == key for one in self._in_flight
        )


def _next_kind(binding: _Binding, now: datetime, *, beats: bool) -> Kind | None:
    if not binding.is_greeted:
        return "handshake"
    if binding.numbered > binding.queued:
        return "event-notification"
    if beats and binding.heartbeat is not None and now - binding.quiet_since >= binding.heartbeat:
        return "heartbeat"
    return None
