"""Transcripts of deliveries: what happens to a Subscription, and what is done about it, in order."""

from datetime import timedelta

import pytest

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from subscriptions.core.delivery import (
    CallOperator,
    Declare,
    Handed,
    Lapsed,
    Looked,
    Missed,
    Nothing,
    Numbered,
    Send,
    SetAside,
    Status,
    Written,
)
from subscriptions.core.timing import BEATS_AGAIN, GIVE_UP_AFTER, LEASE
from tests.unit.subscriptions.core.delivery_story import Story, active, new


def test_a_handshake_makes_it_active() -> None:
    story = new()
    send = story.sends()
    assert send.errand == "handshake"
    story.taken(send)
    assert story.status == "active"
    assert story.look() is None


def test_a_handshake_that_fails_is_an_error_whatever_the_reason() -> None:
    for verdict in ("try-again", "never-this", "never-here"):
        story = new()
        story.fails(story.sends(), verdict=verdict)
        assert story.status == "error"
        assert story.look() is None


def test_a_channel_without_handshake_is_active_at_once() -> None:
    story = new(shakes=False)
    assert story.look() is None
    assert story.status == "active"


def test_what_is_owed_is_sent_in_order_and_once() -> None:
    story = active()
    story.tell(Numbered(3))
    first = story.sends()
    assert (first.errand, first.after) == ("event-notification", 0)
    story.taken(first, through=2)
    second = story.sends()
    assert second.after == 2
    story.taken(second, through=3)
    assert story.look() is None


def test_nobody_else_sends_while_it_is_leased() -> None:
    story = active()
    story.tell(Numbered(1))
    story.sends()
    story.after(seconds=4)
    assert story.look() is None


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_changes_nothing_any_more() -> None:
    story = active()
    story.tell(Numbered(1))
    old = story.sends()
    story.now += LEASE + timedelta(milliseconds=1)
    second = story.sends()
    assert second.takes_over
    assert second.epoch == old.epoch + 1
    story.taken(old)
    assert story.cursor.delivered_through == 0
    story.fails(old)
    assert story.cursor.failing_since is None
    story.taken(second)
    assert story.cursor.delivered_through == 1


