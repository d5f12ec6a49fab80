"""What will go wrong and when, by dice thrown with a seed: the same seed is the same schedule. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from conformance.subscriptions.receiver import Mood

Deed = Literal[
    "kill-delivery",
    "kill-api",
    "freeze",
    "restart",
    "edit",
    "remove-member",
    "add-member",
    "delete",
]
# Of an edit: what is changed.
EDITS: Final = ("endpoint", "content", "max-count", "patients")
FAILURES: Final[Sequence[Mood]] = ("error", "hangs", "resets", "huge", "slow", "redirects", "gone")
# A receiver that says it is gone ends a Subscription until its client asks again; where that client
# may not, the receiver does not say so.
LASTING: Final[Sequence[Mood]] = ("gone",)
SHORTEST_FAILURE: Final = 0.2
LONGEST_FAILURE: Final = 1.5


@dataclass(frozen=True, slots=True)
class Cast:
    """How many play, what befalls them, and how long it lasts (s); `pause` is from one write about a patient to the next (s)."""

    seconds: float = 8.0
    patients: int = 4
    kills: int = 2
    api_kills: int = 0
    freezes: int = 0
    restarts: int = 0
    edits: int = 4
    removals: int = 2
    pause: tuple[float, float] = (0.02, 0.2)


@dataclass(frozen=True, slots=True)
class Step:
    """Something done at `at` seconds; `who` is a patient's number, `how` says more."""

    at: float
    deed: Deed
    who: int = 0
    how: str = ""

    def __str__(self) -> str:
        """Return it in one line for a person."""
        return f"{self.at:5.2f} s  {self.deed} {self.how or self.who}"


@dataclass(frozen=True, slots=True)
class Weather:
    """How one endpoint is disposed: from each moment on (s), in order."""

    changes: tuple[tuple[float, Mood], ...]

    def at(self, moment: float) -> Mood:
        """Return its mood at `moment`."""
        mood: Mood = "takes"
        for since, later in self.changes:
            if since > moment:
                break
            mood = later
        return mood


@dataclass(frozen=True, slots=True)
class Schedule:
    """All of it: steps in order, and the weather at each endpoint by name."""

    seed: int
    cast: Cast
    steps: tuple[Step, ...]
    weather: dict[str, Weather]


def schedule(seed: int, cast: Cast, endpoints: Sequence[str], steady: Sequence[str]) -> Schedule:
    """Return the schedule of `seed`; `endpoints` fail in every way, those in `steady` in none that lasts."""
    dice = random.Random(seed)
    steps = [
        *_kills(dice, cast),
        *_removals(dice, cast),
        *(
            Step(_moment(dice, cast), "edit", dice.randrange(cast.patients), dice.choice(EDITS))
            for _ in range(cast.edits)
        ),
        Step(_moment(dice, cast), "delete"),
    ]
    weather = {name: _weather(dice, cast, FAILURES) for name in endpoints}
    gentle = [one for one in FAILURES if one not in LASTING]
    weather |= {name: _weather(dice, cast, gentle) for name in steady}
    return Schedule(seed, cast, tuple(sorted(steps, key=lambda step: step.at)), weather)


def _moment(dice: random.Random, cast: Cast) -> float:
    return dice.uniform(0.1, 0.95) * cast.seconds


def _kills(dice: random.Random, cast: Cast) -> list[Step]:
    wanted: tuple[tuple[Deed, int], ...] = (
        ("kill-delivery", cast.kills),
        ("kill-api", cast.api_kills),
        ("freeze", cast.freezes),
        ("restart", cast.restarts),
    )
    return [
        Step(_moment(dice, cast), deed, dice.randrange(2))
        for deed, count in wanted
        for _ in range(count)
    ]


def _removals(dice: random.Random, cast: Cast) -> list[Step]:
    """The first member removed stays out; others come back."""
    steps = []
    for number in range(cast.removals):
        who = number % cast.patients
        at = _moment(dice, cast)
        steps.append(Step(at, "remove-member", who))
        if number > 0:
            steps.append(Step(dice.uniform(at, cast.seconds), "add-member", who))
    return steps


def _weather(dice: random.Random, cast: Cast, failures: Sequence[Mood]) -> Weather:
    changes: list[tuple[float, Mood]] = []
    now = dice.uniform(0.2, 2.0)
    while now < cast.seconds:
        changes.append((now, dice.choice(failures)))
        now += dice.uniform(SHORTEST_FAILURE, LONGEST_FAILURE)
        changes.append((now, "takes"))
        now += dice.uniform(SHORTEST_FAILURE, 2 * LONGEST_FAILURE)
    return Weather(tuple(changes))
