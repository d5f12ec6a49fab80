"""Store-and-forward keeps what the server has not acknowledged, and forgets what it has."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.devices.messages import Kind, Message
from simulator.transports.buffer import (
    Acknowledgement,
    AcknowledgementError,
    StoreAndForward,
    read_acknowledgement,
)


def message(seq: int, kind: Kind = "tel") -> Message:
    return Message(kind, seq, f"{kind}-{seq}".encode())


def numbers(messages: list[Message]) -> list[tuple[str, int | None]]:
    return [(m.channel, m.seq) for m in messages]


def test_nothing_is_forgotten_by_being_sent() -> None:
    buffer = StoreAndForward("b")
    buffer.put(message(1))
    assert numbers(buffer.take(0.0)) == [("tel", 1)]
    assert buffer.take(9.9) == []
    assert len(buffer) == 1
    assert numbers(buffer.take(10.0)) == [("tel", 1)]
    assert buffer.resent == 1


def test_events_go_before_telemetry() -> None:
    buffer = StoreAndForward("b")
    for seq in (1, 2):
        buffer.put(message(seq))
    buffer.put(message(1, "evt"))
    assert numbers(buffer.take(0.0)) == [("evt", 1), ("tel", 1), ("tel", 2)]


def test_a_reconnection_sends_everything_unacknowledged_again_in_order() -> None:
    buffer = StoreAndForward("b")
    for seq in (1, 2, 3):
        buffer.put(message(seq))
    buffer.take(0.0)
    buffer.put(message(4))
    buffer.acknowledge(Acknowledgement("b", "tel", 1))
    buffer.reconnected()
    assert numbers(buffer.take(0.1)) == [("tel", 2), ("tel", 3), ("tel", 4)]


def test_the_window_bounds_what_is_in_the_air() -> None:
    buffer = StoreAndForward("b", window=2)
    for seq in range(1, 6):
        buffer.put(message(seq))
    assert numbers(buffer.take(0.0)) == [("tel", 1), ("tel", 2)]
    assert buffer.take(0.0) == []
    buffer.acknowledge(Acknowledgement("b", "tel", 2))
    assert numbers(buffer.take(0.0)) == [("tel", 3), ("tel", 4)]


def test_overflow_loses_the_oldest_telemetry_and_counts_it_but_no_event() -> None:
    buffer = StoreAndForward("b", capacity=3)
    buffer.put(message(1, "evt"))
    for seq in range(1, 5):
        buffer.put(message(seq))
    assert len(buffer) == 3
    assert buffer.overflowed == {"tel": 2, "evt": 0}
    assert numbers(buffer.take(0.0)) == [("evt", 1), ("tel", 3), ("tel", 4)]


def test_another_boot_or_kind_is_not_acknowledged() -> None:
    buffer = StoreAndForward("b")
    buffer.put(message(1))
    assert buffer.acknowledge(Acknowledgement("old", "tel", 1)) == 0
    assert buffer.acknowledge(Acknowledgement("b", "evt", 1)) == 0
    assert len(buffer) == 1


def test_a_rejected_message_is_not_sent_again_and_is_counted() -> None:
    buffer = StoreAndForward("b")
    for seq in (1, 2, 3):
        buffer.put(message(seq))
    buffer.take(0.0)
    assert buffer.acknowledge(Acknowledgement("b", "tel", 1, ((3, 3),), (2,))) == 3
    assert len(buffer) == 0
    assert buffer.rejected == {"tel": 1, "evt": 0}
    assert buffer.acknowledged == {"tel": 2, "evt": 0}


def test_only_numbered_messages_are_kept() -> None:
    with pytest.raises(ValueError, match="numbered"):
        StoreAndForward("b").put(Message("birth", None, b"{}"))


def test_an_acknowledgement_is_read() -> None:
    word = read_acknowledgement(
        json.dumps(
            {"boot": "b7c1", "kind": "tel", "through": 9, "also": [[11, 12]], "rejected": [10]}
        ).encode()
    )
    assert word == Acknowledgement("b7c1", "tel", 9, ((11, 12),), (10,))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"boot":"b","kind":"raw","through":1}',
        b'{"boot":1,"kind":"tel","through":1}',
        b'{"boot":"b","kind":"tel","through":-1}',
        b'{"boot":"b","kind":"tel","through":true}',
        b'{"boot":"b","kind":"tel","through":1,"also":[[1]]}',
        b'{"boot":"b","kind":"tel","through":1,"also":3}',
        b'{"boot":"b","kind":"tel","through":1,"rejected":["1"]}',
    ],
)
def test_anything_else_is_no_acknowledgement(payload: bytes) -> None:
    with pytest.raises(AcknowledgementError):
        read_acknowledgement(payload)


@given(
    st.lists(
        st.one_of(
            st.just("put"),
            st.just("take"),
            st.just("reconnect"),
            st.tuples(
                st.integers(0, 30), st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)))
            ),
        ),
        max_size=60,
    )
)
def test_the_server_holds_every_message_once_the_air_clears(
    steps: list[str | tuple[int, list[tuple[int, int]]]],
) -> None:
    """Whatever is lost on the way: kept + acknowledged = put, and all kept can be sent again."""
    buffer = StoreAndForward("b", window=5)
    put: list[int] = []
    covered: set[int] = set()
    now = 0.0
    for step in steps:
        now += 1.0
        if step == "put":
            put.append(len(put) + 1)
            buffer.put(message(put[-1]))
        elif step == "take":
            sent = [m.seq for m in buffer.take(now)]
            assert sent == sorted(s for s in sent if s is not None)
            assert not covered & {s for s in sent if s is not None}
        elif step == "reconnect":
            buffer.reconnected()
        else:
            assert not isinstance(step, str)
            through, also = step
            word = Acknowledgement("b", "tel", through, tuple(also))
            covered |= {
                s for s in put if s <= through or any(first <= s <= last for first, last in also)
            }
            buffer.acknowledge(word)
        assert len(buffer) == len(put) - len(covered)
    remaining: list[int | None] = []
    buffer.reconnected()
    while batch := buffer.take(now):
        remaining += [m.seq for m in batch]
        for m in batch:
            assert m.seq is not None
            buffer.acknowledge(Acknowledgement("b", "tel", 0, ((m.seq, m.seq),)))
    assert remaining == sorted(set(put) - covered)


def test_a_server_that_is_behind_is_asked_less_and_less_often() -> None:
    buffer = StoreAndForward("b", resend_after_s=10.0)
    buffer.put(message(1))
    sent_at = [second for second in range(400) if buffer.take(float(second))]
    assert sent_at == [0, 10, 30, 70, 130, 190, 250, 310, 370]


def test_progress_and_a_new_connection_restore_the_first_patience() -> None:
    buffer = StoreAndForward("b", resend_after_s=10.0)
    for seq in (1, 2):
        buffer.put(message(seq))
    for second in (0.0, 10.0, 30.0):
        assert len(buffer.take(second)) == 2
    buffer.acknowledge(Acknowledgement("b", "tel", 1))
    assert numbers(buffer.take(40.0)) == [("tel", 2)]
    assert buffer.take(55.0) == []
    buffer.reconnected()
    assert numbers(buffer.take(56.0)) == [("tel", 2)]
    assert numbers(buffer.take(66.0)) == [("tel", 2)]
