from typing import Any

import pytest

from conformance.load.bench import steps
from conformance.load.plan import Plan, PlanError


def test_a_rate_bounds_the_messages() -> None:
    plan = Plan(devices=10, rate=1200.0, seconds=5.0)
    assert (plan.a_message, plan.interval_s, plan.most_messages) == (12, 0.1, 500)


def test_at_will_is_bounded_too() -> None:
    plan = Plan(devices=1, rate=0.0, seconds=5.0, samples=5, most_observations=1200)
    assert plan.most_messages == 20


def test_devices_that_would_fall_silent_are_refused_with_a_remedy() -> None:
    with pytest.raises(PlanError, match="at most 1000 devices"):
        Plan(devices=2000, rate=1200.0, seconds=5.0)


def test_more_breaches_than_patients_are_refused() -> None:
    with pytest.raises(PlanError, match="20 breaches"):
        Plan(devices=10, rate=1200.0, seconds=10.0, breaches_per_second=2.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": 0},
        {"seconds": 0.0},
        {"rate": -1.0},
        {"values": 0},
        {"values": 99},
        {"samples": 0},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        Plan(**{"devices": 5, "rate": 120.0, "seconds": 5.0, **wrong})


@pytest.mark.parametrize("quick", [True, False])
def test_the_documented_steps_are_possible(quick: bool) -> None:
    assert [step.name for step in steps(quick=quick)] == [
        "alarms",
        "sustained",
        "at-will",
        "long-samples",
    ]
