"""What protection costs, worked out: shares against what ran beside it, and the goal."""

import pytest

from conformance.load.access.shares import EVERYTHING, PARTS, Round, configurations, figures, table


def a_round(on: float, bare: float) -> Round:
    rates = {"": on, **dict.fromkeys(PARTS, on), EVERYTHING: bare}
    return Round(rates, {name: 1e6 / rate for name, rate in rates.items()})


def test_each_part_is_taken_away_alone_and_all_together() -> None:
    named = dict(configurations())
    assert named[""] == ()
    assert named[EVERYTHING] == PARTS
    assert all(named[part] == (part,) for part in PARTS)


def test_a_share_is_what_is_missing_of_the_throughput_without() -> None:
    assert a_round(800, 1000).share(EVERYTHING) == pytest.approx(0.2)
    assert a_round(800, 1000).cpu_share(EVERYTHING) == pytest.approx(0.2)
    assert a_round(800, 1000).share("rls") == a_round(800, 1000).cpu_share("rls") == 0.0


@pytest.mark.parametrize(("bare", "within"), [(1000, True), (1100, False)])
def test_the_goal_is_a_quarter_by_the_median_of_rounds(bare: float, *, within: bool) -> None:
    found = figures([a_round(800, bare), a_round(800, bare), a_round(1, 1000)])
    assert found["within_goal"] is within
    assert "costs" in table("read", found)
