"""Ornstein-Uhlenbeck noise: correlated wandering around zero, exact for any step length.

https://en.wikipedia.org/wiki/Ornstein%E2%80%93Uhlenbeck_process
"""

import math
from random import Random


class Wander:
    """A value that wanders around zero with a standing deviation and a correlation time."""

    __slots__ = ("_dt_s", "_gauss", "_keep", "_sigma", "_spread", "_tau_s", "value")

    def __init__(self, sigma: float, tau_s: float, source: Random) -> None:
        """`sigma` in the unit of the quantity, `tau_s` in seconds; `source` is the seeded
        generator.

        The first value is drawn from the standing distribution, so a home that starts in the middle
        of a treatment needs no warm-up.
        """
        self._sigma = float(sigma)
        self._tau_s = float(tau_s)
        self._gauss = source.gauss
        self._dt_s = 0.0
        self._keep = 1.0
        self._spread = 0.0
        self.value = source.gauss(0.0, self._sigma) if self._sigma > 0 else 0.0

    def step(self, dt_s: float) -> float:
        """Advance by `dt_s` seconds and return the new value."""
        if self._sigma <= 0:
            return 0.0
        if dt_s != self._dt_s:
            self._dt_s = dt_s
            self._keep = math.exp(-dt_s / self._tau_s)
            self._spread = self._sigma * math.sqrt(1.0 - self._keep * self._keep)
        self.value = self.value * self._keep + self._gauss(0.0, self._spread)
        return self.value
