"""Percentiles of measured times, by nearest rank: every figure reported was really measured. Pure."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """How times are spread, in milliseconds; all None when nothing was measured."""

    count: int
    p50: float | None
    p99: float | None
    max: float | None

    def as_json(self) -> dict[str, float | int | None]:
        """Return it for a report, rounded to a tenth of a millisecond."""
        return {
            name: round(value, 1) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    def __str__(self) -> str:
        """Return it in one line for a person."""
        if self.p50 is None or self.p99 is None or self.max is None:
            return "nothing measured"
        return f"p50 {self.p50:.1f}  p99 {self.p99:.1f}  max {self.max:.1f} ms  ({self.count})"


def nearest_rank(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest of `ordered` (ascending) that at least `percent` % do not exceed.

    Raises ValueError for an empty sequence and for percents outside (0, 100].
    """
    if not ordered or not 0 < percent <= 100:
        raise ValueError("a percentile needs values, and a percent above 0 and up to 100")
    # Exact for the percents people ask for: 99 of 100 values must not become rank 100.
    return ordered[math.ceil(round(percent * len(ordered) / 100, 9)) - 1]


def spread(seconds: Sequence[float]) -> Spread:
    """Return the spread of `seconds`, in milliseconds."""
    if not seconds:
        return Spread(0, None, None, None)
    ordered = sorted(one * 1000.0 for one in seconds)
    return Spread(len(ordered), nearest_rank(ordered, 50), nearest_rank(ordered, 99), ordered[-1])
