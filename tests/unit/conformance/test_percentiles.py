import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.load.percentiles import nearest_rank, spread


def test_nearest_rank_of_a_hundred() -> None:
    values = [float(one) for one in range(1, 101)]
    assert [nearest_rank(values, p) for p in (1, 50, 99, 99.5, 100)] == [1, 50, 99, 100, 100]


def test_one_value_is_every_percentile() -> None:
    assert nearest_rank([7.0], 0.1) == nearest_rank([7.0], 100) == 7.0


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_percents_outside_are_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        nearest_rank([1.0], percent)


def test_nothing_measured_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="percentile"):
        nearest_rank([], 50)
    assert spread([]).as_json() == {"count": 0, "p50": None, "p99": None, "max": None}
    assert str(spread([])) == "nothing measured"


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 100))
def test_at_least_that_share_is_not_above_it(values: list[float], percent: float) -> None:
    ordered = sorted(values)
    found = nearest_rank(ordered, percent)
    assert found in values
    not_above = sum(1 for one in ordered if one <= found)
    assert not_above >= percent * len(ordered) / 100 - 1e-6


def test_spread_is_in_milliseconds() -> None:
    found = spread([0.003, 0.001, 0.002])
    assert found.as_json() == {"count": 3, "p50": 2.0, "p99": 3.0, "max": 3.0}
    assert str(found) == "p50 2.0  p99 3.0  max 3.0 ms  (3)"
