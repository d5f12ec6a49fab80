"""When a cuff measures: by its interval, sooner after a fall, again after a frightening value.

Blood pressure is usually read twice an hour, which is too slow a sentinel: after a fall the next
reading comes within ten minutes, and a value beyond the usual limits is measured again at once.
"""

from dataclasses import dataclass
from random import Random

from simulator.physiology import constants as c


@dataclass(slots=True)
class CuffHabit:
    """A plain interval, or, with a seeded `source`, that of somebody who looks at the value."""

    every_s: float
    source: Random | None = None
    rereads: bool = True
    _first: float | None = None
    _frightened: bool = False

    def next_after(self, systolic: float) -> float:
        """Return the seconds until the next reading after one of `systolic` mm[Hg]."""
        if self.source is None:
            return self.every_s
        if self._first is None:
            self._first = systolic
        if not c.CUFF_LOW <= systolic <= c.CUFF_HIGH and not self._frightened and self.rereads:
            self._frightened = True
            return float(c.CUFF_REREAD)
        self._frightened = False
        if self._first - systolic >= c.CUFF_FALL:
            return self.source.uniform(c.CUFF_AFTER_FALL_LOW, c.CUFF_AFTER_FALL_HIGH)
        return self.every_s
