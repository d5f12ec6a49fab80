"""95 % intervals of proportions and rates. Pure.

Wilson's score interval for a proportion
(https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval), Garwood's exact interval
for the rate of a Poisson process
(https://en.wikipedia.org/wiki/Poisson_distribution#Confidence_interval).
"""

import math
from dataclasses import dataclass
from typing import Final

# The two-sided 95 % quantile of the standard normal distribution, and what lies beyond one side.
_Z: Final = 1.959963984540054
_TAIL: Final = 0.025
_STEPS: Final = 80


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Interval":
        """Return it in another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)


def proportion(hits: int, of: int) -> Interval | None:
    """Return the share of `hits` with Wilson's interval, None of nothing.

    Raises ValueError when `hits` are more than there are.
    """
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of}")
    if of == 0:
        return None
    share = hits / of
    middle = share + _Z * _Z / (2 * of)
    half = _Z * math.sqrt(share * (1 - share) / of + _Z * _Z / (4 * of * of))
    shrink = 1 + _Z * _Z / of
    low = 0.0 if hits == 0 else (middle - half) / shrink
    high = 1.0 if hits == of else (middle + half) / shrink
    return Interval(share, low, high)


def rate(events: int, exposure: float) -> Interval | None:
    """Return events per unit of `exposure` with Garwood's exact interval, None without exposure."""
    if exposure <= 0:
        return None
    low = 0.0 if events == 0 else _mean_with(events - 1, 1 - _TAIL)
    high = _mean_with(events, _TAIL)
    return Interval(events / exposure, low / exposure, high / exposure)


def _mean_with(count: int, probability: float) -> float:
    """Return the mean of the Poisson distribution that has at most `count` with `probability`."""
    low, high = 0.0, 10.0 + 3.0 * count
    while _at_most(count, high) > probability:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _at_most(count, middle) > probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_most(count: int, mean: float) -> float:
    if mean == 0:
        return 1.0
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)]
    return math.fsum(math.exp(one) for one in logs)
