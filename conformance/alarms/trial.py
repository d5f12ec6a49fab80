"""Runs scenarios with some seeds and compares what was decided with their golden alerts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from conformance.alarms.golden import Deviation, compare
from conformance.alarms.rehearsal import Rehearsal
from conformance.alarms.session import START, play
from simulator.scenarios import SCENARIOS
from simulator.virtual import run

# Long enough for every scenario's course, and for what time itself raises behind it.
MINUTES = 90.0
AFTER = timedelta(minutes=5)
FIRST = "a"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One scenario with one seed, and how it deviated."""

    scenario: str
    seed: int
    deviations: tuple[Deviation, ...]

    def __str__(self) -> str:
        """Return it in as many lines as there are deviations."""
        name = f"{self.scenario} seed {self.seed}"
        if not self.deviations:
            return f"{name}: golden"
        return "\n".join(f"{name}: {one}" for one in self.deviations)


def scenarios() -> tuple[str, ...]:
    """Return the names of all scenarios."""
    return tuple(SCENARIOS)


def trials(
    rehearsal: Rehearsal, names: Iterable[str], seeds: Sequence[int], minutes: float = MINUTES
) -> Iterator[Verdict]:
    """Yield the verdict on every scenario of `names` with every seed."""
    for name in names:
        for seed in seeds:
            yield Verdict(name, seed, tuple(judge(rehearsal, name, seed, minutes)))


def judge(
    rehearsal: Rehearsal, scenario: str, seed: int, minutes: float = MINUTES
) -> list[Deviation]:
    """Return how the server's decisions about `scenario` deviate from what is owed."""
    session = run(scenario, seed=seed, minutes=minutes, start=START)
    played = play(session, rehearsal, f"{scenario}/{seed}", AFTER)
    truth = session.truth
    deviations = compare(truth, played.decided, session.moments, FIRST)
    deviations += [
        Deviation("missed", f"dead letter {reason}")
        for reason in truth.dead_letters
        if reason not in played.refused
    ]
    return deviations
