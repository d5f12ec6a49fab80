"""The figures of `access`: what share of the throughput each part of the protection costs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

# In the order a request meets them.
PARTS: Final = ("token", "decide", "rls", "audit", "encryption")
EVERYTHING: Final = "all"
GOAL: Final = 0.25


@dataclass(frozen=True, slots=True)
class Round:
    """One round by what was taken away: "" for nothing, a part, or all.

    `rates` are requests a second, `cpu_us` microseconds of processor time of the API process a request.
    """

    rates: Mapping[str, float]
    cpu_us: Mapping[str, float]

    def share(self, part: str) -> float:
        """Return what `part` costs: the share of the throughput without it that is missing with it."""
        return 1.0 - self.rates[""] / self.rates[part]

    def cpu_share(self, part: str) -> float:
        """Return the same in processor time, which other programs of the machine disturb less."""
        return 1.0 - self.cpu_us[part] / self.cpu_us[""]


@dataclass(slots=True)
class Spent:
    """What one configuration did in its slices of a round: requests, and seconds of the clock and of its processor."""

    requests: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0

    def add(self, requests: int, seconds: float, cpu_s: float) -> None:
        """Add a slice."""
        self.requests += requests
        self.seconds += seconds
        self.cpu_s += cpu_s

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time a request."""
        return self.cpu_s / self.requests * 1e6


def configurations() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what is measured, by name, as the parts that are taken away."""
    return (("", ()), *((part, (part,)) for part in PARTS), (EVERYTHING, PARTS))


def figures(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return medians: of rates, and of the shares of each round, whose configurations ran side by side."""
    named = [name for name, _ in configurations()]
    return {
        "requests_per_s": {
            name or "everything on": round(median(one.rates[name] for one in rounds), 1)
            for name in named
        },
        "share_percent": {
            name: round(100 * median(one.share(name) for one in rounds), 1)
            for name in named
            if name
        },
        "api_cpu_us": {
            name or "everything on": round(median(one.cpu_us[name] for one in rounds), 1)
            for name in named
        },
        "cpu_share_percent": {
            name: round(100 * median(one.cpu_share(name) for one in rounds), 1)
            for name in named
            if name
        },
        "rounds": len(rounds),
        "within_goal": median(one.share(EVERYTHING) for one in rounds) <= GOAL,
    }


def table(name: str, measured: Mapping[str, Any]) -> str:
    """Return the figures of one load as lines for a terminal."""
    rates, shares = measured["requests_per_s"], measured["share_percent"]
    used, used_shares = measured["api_cpu_us"], measured["cpu_share_percent"]
    on = "everything on"
    lines = [f"{name}: {rates[on]} requests/s, {used[on]} us of processor time each, with {on}"]
    for part in shares:
        rate = f"{rates[part]:>9} requests/s: it costs {shares[part]:>5} %"
        lines.append(f"  without {part:<11}{rate}; {used[part]:>7} us: {used_shares[part]:>5} %")
    return "\n".join(lines)
