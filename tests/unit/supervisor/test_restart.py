"""A process that dies comes back at once; one that keeps dying, ever more patiently."""

from fhirserver.supervisor.restart import HEALTHY_AFTER, LONGEST_DELAY, RestartPlan


def test_delays_double_up_to_a_bound() -> None:
    plan, delays = RestartPlan(0.0), []
    for moment in range(1, 9):
        plan, delay = plan.after_death(moment)
        delays.append(delay)
        plan = plan.after_start(moment)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_DELAY, LONGEST_DELAY, LONGEST_DELAY]


def test_a_healthy_run_is_forgiven() -> None:
    plan = RestartPlan(started=100.0, early_deaths=7)
    _, delay = plan.after_death(100.0 + HEALTHY_AFTER)
    assert delay == 0.2


def test_a_long_series_of_deaths_does_not_overflow() -> None:
    plan, delay = RestartPlan(0.0), 0.0
    for _ in range(2000):
        plan, delay = plan.after_death(1.0)
    assert delay == LONGEST_DELAY
