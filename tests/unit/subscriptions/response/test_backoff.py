"""When to try again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.backoff import (
    FIRST_DELAY,
    LONGEST_DELAY,
    LONGEST_DELAY_TO_A_PERSON,
    gives_up,
    next_delay,
)
from subscriptions.core.timing import GIVE_UP_AFTER

DRAWS = st.floats(0, 1, exclude_max=True)
NOW = datetime(2026, 8, 1, tzinfo=UTC)


@given(st.integers(0, 10_000), DRAWS)
def test_a_delay_is_bounded_and_never_nothing(failures: int, draw: float) -> None:
    delay = next_delay(failures, draw)
    assert FIRST_DELAY / 2 <= delay <= LONGEST_DELAY
    assert next_delay(failures, draw, LONGEST_DELAY_TO_A_PERSON) <= LONGEST_DELAY_TO_A_PERSON


@given(st.integers(1, 100), DRAWS)
def test_more_failures_never_mean_a_shorter_delay(failures: int, draw: float) -> None:
    assert next_delay(failures + 1, draw) >= next_delay(failures, draw)


@given(st.integers(1, 100))
def test_draws_spread_over_half_of_the_delay(failures: int) -> None:
    assert next_delay(failures, 0.999999) >= next_delay(failures, 0.0) * 1.99


def test_it_gives_up_after_ten_minutes() -> None:
    assert not gives_up(NOW, NOW + GIVE_UP_AFTER - timedelta(milliseconds=1))
    assert gives_up(NOW, NOW + GIVE_UP_AFTER)


def test_many_tries_fit_before_giving_up() -> None:
    waited, failures = timedelta(0), 0
    while waited < GIVE_UP_AFTER:
        failures += 1
        waited += next_delay(failures, 0.999)
    assert 10 <= failures <= 40
