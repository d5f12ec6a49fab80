"""What a clean treatment does to the line pressures: drift, coughs, moving arms, moved beds.

A patient does not lie still. The venous pressure drifts as published (see the constants); coughs
and arm movements pass; a moved back rest changes the heart's height against the machine and with it
*both* pressures by the same amount for good. The patient sometimes turns the blood flow. Pure:
seeded, one step at a time.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Literal

from simulator.physiology import constants as c

Happening = Literal["cough", "move", "reposition", "flow"]

_PER_SECOND: dict[Happening, float] = {
    "cough": c.COUGHS_PER_HOUR / 3600.0,
    "move": c.MOVES_PER_HOUR / 3600.0,
    "reposition": c.REPOSITIONS_PER_HOUR / 3600.0,
    "flow": c.FLOW_CHANGES_PER_HOUR / 3600.0,
}


def truncated(source: Random, mean: float, sigma: float, low: float, high: float) -> float:
    """Return a normal number drawn again until it lies within `low` and `high`."""
    while True:
        value = source.gauss(mean, sigma)
        if low <= value <= high:
            return value


@dataclass(slots=True)
class Shift:
    """A change of both pressures (mm[Hg]): ramps up, holds, and goes back to what stays."""

    began_s: float
    ramp_s: float
    hold_s: float
    venous: float
    arterial: float
    venous_after: float = 0.0
    arterial_after: float = 0.0
    moves_heart: bool = False

    @property
    def over_s(self) -> float:
        """When it is over, on the clock of `Unrest`."""
        return self.began_s + 2.0 * self.ramp_s + self.hold_s

    def at(self, now_s: float) -> tuple[float, float]:
        """Return what it adds to the venous and the arterial pressure at `now_s`."""
        since = now_s - self.began_s
        if since < self.ramp_s:
            part = since / self.ramp_s
            return self.venous * part, self.arterial * part
        since -= self.ramp_s + self.hold_s
        if since < 0:
            return self.venous, self.arterial
        part = min(1.0, since / self.ramp_s)
        return (
            self.venous + (self.venous_after - self.venous) * part,
            self.arterial + (self.arterial_after - self.arterial) * part,
        )


class Unrest:
    """The disturbances of one treatment now.

    `lasting` (drift and what stays of movements) and `passing` change the venous pressure,
    `arterial` the other (mm[Hg]); `flow` is what the patient turned (mL/min). A patient who is
    `calm` goes on drifting and does nothing new.
    """

    def __init__(self, source: Random) -> None:
        """`source` is the seeded generator of this treatment's disturbances alone."""
        self._source = source
        self._now_s = 0.0
        self._due = {kind: self._wait(rate) for kind, rate in _PER_SECOND.items()}
        self._next_s = min(self._due.values())
        self._shifts: list[Shift] = []
        self._height_cm = 0.0
        self._stays_venous = 0.0
        self._stays_arterial = 0.0
        self._drift = 0.0
        self._slope = 0.0
        self._stretch_ends_s = 0.0
        self.lasting = 0.0
        self.passing = 0.0
        self.arterial = 0.0
        self.flow = 0.0
        self.calm = False
        self.happened: list[tuple[float, Happening]] = []

    def step(self, dt_s: float) -> None:
        """Advance by `dt_s` seconds."""
        now_s = self._now_s = self._now_s + dt_s
        if now_s >= self._stretch_ends_s:
            self._drift_on(now_s)
        self._drift += self._slope * dt_s
        if now_s >= self._next_s:
            self._happen(now_s)
        self.lasting = self._drift + self._stays_venous
        self.passing = 0.0
        self.arterial = self._stays_arterial
        if self._shifts:
            self._shift(now_s)

    def _wait(self, per_second: float) -> float:
        return self._source.expovariate(per_second)

    def _drift_on(self, now_s: float) -> None:
        source = self._source
        minutes = truncated(
            source,
            c.DRIFT_MINUTES_MEAN,
            c.DRIFT_MINUTES_SIGMA,
            c.DRIFT_MINUTES_LOW,
            c.DRIFT_MINUTES_HIGH,
        )
        if source.random() < c.DRIFT_SHARE:
            # Log-normal with the published mean and deviation: a rise is never negative.
            spread = math.log(1.0 + (c.DRIFT_RISE_SIGMA / c.DRIFT_RISE_MEAN) ** 2)
            middle = math.log(c.DRIFT_RISE_MEAN) - spread / 2.0
            rise = math.exp(source.gauss(middle, math.sqrt(spread)))
            change = min(rise, c.DRIFT_HIGHEST - self._drift)
        else:
            change = -self._drift * source.uniform(0.0, c.DRIFT_BACK)
        self._slope = change / (minutes * 60.0)
        self._stretch_ends_s = now_s + minutes * 60.0

    def _happen(self, now_s: float) -> None:
        for kind, due_s in self._due.items():
            if due_s > now_s:
                continue
            self._due[kind] = now_s + self._wait(_PER_SECOND[kind])
            if self.calm:
                continue
            self.happened.append((now_s, kind))
            match kind:
                case "cough":
                    self._shifts.append(self._cough(now_s))
                case "move":
                    self._shifts.append(self._move(now_s))
                case "reposition":
                    self._shifts.append(self._reposition(now_s))
                case "flow":
                    self._turn_flow()
        self._next_s = min(self._due.values())

    def _cough(self, now_s: float) -> Shift:
        uniform = self._source.uniform
        venous = uniform(c.COUGH_VENOUS_LOW, c.COUGH_VENOUS_HIGH)
        seconds = uniform(c.COUGH_SECONDS_LOW, c.COUGH_SECONDS_HIGH)
        # The chest presses on both sides of the circuit; the suction side feels half of it.
        return Shift(now_s, 0.3, seconds, venous, venous / 2.0)

    def _move(self, now_s: float) -> Shift:
        source = self._source
        return Shift(
            now_s,
            c.MOVE_RAMP_SECONDS,
            source.uniform(c.MOVE_SECONDS_LOW, c.MOVE_SECONDS_HIGH),
            source.uniform(c.MOVE_VENOUS_LOW, c.MOVE_VENOUS_HIGH),
            source.uniform(c.MOVE_ARTERIAL_LOW, c.MOVE_ARTERIAL_HIGH),
            venous_after=source.gauss(0.0, c.MOVE_STAYS_SIGMA),
            arterial_after=source.gauss(0.0, c.MOVE_STAYS_SIGMA),
        )

    def _reposition(self, now_s: float) -> Shift:
        source = self._source
        wanted = truncated(
            source,
            0.0,
            c.REPOSITION_SIGMA_CM,
            -c.REPOSITION_HIGHEST_CM / 2.0,
            c.REPOSITION_HIGHEST_CM / 2.0,
        )
        change = (wanted - self._height_cm) * c.MMHG_PER_CM_BLOOD
        self._height_cm = wanted
        ramp_s = source.uniform(c.REPOSITION_SECONDS_LOW, c.REPOSITION_SECONDS_HIGH)
        return Shift(now_s, ramp_s, 0.0, change, change, change, change, moves_heart=True)

    def _turn_flow(self) -> None:
        steps = self._source.randint(0, int(c.FLOW_CHANGE_STEPS))
        self.flow = -c.FLOW_CHANGE_STEP * steps

    def _shift(self, now_s: float) -> None:
        going = []
        for shift in self._shifts:
            if shift.over_s <= now_s:
                self._stays_venous += shift.venous_after
                self._stays_arterial += shift.arterial_after
                self.lasting += shift.venous_after
                self.arterial += shift.arterial_after
                continue
            venous, arterial = shift.at(now_s)
            if shift.moves_heart:
                self.lasting += venous
            else:
                self.passing += venous
            self.arterial += arterial
            going.append(shift)
        self._shifts = going
