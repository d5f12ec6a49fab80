"""Two ways to answer the same requests, in turns: how much longer one takes, with an interval. Pure.

Each request is a pair: what else the machine does changes both of its halves alike, and the difference is theirs.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Any, Final

GOAL: Final = 0.10
# Of a normal distribution: 95 % lie within so many standard deviations.
_WIDTH: Final = 1.96

Pairs = Sequence[tuple[float, float]]


def figures(pairs: Pairs) -> dict[str, Any]:
    """Return what `pairs` of microseconds, (with, without), say about the difference.

    `p50_us` of each, the median of the differences with its 95 % interval (by rank, so that no outlier has a say), and
    those as shares of the p50 without.
    """
    without = median(pair[1] for pair in pairs)
    differences = sorted(one - other for one, other in pairs)
    low, high = _ranks(len(differences))
    found = (median(differences), differences[low], differences[high])
    shares = [one / without for one in found]
    return {
        "pairs": len(pairs),
        "p50_us": {
            "with": round(median(pair[0] for pair in pairs), 1),
            "without": round(without, 1),
        },
        "difference_us": _rounded(found),
        "share_percent": _rounded([100 * one for one in shares]),
        "within_goal": shares[0] <= GOAL,
    }


def table(name: str, found: Mapping[str, Any]) -> str:
    """Return the figures of one kind of request as a line for a terminal."""
    on, off = found["p50_us"]["with"], found["p50_us"]["without"]
    share, low, high = found["share_percent"]
    return (
        f"{name}: p50 {on} us with, {off} us without, {found['pairs']} pairs: "
        f"it costs {share} % ({low} to {high} %)"
    )


def _ranks(count: int) -> tuple[int, int]:
    """Return between which of `count` sorted values the median of all there could be lies, in 95 of 100 cases."""
    half, width = count / 2, _WIDTH * sqrt(count) / 2
    return max(int(half - width), 0), min(int(half + width) + 1, count - 1)


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(one, 1) for one in values]
