"""Every scenario gives exactly its golden alerts, judged by the server's own functions.

Seeds differ from those of the quality report. More of them:
`python -m conformance.alarms golden --seeds 20`.
"""

from collections.abc import Iterator

import pytest

from conformance.alarms.rehearsal import Rehearsal, rehearsing
from conformance.alarms.trial import judge, scenarios

SEEDS = (11, pytest.param(12, marks=pytest.mark.slow))
# The shortest treatment in which every scenario still has room.
MINUTES = 40.0


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    with rehearsing() as running:
        yield running


@pytest.mark.parametrize("scenario", scenarios())
@pytest.mark.parametrize("seed", SEEDS)
def test_the_alerts_are_exactly_the_golden_ones(
    rehearsal: Rehearsal, scenario: str, seed: int
) -> None:
    assert [str(one) for one in judge(rehearsal, scenario, seed, MINUTES)] == []
