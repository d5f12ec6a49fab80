"""One treatment: a person and a machine advancing together, one step at a time.

A treatment may begin in the middle: the fluid model is run forward without noise to the given
minute, so the device's clock can be the wall clock. `course` says how much faster than the wall
clock the body changes (a demonstration does not wait two hours); pumps, pressures and the
machine's accounts of volume and time stay true to the clock.
"""

from random import Random

from simulator.physiology import constants as c
from simulator.physiology.circuit import Circuit, Prescription
from simulator.physiology.circulation import BloodPressure, Body, Circulation

PREROLL_STEP_S = 60.0


class Treatment:
    """A running treatment."""

    def __init__(
        self,
        seed: int,
        *,
        body: Body | None = None,
        prescription: Prescription | None = None,
        elapsed_min: float = 0.0,
        access_pressure: float = c.ACCESS_PRESSURE,
    ) -> None:
        """`seed` fixes every number; `elapsed_min` > 0 starts in the middle of the treatment."""
        source = Random(seed)
        self.prescription = prescription or Prescription()
        self.circulation = Circulation(body or Body(), source)
        self.circuit = Circuit(
            self.prescription,
            source,
            access_pressure=access_pressure,
            running=elapsed_min > 0,
        )
        self.circuit.pump_on = True
        self.course = 1.0
        self.elapsed_s = elapsed_min * 60.0
        self.removed_ml = self.prescription.ultrafiltration_ml_h * elapsed_min / 60.0
        self.blood_processed_l = self.prescription.blood_flow * elapsed_min / 1000.0
        rolled_s = 0.0
        while rolled_s < self.elapsed_s:
            self.circulation.remove(PREROLL_STEP_S, self.prescription.ultrafiltration_ml_h)
            rolled_s += PREROLL_STEP_S

    def step(self, dt_s: float = 1.0) -> None:
        """Advance everything by `dt_s` seconds."""
        self.circuit.step(dt_s)
        if self.finished:
            self.circuit.ultrafiltration_ml_h = 0.0
        rate = self.circuit.ultrafiltration_now
        self.circulation.remove(dt_s * self.course, rate)
        self.circulation.wander(dt_s)
        if self.circuit.pump_on:
            self.elapsed_s += dt_s
            self.removed_ml += rate * dt_s / 3600.0
            self.blood_processed_l += self.circuit.blood_flow * dt_s / 60_000.0

    @property
    def finished(self) -> bool:
        """Whether the prescribed time is over."""
        return self.elapsed_s >= self.prescription.minutes * 60.0

    @property
    def remaining_min(self) -> float:
        """Minutes of treatment left; counts only while treating."""
        return max(0.0, self.prescription.minutes - self.elapsed_s / 60.0)

    def blood_pressure(self) -> BloodPressure:
        """What a cuff would show now."""
        return self.circulation.measure()

    def readings(self) -> dict[str, int | float]:
        """What the machine shows now, by MDC code; the units are those of its birth message."""
        circuit = self.circuit
        return {
            "158776": round(circuit.venous_pressure),
            "158744": round(circuit.arterial_pressure),
            "158852": round(circuit.transmembrane_pressure),
            "158740": round(circuit.blood_flow),
            "158792": round(self.prescription.dialysate_flow),
            "159036": round(circuit.ultrafiltration_now),
            "159032": round(self.removed_ml),
            "158720": int(self.elapsed_s // 60),
            "158724": round(self.remaining_min),
            "158772": round(self.blood_processed_l, 1),
            "158788": round(circuit.conductivity(), 2),
            "158796": round(circuit.dialysate_temperature(), 1),
        }
