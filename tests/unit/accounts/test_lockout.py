"""Pauses after failures, and how many guesses they leave."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.accounts.lockout import ADDRESS, NAME, Failures, Limit, counted, paused_until

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_the_first_failures_cost_nothing() -> None:
    assert paused_until(None, NAME, NOON) is None
    assert paused_until(Failures(4, NOON), NAME, NOON) is None


def test_pauses_grow_to_their_longest() -> None:
    spans = []
    for count in range(5, 13):
        until = paused_until(Failures(count, NOON), NAME, NOON)
        assert until is not None
        spans.append((until - NOON).total_seconds())
    assert spans == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_pause_ends_and_failures_are_forgotten() -> None:
    assert paused_until(Failures(5, NOON), NAME, NOON + timedelta(seconds=30)) is None
    day = NOON + timedelta(hours=24, seconds=1)
    assert counted(Failures(9, NOON), NAME, day) == Failures(1, day)
    assert counted(Failures(9, NOON), NAME, NOON) == Failures(10, NOON)


def test_a_day_of_guessing_one_name_is_a_hundred_guesses() -> None:
    now, failures, guesses = NOON, None, 0
    while now < NOON + timedelta(days=1):
        until = paused_until(failures, NAME, now)
        if until is not None:
            now = until
            continue
        failures = counted(failures, NAME, now)
        guesses += 1
    assert guesses <= 105


@given(
    st.integers(0, 10_000),
    st.integers(0, 200_000),
    st.sampled_from([NAME, ADDRESS]),
)
def test_no_pause_is_longer_than_the_longest(count: int, later: int, limit: Limit) -> None:
    now = NOON + timedelta(seconds=later)
    until = paused_until(Failures(count, NOON), limit, now)
    assert until is None or now < until <= NOON + limit.longest
