"""The age of a sample: the device's wall clock has no say in it."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.clock import believed, timing

RECEIVED = datetime(2026, 8, 1, 9, 0, 0, tzinfo=UTC)
RECEIVED_MS = 1_000_000


def test_the_smallest_offset_seen_is_the_undelayed_one() -> None:
    first = timing(RECEIVED, RECEIVED_MS, 500_000, None, None)
    assert (first.offset_ms, first.delay) == (500_000, timedelta(0))
    later = timing(RECEIVED, RECEIVED_MS, 497_000, first.offset_ms, None)
    assert (later.offset_ms, later.delay) == (500_000, timedelta(seconds=3))
    quicker = timing(RECEIVED, RECEIVED_MS, 501_000, first.offset_ms, None)
    assert (quicker.offset_ms, quicker.delay) == (499_000, timedelta(0))


@pytest.mark.parametrize(
    ("wall", "sent", "faulty"),
    [
        (RECEIVED, RECEIVED, False),
        (RECEIVED - timedelta(seconds=59), RECEIVED - timedelta(seconds=59), False),
        (RECEIVED + timedelta(seconds=90), RECEIVED, True),
        (RECEIVED - timedelta(hours=1), RECEIVED, True),
        (datetime(1970, 1, 1, tzinfo=UTC), RECEIVED, True),
        (None, RECEIVED, False),
    ],
)
def test_a_wall_clock_far_off_is_a_fault_and_is_not_believed(
    wall: datetime | None, sent: datetime, faulty: bool
) -> None:
    found = timing(RECEIVED, RECEIVED_MS, None, None, wall)
    assert (found.sent, found.is_faulty) == (sent, faulty)


def test_a_buffered_message_with_a_right_clock_is_late_but_not_faulty() -> None:
    found = timing(RECEIVED, RECEIVED_MS, 400_000, 500_000, RECEIVED - timedelta(seconds=100))
    assert found.delay == timedelta(seconds=100)
    assert not found.is_faulty
    assert found.sent == RECEIVED - timedelta(seconds=100)


def test_a_clock_in_step_with_the_world_says_how_old_things_are() -> None:
    late = believed(RECEIVED, RECEIVED - timedelta(hours=1))
    assert (late.delay, late.sent, late.skew) == (
        timedelta(hours=1),
        RECEIVED - timedelta(hours=1),
        None,
    )
    ahead = believed(RECEIVED, RECEIVED + timedelta(seconds=5))
    assert (ahead.delay, ahead.skew, ahead.is_faulty) == (timedelta(0), timedelta(seconds=5), False)
    assert believed(RECEIVED, RECEIVED - timedelta(seconds=5)).skew == timedelta(seconds=-5)


def test_nobody_is_believed_about_the_future() -> None:
    wrong = believed(RECEIVED, RECEIVED + timedelta(minutes=5))
    assert (wrong.is_faulty, wrong.sent, wrong.delay) == (True, RECEIVED, timedelta(0))
