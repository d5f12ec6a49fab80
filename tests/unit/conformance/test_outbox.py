from conformance.load.messages import Acknowledgement
from conformance.load.outbox import Outbox


def filled(count: int) -> Outbox:
    outbox = Outbox("b", "tel")
    for _ in range(count):
        outbox.sent(outbox.put(b"", 12), 0.0)
    return outbox


def word(
    through: int,
    also: tuple[tuple[int, int], ...] = (),
    rejected: tuple[int, ...] = (),
    boot: str = "b",
) -> Acknowledgement:
    return Acknowledgement(boot, "tel", through, also, frozenset(rejected))


def numbers(outbox: Outbox) -> list[int]:
    return [one.seq for one in outbox.overdue(1e9, 0.0)]


def test_numbers_count_from_one() -> None:
    outbox = Outbox("b", "tel")
    assert outbox.next_number() == 1
    assert [outbox.put(b"", 1).seq for _ in range(3)] == [1, 2, 3]


def test_through_forgets_from_the_front() -> None:
    outbox = filled(5)
    assert [one.seq for one in outbox.acknowledge(word(3))] == [1, 2, 3]
    assert numbers(outbox) == [4, 5]
    assert outbox.acknowledge(word(3)) == []


def test_ranges_and_refusals_are_settled_too() -> None:
    outbox = filled(9)
    settled = outbox.acknowledge(word(2, ((4, 5),), (2, 8)))
    assert [(one.seq, one.rejected) for one in settled] == [
        (1, False),
        (2, True),
        (4, False),
        (5, False),
        (8, True),
    ]
    assert numbers(outbox) == [3, 6, 7, 9]


def test_a_word_about_something_else_settles_nothing() -> None:
    outbox = filled(2)
    assert outbox.acknowledge(word(2, boot="other")) == []
    assert outbox.acknowledge(Acknowledgement("b", "evt", 2, (), frozenset())) == []
    assert len(outbox) == 2


def test_overdue_is_what_was_never_or_long_ago_sent() -> None:
    outbox = filled(2)
    never = outbox.put(b"", 1)
    outbox.sent(outbox.overdue(5.0, 5.0)[0], 5.0)
    assert [one.seq for one in outbox.overdue(6.0, 5.0)] == [2, never.seq]


def test_latency_counts_from_the_first_sending() -> None:
    outbox = filled(1)
    (kept,) = outbox.overdue(9.0, 1.0)
    outbox.sent(kept, 9.0)
    assert (kept.first_sent, kept.last_sent) == (0.0, 9.0)
