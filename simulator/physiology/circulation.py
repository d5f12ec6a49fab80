"""The person: extracellular fluid, plasma refill, blood volume, pressure and heart rate.

Ultrafiltration takes water from the blood; fluid above dry weight refills it. When more is taken
than comes back, the relative blood volume falls, and past a reserve the systolic pressure
follows. Proposal for review, see the constants.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Self

from simulator.physiology import constants as c
from simulator.physiology.noise import Wander

_REFILL = float(c.REFILL_PER_HOUR)


@dataclass(frozen=True, slots=True)
class Body:
    """A person before the treatment: kg, mm[Hg], /min; the noise and floor shape a story."""

    weight_kg: float = c.WEIGHT
    systolic: float = c.SYSTOLIC
    heart_rate: float = c.HEART_RATE
    overload_ml: float | None = None
    pressure_noise: float = c.PRESSURE_NOISE_SIGMA
    systolic_floor: float = c.LOWEST_SYSTOLIC

    def still(self) -> Self:
        """Return the same body without noise."""
        return replace(self, pressure_noise=0.0)


@dataclass(frozen=True, slots=True)
class BloodPressure:
    """One cuff reading in mm[Hg], pulse in /min."""

    systolic: int
    diastolic: int
    mean: int
    pulse: int


class Circulation:
    """The state of one person's fluid and pressure.

    `refill_factor` scales the refill of plasma; `fall` is taken off the systolic pressure (mm[Hg]):
    vessels that give way.
    """

    def __init__(self, body: Body, source: Random) -> None:
        self.body = body
        self._initial_ml = float(c.BLOOD_VOLUME_PER_KG) * float(body.weight_kg)
        self.blood_ml: float = self._initial_ml
        self.overload_ml: float = float(
            body.overload_ml if body.overload_ml is not None else c.OVERLOAD_PER_KG * body.weight_kg
        )
        self.refill_factor = 1.0
        self.fall = 0.0
        self._pressure_noise = Wander(body.pressure_noise, c.PRESSURE_NOISE_TAU, source)
        self._rate_noise = Wander(c.HEART_RATE_NOISE_SIGMA, c.PRESSURE_NOISE_TAU, source)

    def remove(self, dt_s: float, ultrafiltration_ml_h: float) -> None:
        """Move fluid for `dt_s` seconds at the given removal rate (mL/h)."""
        hours = dt_s / 3600.0
        refill_ml = min(
            _REFILL * self.refill_factor * self.overload_ml * hours,
            self._initial_ml - self.blood_ml + ultrafiltration_ml_h * hours,
        )
        self.overload_ml -= refill_ml
        self.blood_ml += refill_ml - ultrafiltration_ml_h * hours

    def bleed(self, lost_ml: float) -> None:
        """Lose blood to the outside."""
        self.blood_ml = max(0.0, self.blood_ml - lost_ml)

    def wander(self, dt_s: float) -> None:
        """Let the noise of pressure and heart rate go on for `dt_s` seconds."""
        self._pressure_noise.step(dt_s)
        self._rate_noise.step(dt_s)

    @property
    def relative_blood_volume(self) -> float:
        """Blood volume over that at the start, 0..1."""
        return self.blood_ml / self._initial_ml

    @property
    def systolic(self) -> float:
        """Systolic pressure now, mm[Hg]; never under the body's floor."""
        lost = max(0.0, 1.0 - self.relative_blood_volume - c.VOLUME_RESERVE)
        fallen = self.body.systolic * (1.0 - c.PRESSURE_SENSITIVITY * lost) - self.fall
        return max(self.body.systolic_floor, fallen + self._pressure_noise.value)

    @property
    def heart_rate(self) -> float:
        """Heart rate now, /min."""
        drop = max(0.0, self.body.systolic - self.systolic)
        rate = self.body.heart_rate + c.HEART_RATE_PER_MMHG * drop
        return min(c.HIGHEST_HEART_RATE, rate) + self._rate_noise.value

    def measure(self) -> BloodPressure:
        """What a cuff shows now."""
        systolic = self.systolic
        diastolic = systolic * c.DIASTOLIC_RATIO
        return BloodPressure(
            systolic=round(systolic),
            diastolic=round(diastolic),
            mean=round(diastolic + (systolic - diastolic) / 3.0),
            pulse=round(self.heart_rate),
        )
