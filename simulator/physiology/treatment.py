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
from simulator.physiology.person import Person
from simulator.physiology.unrest import Unrest

PREROLL_STEP_S = 60.0


class Treatment:
    """A running treatment.

    `course` speeds up the body; `removal_ml_h`, when not None, replaces the prescribed removal;
    `bleeding` is the part of the blood flow (0..1) that does not come back to the patient.
    """

    def __init__(
        self,
        seed: int | str,
        *,
        body: Body | None = None,
        prescription: Prescription | None = None,
        elapsed_min: float = 0.0,
        access_pressure: float = c.ACCESS_PRESSURE,
        needle_resistance: float = c.NEEDLE_RESISTANCE,
        arterial_resistance: float = c.ARTERIAL_RESISTANCE,
        restless: bool = False,
    ) -> None:
        """`seed` fixes every number; `elapsed_min` > 0 starts in the middle of the treatment.

        `restless` adds what a patient who does not lie still does to the pressures.
        """
        source = Random(seed)
        self.prescription = prescription or Prescription()
        self.circulation = Circulation(body or Body(), source)
        self.circuit = Circuit(
            self.prescription,
            source,
            access_pressure=access_pressure,
            needle_resistance=needle_resistance,
            arterial_resistance=arterial_resistance,
            running=elapsed_min > 0,
            unrest=Unrest(Random(f"{seed}/unrest")) if restless else None,
        )
        self.circuit.pump_on = True
        self.course = 1.0
        self.removal_ml_h: float | None = None
        self.bleeding = 0.0
        self.lost_ml = 0.0
        self.removed_ml = 0.0
        self.blood_processed_l = self.prescription.blood_flow * elapsed_min / 1000.0
        self._length_s = self.prescription.minutes * 60.0
        self.elapsed_s = 0.0
        while self.elapsed_s < elapsed_min * 60.0:
            step_s = min(PREROLL_STEP_S, elapsed_min * 60.0 - self.elapsed_s)
            rate = self.prescription.removal_at(self.elapsed_s)
            self.circulation.remove(step_s, rate)
            self.removed_ml += rate * step_s / 3600.0
            self.elapsed_s += step_s

    @classmethod
    def of(cls, person: Person, seed: int | str, *, elapsed_min: float = 0.0) -> "Treatment":
        """Return the treatment of `person`, who does not lie still."""
        return cls(
            seed,
            body=person.body,
            prescription=person.prescription,
            elapsed_min=elapsed_min,
            access_pressure=person.access_pressure,
            needle_resistance=person.needle_resistance,
            arterial_resistance=person.arterial_resistance,
            restless=True,
        )

    def step(self, dt_s: float = 1.0, *, treating: bool = True) -> None:
        """Advance everything by `dt_s` seconds; `treating` False removes no water and counts no
        time.
        """
        circuit = self.circuit
        circuit.step(dt_s)
        if not treating or self.elapsed_s >= self._length_s:
            rate = 0.0
        elif self.removal_ml_h is not None:
            rate = self.removal_ml_h
        else:
            rate = self.prescription.removal_at(self.elapsed_s)
        circuit.ultrafiltration_ml_h = rate
        rate = circuit.ultrafiltration_now
        self.circulation.remove(dt_s * self.course, rate)
        self.circulation.wander(dt_s)
        if self.bleeding:
            lost_ml = self.bleeding * circuit.blood_flow * dt_s / 60.0
            self.lost_ml += lost_ml
            self.circulation.bleed(lost_ml)
        if circuit.pump_on:
            if treating:
                self.elapsed_s += dt_s
            self.removed_ml += rate * dt_s / 3600.0
            self.blood_processed_l += circuit.blood_flow * dt_s / 60_000.0

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
