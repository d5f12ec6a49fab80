"""Transcripts of deliveries whose Subscription is edited, ends or is sent again while something is on its way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from subscriptions.core.delivery import (
    Cursor,
    Handed,
    Missed,
    Numbered,
    Replayed,
    Rewound,
    Written,
    step,
)
from subscriptions.core.timing import EDIT_GRACE, LEASE
from tests.unit.subscriptions.core.delivery_story import START, active, new


def test_off_while_something_is_on_its_way_keeps_what_arrived() -> None:
    story = active()
    story.tell(Numbered(2))
    send = story.sends()
    story.tell(Written("off"))
    story.taken(send, through=2)
    assert story.cursor.delivered_through == 2
    assert story.look() is None


def test_an_edit_while_a_handshake_is_on_its_way_is_shaken_anew() -> None:
    story = new()
    send = story.sends()
    revision = story.cursor.revision
    story.tell(Written("requested"))
    assert story.look() is None
    story.tell(Handed(send.epoch, "handshake", revision, 0))
    assert story.status == "requested"
    assert story.sends().errand == "handshake"


def test_an_edit_waits_a_second_for_what_hangs_and_no_longer() -> None:
    story = active()
    story.tell(Numbered(1))
    hanging = story.sends()
    story.tell(Written("requested"))
    story.now += EDIT_GRACE
    assert story.look() is None
    story.now += timedelta(milliseconds=1)
    shaking = story.sends()
    assert (shaking.errand, shaking.takes_over) == ("handshake", True)
    story.taken(hanging)
    assert story.cursor.delivered_through == 0
    story.taken(shaking)
    assert story.sends().after == 0


def test_what_is_answered_soon_after_an_edit_still_counts() -> None:
    story = active()
    story.tell(Numbered(1))
    send = story.sends()
    story.tell(Written("requested"))
    story.taken(send)
    assert story.cursor.delivered_through == 1
    assert story.sends().errand == "handshake"


@pytest.mark.parametrize("kind", ["managed", "by_socket"])
def test_an_edit_takes_nothing_from_a_telephone_or_a_socket(kind: str) -> None:
    lease = START + LEASE
    plain = Cursor("active", "https://t.example.org", lease_until=lease)
    cursor = replace(plain, managed=kind == "managed", by_socket=kind == "by_socket")
    assert step(cursor, Written("active"), START)[0].lease_until == lease


def test_a_failure_of_what_it_was_before_an_edit_does_not_count() -> None:
    story = active()
    story.tell(Numbered(1))
    send = story.sends()
    revision = story.cursor.revision
    story.tell(Written("active"))
    story.tell(Missed(send.epoch, send.errand, revision, 1, 1, "gone", 0.5, verdict="never-here"))
    assert story.status == "active"
    assert story.sends().after == 0


def test_its_end_switches_it_off() -> None:
    story = active(ends=START + timedelta(hours=1))
    story.after(minutes=59)
    assert story.look() is None
    story.after(minutes=1)
    assert story.look() is None
    assert story.status == "off"


def test_an_administrator_has_everything_from_a_number_on_sent_again() -> None:
    story = active()
    story.tell(Numbered(5))
    story.taken(story.sends())
    story.tell(Numbered(1))
    on_its_way = story.sends()
    story.tell(Rewound(3))
    story.taken(on_its_way)
    assert story.cursor.delivered_through == 2
    assert story.sends().after == 2


def test_an_administrator_has_dead_letters_sent_again() -> None:
    story = active()
    story.tell(Numbered(2))
    story.taken(story.sends())
    story.tell(Replayed())
    send = story.sends()
    assert send.errand == "replay"
    story.tell(Handed(send.epoch, "replay", story.cursor.revision, 1, more=True))
    send = story.sends()
    story.tell(Handed(send.epoch, "replay", story.cursor.revision, 2))
    assert story.look() is None
    assert story.cursor.delivered_through == 2


def test_a_replay_is_not_sent_to_one_in_error() -> None:
    story = active()
    story.tell(Written("error"))
    story.tell(Replayed())
    assert story.look() is None
