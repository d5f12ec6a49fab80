from conformance.load.messages import Acknowledgement
from conformance.load.outbox import Outbox


def filled(count: int, window: int = 100) -> Outbox:
    outbox = Outbox("b", "tel", window)
    for _ in range(count):
        outbox.put(b"", 0.0, 12)
    return outbox


def flying(count: int) -> Outbox:
    outbox = filled(count)
    outbox.take(0.0)
    return outbox


def word(
    through: int,
    also: tuple[tuple[int, int], ...] = (),
    rejected: tuple[int, ...] = (),
    boot: str = "b",
) -> Acknowledgement:
    return Acknowledgement(boot, "tel", through, also, frozenset(rejected))


def taken(outbox: Outbox) -> list[int]:
    return [one.seq for one in outbox.take(0.0)]


def test_numbers_count_from_one() -> None:
    outbox = Outbox("b", "tel", 9)
    assert outbox.next_number() == 1
    assert [outbox.put(b"", 0.0, 1).seq for _ in range(3)] == [1, 2, 3]


def test_through_forgets_from_the_front() -> None:
    outbox = flying(5)
    assert [one.seq for one in outbox.acknowledge(word(3))] == [1, 2, 3]
    assert outbox.acknowledge(word(3)) == []
    assert len(outbox) == 2


def test_ranges_and_refusals_are_settled_too() -> None:
    outbox = flying(9)
    settled = outbox.acknowledge(word(2, ((4, 5),), (2, 8)))
    assert [(one.seq, one.rejected) for one in settled] == [
        (1, False),
        (2, True),
        (4, False),
        (5, False),
        (8, True),
    ]
    outbox.reconnected()
    assert taken(outbox) == [3, 6, 7, 9]


def test_a_word_about_something_else_settles_nothing() -> None:
    outbox = flying(2)
    assert outbox.acknowledge(word(2, boot="other")) == []
    assert outbox.acknowledge(Acknowledgement("b", "evt", 2, (), frozenset())) == []
    assert len(outbox) == 2


def test_the_window_holds_back_what_an_acknowledgement_lets_go() -> None:
    outbox = filled(5, window=2)
    assert taken(outbox) == [1, 2]
    assert taken(outbox) == []
    outbox.acknowledge(word(1))
    assert taken(outbox) == [3]


def test_a_new_connection_starts_over_in_order() -> None:
    outbox = filled(5, window=3)
    assert taken(outbox) == [1, 2, 3]
    outbox.acknowledge(word(0, ((2, 2),)))
    outbox.reconnected()
    assert taken(outbox) == [1, 3, 4]


def test_what_an_old_connection_delivered_after_all_is_not_sent_again() -> None:
    outbox = flying(3)
    outbox.reconnected()
    outbox.acknowledge(word(2))
    assert taken(outbox) == [3]
    assert [one.seq for one in outbox.acknowledge(word(3))] == [3]


def test_only_what_flies_too_long_is_late_and_each_time_later() -> None:
    outbox = filled(2, window=1)
    outbox.take(0.0)
    assert outbox.late(2.9, 3.0) == []
    assert [one.seq for one in outbox.late(3.0, 3.0)] == [1]
    assert outbox.late(8.9, 3.0) == []
    assert [one.seq for one in outbox.late(9.0, 3.0)] == [1]


def test_patience_stops_growing() -> None:
    outbox = flying(1)
    now = 0.0
    for _ in range(20):
        now += 16.0
        outbox.late(now, 1.0)
    assert [one.seq for one in outbox.late(now + 16.0, 1.0)] == [1]
