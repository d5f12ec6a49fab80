"""Ornstein-Uhlenbeck noise: correlated wandering around zero, exact for any step length.

https://en.wikipedia.org/wiki/Ornstein%E2%80%93Uhlenbeck_process
"""

import math
from random import Random


class Wander:
    """A value that wanders around zero with a standing deviation and a correlation time."""

    def __init__(self, sigma: float, tau_s: float, source: Random) -> None:
        """`sigma` in the unit of the quantity, `tau_s` in seconds; `source` is the seeded
        generator.

        The first value is drawn from the standing distribution, so a home that starts in the middle
        of a treatment needs no warm-up.
        """
        self._sigma = sigma
        self._tau_s = tau_s
        self._source = source
        self.value = source.gauss(0.0, sigma) if sigma > 0 else 0.0

    def step(self, dt_s: float) -> float:
        """Advance by `dt_s` seconds and return the new value."""
        if self._sigma <= 0:
            return 0.0
        keep = math.exp(-dt_s / self._tau_s)
        spread = self._sigma * math.sqrt(1.0 - keep * keep)
        self.value = self.value * keep + self._source.gauss(0.0, spread)
        return self.value
