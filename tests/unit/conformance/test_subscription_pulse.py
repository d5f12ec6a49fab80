"""The clock that promises of Subscriptions are held against."""

import asyncio
from dataclasses import replace
from math import inf

import pytest

from conformance.subscriptions.history import check
from conformance.subscriptions.pulse import BEAT_SECONDS, Pulse
from tests.unit.conformance.test_subscription_history import RIGHT, WRITES, post


def beating(*moments: float) -> Pulse:
    pulse = Pulse()
    for moment in moments:
        pulse.beat(moment)
    return pulse


def test_each_beat_counts_the_same_however_late_it_comes() -> None:
    pulse = beating(1.01, 1.02, 7.0, 7.01)
    assert pulse.elapsed(1.0, 1.02) == pytest.approx(2 * BEAT_SECONDS)
    assert pulse.elapsed(1.02, 7.0) == pytest.approx(BEAT_SECONDS)
    assert pulse.elapsed(-inf, 8.0) == pytest.approx(4 * BEAT_SECONDS)
    assert pulse.elapsed(inf, 8.0) <= 0


def test_what_comes_after_the_end_is_late_by_the_time_the_machine_had() -> None:
    late = replace(
        RIGHT,
        over=6.5,
        log=None,
        received=(*RIGHT.received, post(9.0, (5, None), named=frozenset())),
    )
    assert [one.fault for one in check(late, WRITES)] == ["after-the-end"]
    held_up = beating(*(6.5 + number * 0.01 for number in range(50)), 8.9)
    assert check(replace(late, elapsed=held_up.elapsed), WRITES) == []
    awake = beating(*(6.5 + number * 0.011 for number in range(240)))
    assert [one.fault for one in check(replace(late, elapsed=awake.elapsed), WRITES)] == [
        "after-the-end"
    ]


def test_a_repeat_is_explained_when_the_answer_may_have_come_too_late() -> None:
    again = post(6.4, *RIGHT.received[-1].events)
    repeated = replace(RIGHT, received=(*RIGHT.received, again))
    assert [one.fault for one in check(repeated, WRITES)] == ["unexplained-repeat"]
    held_up = beating(*(3.0 + number * 0.01 for number in range(100)), 6.1, 6.2)
    assert check(replace(repeated, elapsed=held_up.elapsed), WRITES) == []
    awake = beating(*(3.0 + number * 0.011 for number in range(400)))
    assert [one.fault for one in check(replace(repeated, elapsed=awake.elapsed), WRITES)] == [
        "unexplained-repeat"
    ]


async def test_it_beats_by_itself() -> None:
    pulse = Pulse()
    async with pulse.beating():
        while pulse.elapsed(-inf, inf) < 2 * BEAT_SECONDS:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
