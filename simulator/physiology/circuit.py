"""The blood circuit: pump, line pressures, filter and dialysate of a haemodialysis machine.

Venous pressure is mostly the needle's resistance; the access adds only what is lost when the needle
comes out. That is why a dislodged needle is hard to see
(https://pubmed.ncbi.nlm.nih.gov/24341865/).
"""

import math
from dataclasses import dataclass
from random import Random

from simulator.physiology import constants as c
from simulator.physiology.noise import Wander


@dataclass(frozen=True, slots=True)
class Prescription:
    """What the machine was set to: mL/min, mL/min, mL/h, min."""

    blood_flow: float = c.BLOOD_FLOW
    dialysate_flow: float = c.DIALYSATE_FLOW
    ultrafiltration_ml_h: float = c.ULTRAFILTRATION_RATE
    minutes: float = c.TREATMENT_MINUTES


class Circuit:
    """Flows and pressures of one machine; `access_loss` is what a lost access takes away."""

    def __init__(
        self,
        prescription: Prescription,
        source: Random,
        *,
        access_pressure: float = c.ACCESS_PRESSURE,
        needle_resistance: float = c.NEEDLE_RESISTANCE,
        running: bool = True,
    ) -> None:
        self._access_pressure = access_pressure
        self._needle_resistance = needle_resistance
        self._source = source
        self._venous_drift = Wander(c.VENOUS_DRIFT_SIGMA, c.VENOUS_DRIFT_TAU, source)
        self._arterial_noise = Wander(c.ARTERIAL_NOISE_SIGMA, c.ARTERIAL_NOISE_TAU, source)
        self._filter_noise = Wander(c.TRANSMEMBRANE_NOISE_SIGMA, c.ARTERIAL_NOISE_TAU, source)
        self._phase = source.random()
        self.prescription = prescription
        self.ultrafiltration_ml_h = prescription.ultrafiltration_ml_h
        self.pump_on = running
        self.blood_flow = prescription.blood_flow if running else 0.0
        self.access_loss = 0.0
        self.clot = 0.0

    def step(self, dt_s: float) -> None:
        """Advance pump and noise by `dt_s` seconds."""
        if self.pump_on:
            self.blood_flow = min(
                self.prescription.blood_flow, self.blood_flow + c.BLOOD_FLOW_RAMP * dt_s
            )
        else:
            braking = self.prescription.blood_flow / c.PUMP_STOP_SECONDS
            self.blood_flow = max(0.0, self.blood_flow - braking * dt_s)
        self._venous_drift.step(dt_s)
        self._arterial_noise.step(dt_s)
        self._filter_noise.step(dt_s)
        # The golden ratio keeps whole-second samples from always meeting the same part of a turn.
        self._phase = (self._phase + 0.6180339887 * dt_s) % 1.0

    @property
    def operating_venous_pressure(self) -> float:
        """The venous pressure at the prescribed flow without noise, mm[Hg]."""
        return self._access_pressure + self._needle_resistance * self.prescription.blood_flow

    @property
    def venous_pressure(self) -> float:
        """Venous pressure now, mm[Hg]."""
        ripple = c.PUMP_RIPPLE * math.sin(2.0 * math.pi * self._phase) if self.blood_flow else 0.0
        access = self._access_pressure - self.access_loss
        return (
            access
            + self._needle_resistance * self.blood_flow
            + (self._venous_drift.value + self.clot if self.blood_flow else 0.0)
            + ripple
        )

    @property
    def arterial_pressure(self) -> float:
        """Pressure before the pump, mm[Hg], negative while it sucks."""
        if not self.blood_flow:
            return 0.0
        return -c.ARTERIAL_RESISTANCE * self.blood_flow + self._arterial_noise.value

    @property
    def ultrafiltration_now(self) -> float:
        """Ultrafiltration rate now, mL/h: nothing is removed while the pump stands."""
        return self.ultrafiltration_ml_h if self.pump_on else 0.0

    @property
    def transmembrane_pressure(self) -> float:
        """Transmembrane pressure now, mm[Hg]."""
        return (
            c.TRANSMEMBRANE_OFFSET
            + self.ultrafiltration_now / c.ULTRAFILTRATION_COEFFICIENT
            + self._filter_noise.value
            + self.clot
        )

    def conductivity(self) -> float:
        """One reading of the dialysate's conductivity, mS/cm."""
        return self._source.gauss(c.CONDUCTIVITY, c.CONDUCTIVITY_SIGMA)

    def dialysate_temperature(self) -> float:
        """One reading of the dialysate's temperature, Cel."""
        return self._source.gauss(c.DIALYSATE_TEMPERATURE, c.DIALYSATE_TEMPERATURE_SIGMA)
