"""Intervals against published values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.alarms.intervals import proportion, rate


def test_wilson_against_a_worked_example() -> None:
    # Newcombe 1998, example 81/263.
    found = proportion(81, 263)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_all_found_still_has_a_lower_end() -> None:
    found = proportion(100, 100)
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    assert round(found.low, 3) == 0.963


def test_of_nothing_nothing_is_said() -> None:
    assert proportion(0, 0) is None
    assert rate(0, 0.0) is None
    with pytest.raises(ValueError, match="3 of 2"):
        proportion(3, 2)


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0.0, 3.689), (1, 0.025, 5.572), (10, 4.795, 18.39)]
)
def test_garwood_against_a_table(events: int, low: float, high: float) -> None:
    found = rate(events, 1.0)
    assert found is not None
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_an_interval_in_another_unit() -> None:
    found = rate(2, 400.0)
    assert found is not None
    hundred = found.times(100.0)
    assert hundred.value == pytest.approx(0.5)
    assert hundred.high == pytest.approx(1.806, abs=0.01)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_estimate_lies_within(hits: int, others: int) -> None:
    found = proportion(hits, hits + others)
    assert found is None or found.low <= found.value <= found.high
    counted = rate(hits, 7.0)
    assert counted is not None
    assert counted.low <= counted.value <= counted.high
