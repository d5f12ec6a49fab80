"""Who plays: four households, a nurse and a clinic. Invented people; numbers reserved for fiction.

Telephone numbers 555-0100 to 555-0199: https://www.nationalnanpa.com/ (fictional use).
"""

from dataclasses import dataclass, field
from typing import Final

from simulator.devices.identity import Identity, cuff, machine
from simulator.physiology.circuit import Prescription
from simulator.physiology.circulation import Body
from simulator.physiology.treatment import Treatment
from simulator.scenarios import named
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.slow_hypotension import SlowHypotension

COMPANY_NUMBER: Final = "+12025550100"
CUFF_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name, a phone and a language; `resource` is the FHIR type, `id` its id."""

    resource: str
    id: str
    given: str
    family: str
    phone: str
    language: str = "en"

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given} {self.family}"

    @property
    def reference(self) -> str:
        """The FHIR reference."""
        return f"{self.resource}/{self.id}"


@dataclass(frozen=True, slots=True)
class Household:
    """A patient, the partner who is called first, the second one, and what will happen to them.

    The scenario starts `starts_after_s` seconds after the demonstration is ready; `course` says how
    much faster than the clock a slow one runs. `own_limit` is a systolic limit in mm[Hg] that a
    clinician ordered for this patient alone.
    """

    key: str
    patient: Person
    partner: Person
    second: Person
    birth_date: str
    gender: str
    scenario: str
    starts_after_s: float
    elapsed_min: float
    seed: int
    body: Body = field(default_factory=Body)
    prescription: Prescription = field(default_factory=Prescription)
    access_pressure: float = 40.0
    own_limit: int | None = None

    @property
    def machine(self) -> Identity:
        """The dialysis machine at home."""
        return machine(f"demo-{self.key}")

    @property
    def cuff(self) -> Identity:
        """The blood pressure cuff at home."""
        return cuff(f"demo-{self.key}", interval_s=CUFF_INTERVAL_S)

    def treatment(self) -> Treatment:
        """A fresh treatment, already running for `elapsed_min`."""
        return Treatment(
            self.seed,
            body=self.body,
            prescription=self.prescription,
            elapsed_min=self.elapsed_min,
            access_pressure=self.access_pressure,
        )

    def disturbance(self) -> Scenario:
        """What happens here."""
        if self.scenario == "slow-hypotension":
            # Too little fluid comes back; the machine itself stays within its prescription.
            return SlowHypotension(removal_ml_h_kg=None, refill_factor=0.0, course=100.0)
        return named(self.scenario)


def _patient(key: str, given: str, family: str, number: int, language: str = "en") -> Person:
    return Person("Patient", f"demo-patient-{key}", given, family, f"+120255501{number}", language)


def _partner(key: str, given: str, family: str, number: int, language: str = "en") -> Person:
    return Person(
        "RelatedPerson", f"demo-partner-{key}", given, family, f"+120255501{number}", language
    )


def _second(key: str, given: str, family: str, number: int, language: str = "en") -> Person:
    return Person(
        "RelatedPerson", f"demo-second-{key}", given, family, f"+120255501{number}", language
    )


NURSE: Final = Person("Practitioner", "demo-nurse", "Nina", "Clark", "+12025550150")

HOUSEHOLDS: Final = (
    Household(
        key="a",
        patient=_patient("a", "Ann", "Fischer", 11),
        partner=_partner("a", "Bob", "Fischer", 21),
        second=_second("a", "Tina", "Fischer", 31),
        birth_date="1957-03-02",
        gender="female",
        scenario="clean",
        starts_after_s=0.0,
        elapsed_min=45.0,
        seed=11,
        body=Body(systolic=126.0, pressure_noise=2.5, systolic_floor=112.0),
    ),
    Household(
        key="b",
        patient=_patient("b", "Carmen", "Ortega", 12, "es"),
        partner=_partner("b", "Luis", "Ortega", 22, "es"),
        second=_second("b", "Rosa", "Ortega", 32, "es"),
        birth_date="1949-11-20",
        gender="female",
        scenario="needle-slip-graft",
        starts_after_s=20.0,
        elapsed_min=95.0,
        seed=12,
        body=Body(systolic=131.0, pressure_noise=2.5, systolic_floor=115.0),
        # 340 mL/min through a graft: 172 mm[Hg] in the venous line, 60 of them from the access.
        prescription=Prescription(blood_flow=340.0),
        access_pressure=60.0,
    ),
    Household(
        key="c",
        patient=_patient("c", "Grace", "Miller", 13),
        partner=_partner("c", "Sam", "Miller", 23),
        second=_second("c", "Joy", "Miller", 33),
        birth_date="1962-07-15",
        gender="female",
        scenario="slow-hypotension",
        starts_after_s=8.0,
        elapsed_min=120.0,
        seed=13,
        # Settles near 96 and never under 90, the default: only her own limit explains the alert.
        body=Body(systolic=112.0, pressure_noise=0.8, systolic_floor=95.0),
        own_limit=100,
    ),
    Household(
        key="d",
        patient=_patient("d", "Henry", "Novak", 14),
        partner=_partner("d", "Eva", "Novak", 24),
        second=_second("d", "Jan", "Novak", 34),
        birth_date="1955-01-30",
        gender="male",
        scenario="device-silent",
        starts_after_s=25.0,
        elapsed_min=150.0,
        seed=14,
        body=Body(systolic=122.0, pressure_noise=2.5, systolic_floor=108.0),
    ),
)


def phones() -> tuple[Person, ...]:
    """Everybody who can be called, partners first."""
    return (
        *(home.partner for home in HOUSEHOLDS),
        *(home.second for home in HOUSEHOLDS),
        NURSE,
    )


def names() -> dict[str, str]:
    """Names by FHIR reference."""
    people = [NURSE]
    for home in HOUSEHOLDS:
        people += [home.patient, home.partner, home.second]
    return {person.reference: person.name for person in people}
