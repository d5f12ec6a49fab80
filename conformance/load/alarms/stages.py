"""The stages of a run about alarms, and whether what came of them is what was promised. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from conformance.load.percentiles import Spread, spread

TroubleKind = Literal["evt", "tel"]

# Reading in until the telephone company has the message, 99 of 100.
STEADY_P99_S: Final = 2.0
BURST_P99_S: Final = 5.0
DRAIN_S: Final = 120.0
# A rate is carried when 99 of 100 messages are committed within this.
CARRIED_P99_S: Final = 2.0
_MILLI: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run: how long, how many messages and how many patients in trouble a second.

    `joining` devices connect and begin to treat, spread over it. `evt_p99_s` and `tel_p99_s` are
    what is promised for alarms and for readings, None for no promise.
    """

    name: str
    seconds: float
    messages_per_s: float
    troubles_per_s: float
    joining: int = 0
    evt_p99_s: float | None = None
    tel_p99_s: float | None = None

    @property
    def troubles(self) -> int:
        """How many patients get into trouble."""
        return int(self.troubles_per_s * self.seconds)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A patient in trouble: how, when it was published and when the telephone company had it."""

    kind: TroubleKind
    published: float
    heard: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a stage. `commits` are seconds from message to acknowledgement; `drained_s` is
    how long after the stage its backlog was gone, None when it did not go in time.
    """

    stage: Stage
    messages: int
    commits: Sequence[float]
    troubles: Sequence[Trouble]
    largest_backlog: int
    drained_s: float | None

    def ringing(self, kind: TroubleKind) -> Spread:
        """Return how long telephones took for troubles of `kind`."""
        return spread([t.heard - t.published for t in self._of(kind) if t.heard is not None])

    def unsaid(self, kind: TroubleKind) -> int:
        """Return how many troubles of `kind` no telephone heard of."""
        return sum(trouble.heard is None for trouble in self._of(kind))

    @property
    def carried(self) -> bool:
        """Return whether the server kept up with this stage."""
        p99 = spread(self.commits).p99
        return self.drained_s is not None and (p99 is None or p99 <= CARRIED_P99_S * _MILLI)

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the promises that were not kept, in words."""
        return tuple(self._broken())

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        stage = self.stage
        return {
            "stage": stage.name,
            "seconds": stage.seconds,
            "messages_per_s": stage.messages_per_s,
            "joining": stage.joining,
            "messages": self.messages,
            "commit_ms": spread(self.commits).as_json(),
            "evt": self.ringing("evt").as_json() | {"unsaid": self.unsaid("evt")},
            "tel": self.ringing("tel").as_json() | {"unsaid": self.unsaid("tel")},
            "largest_backlog": self.largest_backlog,
            "drained_s": None if self.drained_s is None else round(self.drained_s, 1),
            "carried": self.carried,
            "broken": list(self.broken),
        }

    def _of(self, kind: TroubleKind) -> Iterator[Trouble]:
        return (trouble for trouble in self.troubles if trouble.kind == kind)

    def _broken(self) -> Iterator[str]:
        promised: tuple[tuple[TroubleKind, float | None], ...] = (
            ("evt", self.stage.evt_p99_s),
            ("tel", self.stage.tel_p99_s),
        )
        for kind, promise in promised:
            if unsaid := self.unsaid(kind):
                yield f"{unsaid} {kind} troubles reached no telephone"
            p99 = self.ringing(kind).p99
            if promise is not None and p99 is not None and p99 > promise * _MILLI:
                yield f"{kind} p99 {p99 / _MILLI:.2f} s instead of {promise:g} s"
        if self.drained_s is None:
            yield f"the backlog was not gone {DRAIN_S:g} s afterwards"


def official(rate: float, seconds: float, sessions: int) -> list[Stage]:
    """Return the stages of the documented run.

    Steady at `rate` messages a second, three times as many for `seconds`, then `sessions`
    treatments that begin within as long at the steady rate (none: without that stage).
    """
    # A minute of trouble every second would prove nothing more and need as many people.
    troubles = 0.5
    stages = [
        Stage(
            "steady",
            seconds,
            rate,
            troubles,
            evt_p99_s=STEADY_P99_S,
            tel_p99_s=STEADY_P99_S,
        ),
        Stage("threefold burst", seconds, 3 * rate, troubles, evt_p99_s=BURST_P99_S),
        Stage(
            f"{sessions} sessions begin",
            seconds,
            rate,
            troubles,
            joining=sessions,
            evt_p99_s=BURST_P99_S,
        ),
    ]
    return stages if sessions else stages[:-1]


def knee(first: float, factor: float, seconds: float, steps: int) -> list[Stage]:
    """Return stages of growing rate, to be run until one is not carried."""
    return [
        Stage(f"{first * factor**step:.0f} messages/s", seconds, first * factor**step, 0.2)
        for step in range(steps)
    ]
