"""Whatever happens in whatever order: no event is passed over, none sent too early or out of order.

The world here has several workers that may die or come back late, an endpoint that takes or fails,
an owner who edits, switches off and starts again, and a clock that moves on.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from subscriptions.core.delivery import (
    Cursor,
    Declare,
    Handed,
    Looked,
    Missed,
    Numbered,
    Send,
    SetAside,
    Verdict,
    Written,
    step,
)

MOST = 7


@dataclass(frozen=True)
class OnItsWay:
    """A sending whose result nobody has reported yet."""

    send: Send
    revision: int
    first: int
    last: int


@dataclass
class World:
    cursor: Cursor
    now: datetime = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
    flying: list[OnItsWay] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    aside: set[int] = field(default_factory=set)

    def tell(self, event: object) -> None:
        self.cursor, commands = step(self.cursor, event, self.now)  # type: ignore[arg-type]
        for command in commands:
            match command:
                case Send():
                    self._send(command)
                case Declare():
                    self.tell(Written(command.status))
                case SetAside():
                    self.aside |= set(range(command.first, command.last + 1))

    def _send(self, send: Send) -> None:
        assert self.cursor.status in ("requested", "active"), "sent while off or in error"
        first, last = send.after + 1, send.after
        if send.errand == "event-notification":
            assert self.cursor.status == "active", "an event before the handshake"
            last = min(self.cursor.last_number, send.after + (send.limit or MOST))
            assert last >= first
        self.flying.append(OnItsWay(send, self.cursor.revision, first, last))

    def arrives(self, place: int) -> None:
        """The endpoint takes what is on its way; the answer comes back."""
        one = self.flying.pop(place % len(self.flying))
        self.received += range(one.first, one.last + 1)
        send = one.send
        through = one.last if send.errand == "event-notification" else send.after
        self.tell(Handed(send.epoch, send.errand, one.revision, through))

    def fails(self, place: int, verdict: Verdict, arrived: bool) -> None:
        one = self.flying.pop(place % len(self.flying))
        events = send_events(one)
        if arrived:
            self.received += events
        self.tell(
            Missed(
                one.send.epoch,
                one.send.errand,
                one.revision,
                one.first if events else None,
                one.last if events else None,
                "no",
                0.3,
                verdict=verdict,
                carried=len(events),
            )
        )

    def dies(self, place: int, arrived: bool) -> None:
        """The worker is killed before the answer is recorded."""
        one = self.flying.pop(place % len(self.flying))
        if arrived:
            self.received += send_events(one)


def send_events(one: OnItsWay) -> list[int]:
    return list(range(one.first, one.last + 1))


MOVES = st.one_of(
    st.tuples(st.just("numbered"), st.integers(1, 9)),
    st.tuples(st.just("look"), st.integers(0, 0)),
    st.tuples(st.just("arrives"), st.integers(0, 9)),
    st.tuples(st.just("fails"), st.integers(0, 59)),
    st.tuples(st.just("dies"), st.integers(0, 19)),
    st.tuples(st.just("written"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 1.0, 6.0, 70.0, 700.0])),
)
VERDICTS: tuple[Verdict, ...] = ("try-again", "never-this", "never-here")


def play(moves: list[tuple[str, float]], heartbeat: timedelta | None) -> World:
    world = World(Cursor("off", "http://example.org/topic", heartbeat=heartbeat))
    world.tell(Written("requested"))
    for name, value in moves:
        number = int(value)
        if name == "numbered":
            world.tell(Numbered(number))
        elif name == "look":
            world.tell(Looked())
        elif name == "written":
            world.tell(Written(("requested", "active", "off", "requested")[number]))
        elif name == "wait":
            world.now += timedelta(seconds=value)
        elif world.flying and name == "arrives":
            world.arrives(number)
        elif world.flying and name == "fails":
            world.fails(number // 6, VERDICTS[number % 3], arrived=number % 2 == 0)
        elif world.flying and name == "dies":
            world.dies(number // 2, arrived=number % 2 == 0)
        check(world)
    return world


def check(world: World) -> None:
    cursor = world.cursor
    assert 0 <= cursor.delivered_through <= cursor.last_number
    done = set(world.received) | world.aside
    assert set(range(1, cursor.delivered_through + 1)) <= done, "an event was passed over"
    seen: set[int] = set()
    for number in world.received:
        earlier = number - 1
        assert earlier == 0 or earlier in seen or earlier in world.aside, "out of order"
        seen.add(number)


def settle(world: World) -> None:
    """The owner starts it again and the endpoint takes everything from now on."""
    world.flying.clear()
    world.tell(Written("requested"))
    for _ in range(400):
        world.now += timedelta(seconds=6)
        world.tell(Looked())
        while world.flying:
            world.arrives(0)
        check(world)
        if world.cursor.status == "active" and world.cursor.owed == 0:
            return
    raise AssertionError("it never comes to rest")


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=60), st.sampled_from([None, timedelta(seconds=30)]))
def test_in_the_end_everything_has_arrived_in_order_or_is_set_aside(
    moves: list[tuple[str, float]], heartbeat: timedelta | None
) -> None:
    world = play(moves, heartbeat)
    settle(world)
    everything = set(range(1, world.cursor.last_number + 1))
    assert everything == set(world.received) | world.aside


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVES, max_size=60))
def test_one_lease_at_a_time(moves: list[tuple[str, float]]) -> None:
    world = play(moves, None)
    epochs = [one.send.epoch for one in world.flying]
    assert len(set(epochs)) == len(epochs), "two hold one lease"
