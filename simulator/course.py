"""What a treatment goes through: prepared, treating, giving the blood back, resting, over."""

import math
from typing import Final

from simulator.home import Home
from simulator.physiology import constants as c

# A pump that stands makes a treatment longer, never endless.
_LONGER_MIN: Final = 20.0


class Course:
    """Moves one home on where it is time to; `over` once its devices are switched off."""

    def __init__(self, home: Home, minutes: float) -> None:
        """`minutes` is the prescribed length; a home that treats already is not prepared."""
        self._home = home
        self._longest_s = (minutes + _LONGER_MIN) * 60.0
        self._connects_s = c.PREPARES_MINUTES * 60.0
        self._seconds = 0.0
        self._treated_s = home.treatment.elapsed_s
        self._ended_s = math.inf
        self.over = False

    def end_treatment(self) -> None:
        """The treatment is over as soon as it can be."""
        self._longest_s = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds have passed in the home."""
        home = self._home
        self._seconds += dt_s
        match home.mode:
            case "TX":
                self._treated_s += dt_s
                if home.treatment.finished or self._treated_s >= self._longest_s:
                    home.rinse_back()
                return
            case "PRETX":
                if self._seconds >= self._connects_s:
                    self._connects_s = math.inf
                    home.connect()
                return
        self._ended_s = min(self._ended_s, self._seconds)
        rests_s = self._ended_s + c.RINSES_MINUTES * 60.0
        if home.mode == "POSTTX" and self._seconds >= rests_s:
            home.rest()
        self.over = self._seconds >= rests_s + c.RESTS_MINUTES * 60.0
