"""Pairs of measurements, worked out: the difference is that of the pairs, whatever the machine did meanwhile."""

from random import Random

import pytest

from conformance.load.access.paired import figures, table


def test_a_constant_difference_is_found_though_the_machine_changes_its_speed() -> None:
    chance = Random(1)
    speeds = [chance.choice((1.0, 3.0, 10.0)) for _ in range(999)]
    found = figures([(100 * speed + 5, 100 * speed) for speed in speeds])
    assert found["difference_us"] == [5.0, 5.0, 5.0]
    assert found["share_percent"][0] == pytest.approx(100 * 5 / found["p50_us"]["without"], abs=0.1)


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    chance = Random(2)
    held = 0
    for _ in range(400):
        pairs = [(1000 + chance.gauss(50, 40), 1000.0) for _ in range(60)]
        _, low, high = figures(pairs)["difference_us"]
        held += low <= 50 <= high
    assert 0.92 * 400 <= held <= 0.99 * 400


def test_the_interval_narrows_with_more_pairs() -> None:
    chance = Random(3)
    pairs = [(1000 + chance.gauss(50, 40), 1000.0) for _ in range(10_000)]
    _, low, high = figures(pairs[:100])["difference_us"]
    _, closer_low, closer_high = figures(pairs)["difference_us"]
    assert closer_high - closer_low < (high - low) / 5


@pytest.mark.parametrize(("with_us", "within"), [(1100.0, True), (1101.0, False)])
def test_the_goal_is_a_tenth_of_the_p50_without(with_us: float, *, within: bool) -> None:
    found = figures([(with_us, 1000.0)] * 9)
    assert found["within_goal"] is within
    assert "it costs" in table("read", found)
