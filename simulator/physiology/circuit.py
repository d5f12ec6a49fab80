"""The blood circuit: pump, line pressures, filter and dialysate of a haemodialysis machine.

Venous pressure is mostly the needle's resistance; the access adds only what is lost when the needle
comes out. That is why a dislodged needle is hard to see
(https://pubmed.ncbi.nlm.nih.gov/24341865/).
"""

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, Self

from simulator.physiology import constants as c
from simulator.physiology.noise import Wander
from simulator.physiology.unrest import Unrest

Profile = Literal["constant", "falling", "steps"]

# Plain numbers: attribute look-ups and float subclasses would double the cost of a step.
_RAMP = float(c.BLOOD_FLOW_RAMP)
_TURN = float(c.FLOW_CHANGE_RAMP)
_RIPPLE = float(c.PUMP_RIPPLE)
_OFFSET = float(c.TRANSMEMBRANE_OFFSET)
_FILTER = float(c.ULTRAFILTRATION_COEFFICIENT)
_CONDUCTIVITY = (float(c.CONDUCTIVITY), float(c.CONDUCTIVITY_SIGMA))
_TEMPERATURE = (float(c.DIALYSATE_TEMPERATURE), float(c.DIALYSATE_TEMPERATURE_SIGMA))
_TWO_PI = 2.0 * math.pi


@dataclass(frozen=True, slots=True)
class Prescription:
    """What the machine was set to: mL/min, mL/min, mL/h, min, and how the removal is spread."""

    blood_flow: float = c.BLOOD_FLOW
    dialysate_flow: float = c.DIALYSATE_FLOW
    ultrafiltration_ml_h: float = c.ULTRAFILTRATION_RATE
    minutes: float = c.TREATMENT_MINUTES
    profile: Profile = "constant"

    def removing(self, ultrafiltration_ml_h: float) -> Self:
        """Return the same prescription with another mean removal rate (mL/h)."""
        return replace(self, ultrafiltration_ml_h=ultrafiltration_ml_h)

    def removal_at(self, elapsed_s: float) -> float:
        """Return the removal rate (mL/h) `elapsed_s` seconds into the treatment."""
        rate = self.ultrafiltration_ml_h
        if self.profile == "constant":
            return rate
        part = elapsed_s / (self.minutes * 60.0)
        if self.profile == "falling":
            return rate * (1.0 + c.REMOVAL_PROFILE * (1.0 - 2.0 * min(1.0, part)))
        return rate * (1.0 + c.REMOVAL_PROFILE * (1 - min(2, int(part * 3.0))))


