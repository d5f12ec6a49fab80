"""One websocket as a transcript: what it is told, what it wants, what it sends, when it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.websocket_binding import (
    BAD_TOKEN,
    EXPIRED,
    NOT_BOUND,
    NOT_UNDERSTOOD,
    TEXT_ONLY,
    TOO_BIG,
    TOO_OFTEN,
    TOO_SLOW,
    Bind,
    Close,
    Conversation,
    Frame,
    Key,
    Limits,
    Want,
    token_of,
)

T0 = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN = "abcdefghijklmnopqrstuvwxyz012345"
A: Key = (1, "a")
B: Key = (1, "b")


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def bound(
    conversation: Conversation,
    key: Key = A,
    *,
    delivered: int = 0,
    numbered: int = 0,
    heartbeat: float | None = None,
    expires: datetime = T0 + HOUR,
) -> None:
    conversation.bind(
        key,
        delivered=delivered,
        numbered=numbered,
        expires=expires,
        heartbeat=None if heartbeat is None else timedelta(seconds=heartbeat),
        now=T0,
    )


def make(conversation: Conversation, want: Want, most: int = 50) -> None:
    """Answer a want with a frame of at most `most` events."""
    through = min(want.after + most, want.through) if want.kind == "event-notification" else None
    text = f"{want.key[1]} {want.kind} {want.after}-{through}"
    conversation.queue(Frame(want.key, want.kind, through, text))


def sent(conversation: Conversation, now: datetime = T0) -> list[str]:
    texts: list[str] = []
    while (frame := conversation.next(now)) is not None:
        texts.append(frame.text)
    return texts


def served(conversation: Conversation, now: datetime = T0) -> list[str]:
    """Make and send everything that is wanted now."""
    texts: list[str] = []
    while wants := conversation.wants(now):
        for want in wants:
            make(conversation, want)
        texts += sent(conversation, now)
        conversation.confirmed(conversation.mark)
    return texts


@pytest.mark.parametrize(
    "text",
    [
        f"bind-with-token {TOKEN}",
        f"bind-with-token: {TOKEN}",
        f"bind-with-token:{TOKEN}",
        f"bind-with-token : {TOKEN}\n",
        f"bind-with-token\t{TOKEN}  ",
    ],
)
def test_both_forms_of_the_guide_bind(text: str) -> None:
    assert token_of(text) == TOKEN
    assert Conversation(T0).received(text, T0) == Bind(TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bind-with-token",
        f"bind-with-token{TOKEN}",
        f"bind {TOKEN}",
        f"bind-with-token: {TOKEN} more",
        "bind-with-token: short",
        f"Bind-With-Token: {TOKEN}",
        f"bind-with-token:: {TOKEN}",
        f"bind-with-token: {'x' * 129}",
    ],
)
def test_anything_else_is_not_understood(text: str) -> None:
    assert token_of(text) is None
    assert Conversation(T0).received(text, T0) == NOT_UNDERSTOOD


def test_messages_are_text_and_short() -> None:
    assert Conversation(T0).received(None, T0) == TEXT_ONLY
    assert Conversation(T0).received("x" * 513, T0) == TOO_BIG


def test_messages_come_at_a_bounded_rate() -> None:
    conversation = Conversation(T0, Limits(burst=3, a_second=2.0))
    frame = f"bind-with-token {TOKEN}"
    assert [conversation.received(frame, T0) for _ in range(3)] == [Bind(TOKEN)] * 3
    assert conversation.received(frame, after(0.1)) == TOO_OFTEN
    later = Conversation(T0, Limits(burst=3, a_second=2.0))
    for _ in range(3):
        later.received(frame, T0)
    assert later.received(frame, after(0.5)) == Bind(TOKEN)


def test_a_handshake_comes_first_then_what_was_missed_then_what_happens() -> None:
    conversation = Conversation(T0)
    bound(conversation, delivered=3, numbered=5)
    assert conversation.wants(T0) == [Want(A, "handshake", 3, 5)]
    make(conversation, Want(A, "handshake", 3, 5))
    assert sent(conversation) == ["a handshake 3-None"]
    assert served(conversation) == ["a event-notification 3-5"]
    assert conversation.wants(T0) == []
    conversation.numbered(A, 6)
    assert served(conversation) == ["a event-notification 5-6"]


def test_nothing_is_wanted_twice_while_it_is_made() -> None:
    conversation = Conversation(T0)
    bound(conversation)
    (want,) = conversation.wants(T0)
    assert conversation.wants(T0) == []
    assert not conversation.is_waiting(T0)
    conversation.not_made(want.key)
    assert conversation.is_waiting(T0)
    assert conversation.wants(T0) == [want]


def test_a_number_counts_once_the_client_has_confirmed_it() -> None:
    conversation = Conversation(T0)
    bound(conversation, numbered=2)
    for _ in range(2):
        (want,) = conversation.wants(T0)
        make(conversation, want)
        sent(conversation)
    mark = conversation.mark
    assert conversation.progress() == {}
    conversation.confirmed(mark - 1)
    assert conversation.progress() == {}
    conversation.confirmed(mark)
    assert conversation.progress() == {A: 2}
    assert conversation.progress() == {}


def test_a_late_confirmation_of_less_changes_nothing() -> None:
    conversation = Conversation(T0)
    bound(conversation, numbered=2)
    served(conversation)
    conversation.progress()
    conversation.confirmed(1)
    assert conversation.progress() == {}


def test_several_subscriptions_are_greeted_and_served_each() -> None:
    conversation = Conversation(T0)
    bound(conversation, A, numbered=1)
    bound(conversation, B, delivered=7, numbered=9)
    assert served(conversation) == [
        "a handshake 0-None",
        "b handshake 7-None",
        "a event-notification 0-1",
        "b event-notification 7-9",
    ]
    assert conversation.progress() == {A: 1, B: 9}
    assert conversation.bound == {A, B}


def test_bound_again_it_is_greeted_anew_and_nothing_is_repeated() -> None:
    conversation = Conversation(T0)
    bound(conversation, numbered=4, expires=after(10))
    served(conversation)
    conversation.bind_again(A, T0 + HOUR)
    assert served(conversation) == ["a handshake 4-None"]
    assert conversation.overdue(after(11)) is None


def test_the_line_of_a_client_that_does_not_read_is_bounded_in_frames() -> None:
    conversation = Conversation(T0, Limits(frames=3))
    bound(conversation, numbered=1000)
    made = 0
    while wants := conversation.wants(T0):
        for want in wants:
            make(conversation, want, most=1)
            made += 1
        sent(conversation)
    assert made == 3
    assert not conversation.is_waiting(T0)
    conversation.confirmed(1)
    assert len(conversation.wants(T0)) == 1


def test_the_line_is_bounded_in_size() -> None:
    conversation = Conversation(T0, Limits(size=100))
    bound(conversation, numbered=1000)
    (want,) = conversation.wants(T0)
    conversation.queue(Frame(want.key, want.kind, None, "x" * 100))
    assert conversation.wants(T0) == []
    conversation.next(T0)
    assert conversation.wants(T0) == []
    conversation.confirmed(conversation.mark)
    assert len(conversation.wants(T0)) == 1


def test_many_subscriptions_share_the_room_of_a_socket() -> None:
    conversation = Conversation(T0, Limits(frames=5))
    for number in range(20):
        bound(conversation, (1, f"s{number}"))
    assert len(conversation.wants(T0)) == 5
    assert conversation.wants(T0) == []


def test_a_client_that_stands_still_is_let_go_and_one_that_goes_on_is_not() -> None:
    conversation = Conversation(T0)
    bound(conversation, numbered=2)
    (want,) = conversation.wants(T0)
    make(conversation, want)
    assert conversation.overdue(after(100)) is None, "nothing was sent yet"
    conversation.next(T0)
    assert conversation.overdue(after(29)) is None
    assert conversation.overdue(after(30)) == TOO_SLOW
    conversation.confirmed(conversation.mark)
    assert conversation.overdue(after(30)) is None


def test_a_socket_on_which_nothing_is_bound_ends() -> None:
    conversation = Conversation(T0)
    assert conversation.overdue(after(9)) is None
    assert conversation.overdue(after(10)) == NOT_BOUND


def test_the_socket_ends_with_its_token() -> None:
    conversation = Conversation(T0)
    bound(conversation, A, expires=T0 + HOUR)
    bound(conversation, B, expires=after(60))
    assert conversation.overdue(after(59)) is None
    assert conversation.overdue(after(60)) == EXPIRED


def test_a_heartbeat_comes_after_silence_only() -> None:
    conversation = Conversation(T0)
    bound(conversation, heartbeat=20)
    served(conversation)
    assert not conversation.is_waiting(after(19))
    conversation.numbered(A, 1)
    assert served(conversation, after(19)) == ["a event-notification 0-1"]
    assert served(conversation, after(38)) == []
    assert served(conversation, after(39)) == ["a heartbeat 1-None"]
    conversation.beats(A, None)
    assert served(conversation, after(500)) == []


def test_a_server_that_is_not_well_sends_no_heartbeat_but_everything_else() -> None:
    conversation = Conversation(T0)
    bound(conversation, heartbeat=20)
    served(conversation)
    assert not conversation.is_waiting(after(60), beats=False)
    assert conversation.wants(after(60), beats=False) == []
    conversation.numbered(A, 1)
    (event,) = conversation.wants(after(61), beats=False)
    assert event.kind == "event-notification"
    conversation.not_made(A)
    assert served(conversation, after(62)) == ["a event-notification 0-1"]
    assert served(conversation, after(82)) == ["a heartbeat 1-None"]


def test_a_heartbeat_moves_no_number() -> None:
    conversation = Conversation(T0)
    bound(conversation, delivered=4, numbered=4, heartbeat=20)
    served(conversation)
    served(conversation, after(20))
    assert conversation.progress() == {}


def test_events_that_are_no_longer_kept_are_passed_over() -> None:
    conversation = Conversation(T0)
    bound(conversation, numbered=10)
    (want,) = conversation.wants(T0)
    make(conversation, want)
    served_handshake = sent(conversation)
    (want,) = conversation.wants(T0)
    conversation.nothing_left(want.key, 10)
    assert served_handshake == ["a handshake 0-None"]
    assert conversation.wants(T0) == []
    conversation.confirmed(conversation.mark)
    conversation.numbered(A, 11)
    assert served(conversation) == ["a event-notification 10-11"]
    assert conversation.progress() == {A: 11}


def test_a_socket_takes_a_bounded_number_of_subscriptions() -> None:
    conversation = Conversation(T0, Limits(bindings=2))
    assert conversation.room(2)
    bound(conversation, A)
    assert conversation.room(1)
    assert not conversation.room(2)


def test_reasons_fit_into_a_close_frame() -> None:
    from subscriptions.core import websocket_binding

    closes = [one for one in vars(websocket_binding).values() if isinstance(one, Close)]
    assert BAD_TOKEN in closes
    for close in closes:
        assert len(close.reason.encode()) <= 123
        assert 1000 <= close.code < 5000


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("numbered"), st.integers(1, 5)),
            st.tuples(st.just("make"), st.integers(1, 4)),
            st.tuples(st.just("fail"), st.just(0)),
            st.tuples(st.just("send"), st.integers(1, 3)),
            st.tuples(st.just("confirm"), st.integers(0, 40)),
        ),
        max_size=60,
    )
)
def test_whatever_happens_numbers_come_once_in_order_and_progress_is_what_was_confirmed(
    steps: list[tuple[str, int]],
) -> None:
    conversation = Conversation(T0, Limits(frames=4))
    bound(conversation, delivered=2, numbered=2)
    newest, seen, confirmed_through, recorded = 2, 2, 2, 2
    sent_frames: list[Frame] = []
    for step, amount in steps:
        if step == "numbered":
            newest += amount
            conversation.numbered(A, newest)
        elif step in ("make", "fail"):
            for want in conversation.wants(T0):
                if step == "fail":
                    conversation.not_made(want.key)
                else:
                    make(conversation, want, most=amount)
        elif step == "send":
            for _ in range(amount):
                frame = conversation.next(T0)
                if frame is not None:
                    sent_frames.append(frame)
                    if frame.through is not None:
                        assert frame.through > seen
                        seen = frame.through
        else:
            mark = min(amount, conversation.mark)
            conversation.confirmed(mark)
            through = [f.through for f in sent_frames[:mark] if f.through is not None]
            confirmed_through = max([confirmed_through, *through])
        for number in conversation.progress().values():
            assert number > recorded
            recorded = number
        assert recorded == confirmed_through
        assert recorded <= seen <= newest
