"""The documented benchmark: which loads, in which order, and why. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from conformance.load.plan import Plan

_QUICK: Final = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """One load: `raw_copy` asks for the comparison with PostgreSQL alone right after it."""

    name: str
    purpose: str
    plan: Plan
    raw_copy: bool = False


STEPS: Final = (
    Step(
        "alarms",
        "200 messages/s and two patients in trouble a second: breach to SMS handed over",
        Plan(devices=200, rate=2400.0, seconds=45.0, breaches_per_second=2.0),
    ),
    Step(
        "sustained",
        "5 000 observations/s from machines that speak once a second: nothing may be lost",
        Plan(devices=420, rate=5040.0, seconds=60.0),
        raw_copy=True,
    ),
    Step(
        "at-will",
        "as fast as the server acknowledges, compared with a raw COPY in the same minute",
        Plan(devices=100, rate=0.0, seconds=60.0, window=8),
        raw_copy=True,
    ),
    Step(
        "long-samples",
        "five samples a message, as fast as acknowledged: what fewer messages are worth",
        Plan(devices=100, rate=0.0, seconds=40.0, samples=5),
        raw_copy=True,
    ),
)


def steps(*, quick: bool) -> tuple[Step, ...]:
    """Return the steps; `quick` ones last a tenth of the time with a quarter of the devices."""
    if not quick:
        return STEPS
    return tuple(
        replace(
            step,
            plan=replace(
                step.plan,
                devices=step.plan.devices // 4,
                seconds=step.plan.seconds * _QUICK,
            ),
        )
        for step in STEPS
    )