class Circuit:
    """Flows and pressures of one machine.

    What may go wrong is added from outside: `access_loss` (mm[Hg] that a slipped needle takes
    away) and `needle_out` (how far it is out of the vessel, 0..1), `line_open` (the venous line
    ends in the air), `clot` and `clot_venous` (mm[Hg] on filter and chamber), `venous_obstruction`
    and `arterial_obstruction` (mm[Hg] at the running flow).
    """

    def __init__(
        self,
        prescription: Prescription,
        source: Random,
        *,
        access_pressure: float = c.ACCESS_PRESSURE,
        needle_resistance: float = c.NEEDLE_RESISTANCE,
        arterial_resistance: float = c.ARTERIAL_RESISTANCE,
        running: bool = True,
        unrest: Unrest | None = None,
    ) -> None:
        self.access_pressure = float(access_pressure)
        self._needle_resistance = float(needle_resistance)
        self._arterial_resistance = float(arterial_resistance)
        self._gauss = source.gauss
        self._venous_drift = Wander(c.VENOUS_DRIFT_SIGMA, c.VENOUS_DRIFT_TAU, source)
        self._venous_noise = Wander(c.VENOUS_NOISE_SIGMA, c.VENOUS_NOISE_TAU, source)
        self._arterial_noise = Wander(c.ARTERIAL_NOISE_SIGMA, c.ARTERIAL_NOISE_TAU, source)
        self._filter_noise = Wander(c.TRANSMEMBRANE_NOISE_SIGMA, c.ARTERIAL_NOISE_TAU, source)
        self._phase = source.random()
        self.unrest = unrest
        self._braking = float(prescription.blood_flow) / c.PUMP_STOP_SECONDS
        self.prescription = prescription
        self.ultrafiltration_ml_h = float(prescription.ultrafiltration_ml_h)
        self.pump_on = running
        self.blood_flow = float(prescription.blood_flow) if running else 0.0
        self.flow_ordered = float(prescription.blood_flow)
        self.access_loss = 0.0
        self.needle_out = 0.0
        self.line_open = False
        self.clot = 0.0
        self.clot_venous = 0.0
        self.venous_obstruction = 0.0
        self.arterial_obstruction = 0.0

    @property
    def flow_wanted(self) -> float:
        """The blood flow the pump is set to now, mL/min: the order and what the patient turned."""
        return self.flow_ordered + (0.0 if self.unrest is None else self.unrest.flow)

    def step(self, dt_s: float) -> None:
        """Advance pump and noise by `dt_s` seconds."""
        flow = self.blood_flow
        if self.pump_on:
            wanted = self.flow_wanted
            if flow != wanted:
                # Starting is slow; turning the knob while running is followed within seconds.
                rise = (_RAMP if wanted - flow > 60.0 else _TURN) * dt_s
                self.blood_flow = (
                    min(wanted, flow + rise) if flow < wanted else max(wanted, flow - _TURN * dt_s)
                )
        elif flow:
            self.blood_flow = max(0.0, flow - self._braking * dt_s)
        if self.unrest is not None:
            self.unrest.step(dt_s)
        self._venous_drift.step(dt_s)
        self._venous_noise.step(dt_s)
        self._arterial_noise.step(dt_s)
        self._filter_noise.step(dt_s)
        # The golden ratio keeps whole-second samples from always meeting the same part of a turn.
        self._phase = (self._phase + 0.6180339887 * dt_s) % 1.0

    @property
    def operating_venous_pressure(self) -> float:
        """The venous pressure at the prescribed flow without noise, mm[Hg]."""
        return self.access_pressure + self._needle_resistance * self.flow_ordered

    @property
    def undisturbed_venous_pressure(self) -> float:
        """The venous pressure now without noise and passing disturbances, mm[Hg]."""
        flow = self.blood_flow
        pressure = self.access_pressure - self.access_loss
        if self.unrest is not None:
            pressure += self.unrest.lasting
        if flow:
            pressure += self._needle_resistance * flow + self.clot_venous + self.venous_obstruction
        return pressure

    @property
    def slow_venous_pressure(self) -> float:
        """The venous pressure now with its slow wandering, without breaths and coughs, mm[Hg]."""
        return self.undisturbed_venous_pressure + self._venous_drift.value

    @property
    def venous_pressure(self) -> float:
        """Venous pressure now, mm[Hg]."""
        if self.line_open:
            return self._venous_noise.value
        pressure = self.undisturbed_venous_pressure
        if self.unrest is not None:
            # A cough or the vessel's wall reaches only a needle that still is in the vessel; a tip
            # that was free of the wall stays free.
            passing = self.unrest.passing
            pressure += passing * (1.0 - self.needle_out) if passing > 0.0 else passing
        if not self.blood_flow:
            return pressure
        return (
            pressure
            + self._venous_drift.value
            + self._venous_noise.value
            + _RIPPLE * math.sin(_TWO_PI * self._phase)
        )

    @property
    def arterial_pressure(self) -> float:
        """Pressure before the pump, mm[Hg], negative while it sucks."""
        if not self.blood_flow:
            return 0.0
        pressure = (
            -self._arterial_resistance * self.blood_flow
            + self._arterial_noise.value
            - self.arterial_obstruction
        )
        return pressure if self.unrest is None else pressure + self.unrest.arterial

    @property
    def ultrafiltration_now(self) -> float:
        """Ultrafiltration rate now, mL/h: nothing is removed while the pump stands."""
        return self.ultrafiltration_ml_h if self.pump_on else 0.0

    @property
    def transmembrane_pressure(self) -> float:
        """Transmembrane pressure now, mm[Hg]."""
        return _OFFSET + self.ultrafiltration_now / _FILTER + self._filter_noise.value + self.clot

    def conductivity(self) -> float:
        """One reading of the dialysate's conductivity, mS/cm."""
        return self._gauss(*_CONDUCTIVITY)

    def dialysate_temperature(self) -> float:
        """One reading of the dialysate's temperature, Cel."""
        return self._gauss(*_TEMPERATURE)