def test_a_failure_is_tried_again_with_growing_pauses() -> None:
    story = active()
    story.tell(Numbered(1))
    pauses = []
    for _ in range(12):
        story.fails(story.sends())
        assert story.cursor.due_at is not None
        pauses.append((story.cursor.due_at - story.now).total_seconds())
        story.now = story.cursor.due_at
    assert pauses[:4] == [0.375, 0.75, 1.5, 3.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 45.0


def test_new_events_do_not_shorten_the_pause_of_a_failing_endpoint() -> None:
    story = active()
    story.tell(Numbered(1))
    for _ in range(5):
        story.fails(story.sends())
        assert story.cursor.due_at is not None
        story.now = story.cursor.due_at
    story.fails(story.sends())
    story.tell(Numbered(1))
    assert story.look() is None


def test_a_receiver_may_ask_for_a_longer_pause() -> None:
    story = active()
    story.tell(Numbered(1))
    send = story.sends()
    asked = timedelta(seconds=20)
    story.tell(
        Missed(send.epoch, send.errand, story.cursor.revision, 1, 1, "busy", 0.0, wait=asked)
    )
    assert story.cursor.due_at == story.now + asked


def fail_for_ten_minutes(story: Story) -> None:
    began = None
    while story.status == "active":
        send = story.look()
        if send is None:
            assert story.cursor.due_at is not None
            story.now = story.cursor.due_at
            continue
        story.fails(send)
        began = began or story.now
    assert began is not None
    assert GIVE_UP_AFTER <= story.now - began <= GIVE_UP_AFTER + timedelta(minutes=1)


def test_ten_minutes_of_failures_are_an_error_and_only_its_owner_brings_it_back() -> None:
    story = active(heartbeat=timedelta(seconds=60))
    story.tell(Numbered(2))
    fail_for_ten_minutes(story)
    assert isinstance(story.said[-1], Declare)
    story.tell(Numbered(5))
    story.after(hours=1)
    assert story.look() is None
    assert story.cursor.last_number == 7
    story.tell(Written("requested"))
    shake = story.sends()
    assert shake.errand == "handshake"
    story.taken(shake, through=0)
    assert story.sends().after == 0


def test_an_alarm_that_reaches_nobody_calls_the_operator() -> None:
    story = active(topic=TOPIC_DEVICE_ALERT)
    story.tell(Numbered(1))
    fail_for_ten_minutes(story)
    assert CallOperator() in story.said
    other = active()
    other.tell(Numbered(1))
    fail_for_ten_minutes(other)
    assert CallOperator() not in other.said


def test_an_endpoint_that_is_gone_for_good_is_an_error_at_once() -> None:
    story = active()
    story.tell(Numbered(1))
    story.fails(story.sends(), verdict="never-here")
    assert story.status == "error"
    assert story.cursor.delivered_through == 0


def test_content_never_taken_is_narrowed_down_and_set_aside() -> None:
    story = active()
    story.tell(Numbered(8))
    poison = 6
    sent: list[tuple[int, int]] = []
    while (send := story.look()) is not None:
        first = send.after + 1
        last = min(first + (send.limit or 100) - 1, 8)
        sent.append((first, last))
        if first <= poison <= last:
            story.fails(send, verdict="never-this", first=first, carried=last - first + 1)
        else:
            story.taken(send, through=last)
    assert [one for one in story.said if isinstance(one, SetAside)] == [
        SetAside(6, 6, "answered 500")
    ]
    assert sent == [(1, 8), (1, 4), (5, 8), (5, 6), (5, 5), (6, 8), (6, 6), (7, 8)]
    assert story.status == "active"


def test_heartbeats_fill_the_silence_only() -> None:
    story = active(heartbeat=timedelta(seconds=30))
    story.after(seconds=29)
    assert story.look() is None
    story.after(seconds=1)
    beat = story.sends()
    assert beat.errand == "heartbeat"
    story.taken(beat, through=0)
    story.after(seconds=20)
    story.tell(Numbered(1))
    story.taken(story.sends())
    story.after(seconds=29)
    assert story.look() is None


def test_a_server_that_is_not_well_holds_heartbeats_back_and_nothing_else() -> None:
    story = active(heartbeat=timedelta(seconds=30))
    story.now += timedelta(seconds=30)
    assert story.tell(Looked(beats=False)) == ()
    assert story.cursor.due_at == story.now + BEATS_AGAIN
    assert story.cursor.lease_until is None
    story.tell(Numbered(1))
    (send,) = story.tell(Looked(beats=False))
    assert isinstance(send, Send)
    assert send.errand == "event-notification"
    story.taken(send)
    story.now += timedelta(seconds=31)
    assert story.tell(Looked(beats=False)) == ()
    story.now += BEATS_AGAIN
    assert story.sends().errand == "heartbeat"


def test_a_heartbeat_that_is_due_before_anything_was_sent_is_sent() -> None:
    story = new(shakes=False, heartbeat=timedelta(seconds=30))
    story.look()
    assert story.look() is None
    story.after(seconds=30)
    assert story.sends().errand == "heartbeat"


@pytest.mark.parametrize("status", ["off", "error"])
def test_what_is_off_or_in_error_is_sent_nothing(status: Status) -> None:
    story = active(heartbeat=timedelta(seconds=10))
    story.tell(Numbered(1))
    story.tell(Written(status))
    story.after(days=1)
    assert story.look() is None


def test_what_is_not_kept_any_more_is_passed_over_and_said() -> None:
    story = active()
    story.tell(Numbered(5))
    send = story.sends()
    story.tell(Lapsed(send.epoch, 3))
    assert story.said[-1] == SetAside(1, 3, "not kept any longer")
    story.taken(send, through=5)
    assert story.look() is None


# Telephones


def test_a_number_is_asked_once_and_waits_for_its_owner() -> None:
    story = new(managed=True)
    send = story.sends()
    assert send.errand == "handshake"
    story.tell(Handed(send.epoch, "handshake", story.cursor.revision, 0))
    assert story.status == "requested"
    story.after(days=1)
    assert story.look() is None
    story.tell(Written("active"))
    story.tell(Numbered(1))
    assert story.sends().errand == "event-notification"


def test_an_outage_of_the_telephone_company_never_ends_it_and_is_tried_every_few_seconds() -> None:
    story = new(managed=True)
    send = story.sends()
    story.tell(Handed(send.epoch, "handshake", story.cursor.revision, 0))
    story.tell(Written("active"))
    story.tell(Numbered(1))
    began = story.now
    while story.now < began + timedelta(hours=1):
        story.fails(story.sends())
        assert story.cursor.due_at is not None
        assert story.cursor.due_at - story.now <= timedelta(seconds=5)
        story.now = story.cursor.due_at
    assert story.status == "active"


def test_nothing_to_say_to_a_person_waits_for_the_next_page() -> None:
    story = new(managed=True)
    story.tell(Nothing(story.sends().epoch))
    assert story.look() is None


def test_a_socket_is_never_due() -> None:
    story = new(by_socket=True)
    story.tell(Written("active"))
    story.tell(Numbered(4))
    assert story.cursor.due_at is None
    assert story.cursor.owed == 4
