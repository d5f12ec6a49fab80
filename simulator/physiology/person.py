"""People by seed: a body, an access and a prescription that fits them.

The same seed is the same person. Access pressures follow https://pubmed.ncbi.nlm.nih.gov/24341865/
(fistula 32.6 +- 23.5, graft 60.9 +- 19.5 mm[Hg]). A prescription fits when the line pressures stay
in their usual range and removing the water does not by itself make the pressure fall too low: a
clean treatment is that of somebody whose prescription fits.
"""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from simulator.physiology import constants as c
from simulator.physiology.circuit import Prescription, Profile
from simulator.physiology.circulation import Body, Circulation
from simulator.physiology.unrest import truncated

Access = Literal["fistula", "graft", "catheter"]
PROFILES: Final[tuple[Profile, ...]] = ("constant", "falling", "steps")
_PRESSURES: Final[dict[Access, tuple[float, float, float, float]]] = {
    "fistula": (
        c.FISTULA_PRESSURE_MEAN,
        c.FISTULA_PRESSURE_SIGMA,
        c.FISTULA_PRESSURE_LOW,
        c.FISTULA_PRESSURE_HIGH,
    ),
    "graft": (
        c.GRAFT_PRESSURE_MEAN,
        c.GRAFT_PRESSURE_SIGMA,
        c.GRAFT_PRESSURE_LOW,
        c.GRAFT_PRESSURE_HIGH,
    ),
    "catheter": (
        c.CATHETER_PRESSURE_MEAN,
        c.CATHETER_PRESSURE_SIGMA,
        c.CATHETER_PRESSURE_LOW,
        c.CATHETER_PRESSURE_HIGH,
    ),
}


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated person: pressures in mm[Hg], resistances in mm[Hg].min/mL."""

    access: Access
    access_pressure: float
    needle_resistance: float
    arterial_resistance: float
    body: Body
    prescription: Prescription


def person(
    seed: int | str, *, minutes: float = c.TREATMENT_MINUTES, access: Access | None = None
) -> Person:
    """Return the person of `seed` with a fitting prescription of `minutes`; `access` None draws
    it.
    """
    source = Random(f"{seed}/person")
    drawn = source.random()
    kind = access or _access(drawn)
    access_pressure = truncated(source, *_PRESSURES[kind])
    needle = truncated(
        source,
        c.NEEDLE_RESISTANCE,
        c.NEEDLE_RESISTANCE_SIGMA,
        c.NEEDLE_RESISTANCE_LOW,
        c.NEEDLE_RESISTANCE_HIGH,
    )
    arterial = truncated(
        source,
        c.ARTERIAL_RESISTANCE,
        c.ARTERIAL_RESISTANCE_SIGMA,
        c.ARTERIAL_RESISTANCE_LOW,
        c.ARTERIAL_RESISTANCE_HIGH,
    )
    weight = truncated(source, c.WEIGHT, c.WEIGHT_SIGMA, c.WEIGHT_LOW, c.WEIGHT_HIGH)
    body = Body(
        weight_kg=round(weight, 1),
        systolic=truncated(
            source, c.SYSTOLIC_MEAN, c.SYSTOLIC_SIGMA, c.SYSTOLIC_LOW, c.SYSTOLIC_HIGH
        ),
        heart_rate=truncated(
            source, c.HEART_RATE, c.HEART_RATE_SIGMA, c.HEART_RATE_LOW, c.HEART_RATE_HIGH
        ),
    )
    wanted_flow = truncated(
        source, c.BLOOD_FLOW_MEAN, c.BLOOD_FLOW_SIGMA, c.BLOOD_FLOW_LOW, c.BLOOD_FLOW_HIGH
    )
    flow = min(
        wanted_flow,
        (c.OPERATING_VENOUS_HIGHEST - access_pressure) / needle,
        c.OPERATING_ARTERIAL_LOWEST / -arterial,
    )
    removal = truncated(
        source,
        c.REMOVAL_PER_KG_MEAN,
        c.REMOVAL_PER_KG_SIGMA,
        c.REMOVAL_PER_KG_LOW,
        c.REMOVAL_PER_KG_HIGH,
    )
    profile = source.choice(PROFILES)
    prescription = Prescription(
        blood_flow=round(flow / 10.0) * 10.0,
        ultrafiltration_ml_h=min(c.REMOVAL_HIGHEST, round(removal * weight / 10.0) * 10.0),
        minutes=minutes,
        profile=profile,
    )
    return Person(kind, access_pressure, needle, arterial, body, _fitted(body, prescription))


def _access(drawn: float) -> Access:
    if drawn < c.GRAFT_SHARE:
        return "graft"
    return "catheter" if drawn < c.GRAFT_SHARE + c.CATHETER_SHARE else "fistula"


def _fitted(body: Body, prescription: Prescription) -> Prescription:
    """Lower the removal until the undisturbed pressure stays above the fitting one."""
    while _nadir(body, prescription) < c.FITTING_SYSTOLIC:
        prescription = prescription.removing(prescription.ultrafiltration_ml_h * 0.9)
    return prescription


def _nadir(body: Body, prescription: Prescription) -> float:
    circulation = Circulation(body.still(), Random(0))
    lowest = body.systolic
    for minute in range(int(prescription.minutes)):
        circulation.remove(60.0, prescription.removal_at(minute * 60.0))
        lowest = min(lowest, circulation.systolic)
    return lowest
