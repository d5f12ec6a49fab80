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
    """Requests a second of one round by what was taken away: "" for nothing, a part, or all."""

    rates: Mapping[str, float]

    def share(self, part: str) -> float:
        """Return what `part` costs: the share of the throughput without it that is missing with it."""
        return 1.0 - self.rates[""] / self.rates[part]


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
        "rounds": len(rounds),
        "within_goal": median(one.share(EVERYTHING) for one in rounds) <= GOAL,
    }


def table(name: str, measured: Mapping[str, Any]) -> str:
    """Return the figures of one load as lines for a terminal."""
    rates, shares = measured["requests_per_s"], measured["share_percent"]
    lines = [f"{name}: {rates['everything on']} requests/s with everything on"]
    lines += [
        f"  without {part:<11} {rates[part]:>9} requests/s: it costs {shares[part]:>5} %"
        for part in shares
    ]
    return "\n".join(lines)
