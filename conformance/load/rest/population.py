"""A synthetic population whose every fact is known: patient number N is always the same person with the same record.

Nothing is kept: a patient is made anew from its number whenever it is needed, so that the same code fills a server
and, independently of it, counts what each search must find. Distributions are made up for measuring; they describe
nobody. Pure.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

Json = dict[str, Any]

ORGANIZATIONS: Final = 20
PRACTITIONERS: Final = 100
ENCOUNTERS: Final = 8
OBSERVATIONS: Final = 100
REQUESTS: Final = 5
# One patient, its encounters, observations and prescriptions.
ENTRIES: Final = 1 + ENCOUNTERS + OBSERVATIONS + REQUESTS
FAMILIES: Final = tuple(
    first + second
    for first in ("Abb", "Bar", "Cor", "Dun", "Eck", "Far", "Gal", "Hor", "Ive", "Jan")
    for second in ("ott", "ker", "bin", "can", "hart", "ley", "lo", "ton", "rson", "sen")
)
GIVEN: Final = (
    "Ada",
    "Ben",
    "Cleo",
    "Dina",
    "Emil",
    "Fay",
    "Gus",
    "Hana",
    "Ilse",
    "Joel",
    "Kaya",
    "Leo",
)
CITIES: Final = (
    "Boston",
    "Lowell",
    "Salem",
    "Quincy",
    "Lynn",
    "Newton",
    "Revere",
    "Malden",
    "Medford",
    "Woburn",
)
STATUSES: Final = ("finished",) * 17 + ("in-progress", "cancelled", "planned")
CLASSES: Final = ("AMB",) * 6 + ("EMER", "IMP", "HH", "VR")
_ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_LOINC: Final = "http://loinc.org"
_UCUM: Final = "http://unitsofmeasure.org"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_FIRST: Final = datetime(2016, 1, 1, tzinfo=UTC)
_DAYS: Final = 3650
BLOOD_PRESSURE: Final = "85354-9"
SYSTOLIC: Final = "8480-6"
DIASTOLIC: Final = "8462-4"


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured: a LOINC code, its category, the UCUM unit, and the range [low, high) of its values."""

    code: str
    display: str
    category: str
    unit: str
    low: int
    high: int
    decimals: int


METRICS: Final = (
    Metric("8867-4", "Heart rate", "vital-signs", "/min", 45, 130, 0),
    Metric("8310-5", "Body temperature", "vital-signs", "Cel", 35, 40, 1),
    Metric("29463-7", "Body weight", "vital-signs", "kg", 45, 120, 1),
    Metric("2708-6", "Oxygen saturation", "vital-signs", "%", 88, 100, 0),
    Metric("9279-1", "Respiratory rate", "vital-signs", "/min", 10, 30, 0),
    Metric("2823-3", "Potassium", "laboratory", "mmol/L", 3, 7, 1),
    Metric("2160-0", "Creatinine", "laboratory", "mg/dL", 1, 12, 2),
    Metric("718-7", "Hemoglobin", "laboratory", "g/dL", 7, 16, 1),
    Metric("2339-0", "Glucose", "laboratory", "mg/dL", 60, 300, 0),
)  # fmt: skip
_SYSTOLIC: Final = Metric(SYSTOLIC, "Systolic blood pressure", "vital-signs", "mm[Hg]", 90, 190, 0)
_DIASTOLIC: Final = Metric(
    DIASTOLIC, "Diastolic blood pressure", "vital-signs", "mm[Hg]", 50, 110, 0
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One observation: `metric` None is a blood pressure, whose `value` is systolic and `second` diastolic."""

    metric: Metric | None
    value: Decimal
    second: Decimal
    encounter: int
    practitioner: int
    taken: datetime

    @property
    def code(self) -> str:
        """The LOINC code of the whole."""
        return BLOOD_PRESSURE if self.metric is None else self.metric.code

    @property
    def category(self) -> str:
        """The code of its category."""
        return "vital-signs" if self.metric is None else self.metric.category


@dataclass(frozen=True, slots=True)
class Visit:
    """One encounter."""

    status: str
    class_code: str
    start: datetime
    practitioner: int


@dataclass(frozen=True, slots=True)
class Person:
    """One patient with everything of theirs. `requests` are the practitioners who prescribed."""

    number: int
    family: str
    given: str
    gender: str
    born: date
    city: str
    organization: int
    visits: tuple[Visit, ...]
    measurements: tuple[Measurement, ...]
    requests: tuple[tuple[int, int], ...]


def person(number: int) -> Person:
    """Return patient `number` (from 0): the same every time."""
    chance = random.Random(number)
    visits = tuple(
        Visit(
            chance.choice(STATUSES),
            chance.choice(CLASSES),
            _FIRST + timedelta(days=chance.randrange(_DAYS), minutes=chance.randrange(1440)),
            chance.randrange(PRACTITIONERS),
        )
        for _ in range(ENCOUNTERS)
    )
    return Person(
        number,
        chance.choice(FAMILIES),
        chance.choice(GIVEN),
        chance.choice(("female", "male")),
        date(1930, 1, 1) + timedelta(days=chance.randrange(80 * 365)),
        chance.choice(CITIES),
        chance.randrange(ORGANIZATIONS),
        visits,
        tuple(_measurement(chance, visits) for _ in range(OBSERVATIONS)),
        tuple(
            (chance.randrange(ENCOUNTERS), chance.randrange(PRACTITIONERS)) for _ in range(REQUESTS)
        ),
    )


def _measurement(chance: random.Random, visits: tuple[Visit, ...]) -> Measurement:
    which = chance.randrange(len(METRICS) + 1)
    encounter = chance.randrange(ENCOUNTERS)
    practitioner = chance.randrange(PRACTITIONERS)
    taken = visits[encounter].start + timedelta(seconds=chance.randrange(7200))
    if which == len(METRICS):
        value, second = _value(chance, _SYSTOLIC), _value(chance, _DIASTOLIC)
        return Measurement(None, value, second, encounter, practitioner, taken)
    metric = METRICS[which]
    return Measurement(metric, _value(chance, metric), Decimal(0), encounter, practitioner, taken)


def _value(chance: random.Random, metric: Metric) -> Decimal:
    scale = 10**metric.decimals
    return Decimal(chance.randrange(metric.low * scale, metric.high * scale)).scaleb(
        -metric.decimals
    )


def staff() -> Json:
    """Return the transaction that makes the organizations and practitioners, under ids of ours."""
    entries = [
        _put("Organization", f"org-{number}", {"active": True, "name": f"{CITIES[number % 10]} Renal Group {number}"})
        for number in range(ORGANIZATIONS)
    ]  # fmt: skip
    entries += [
        _put("Practitioner", f"prac-{number}", {"active": True, "name": [{"family": f"Doctor{number}", "given": ["Sam"]}]})
        for number in range(PRACTITIONERS)
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def record(people: tuple[Person, ...]) -> Json:
    """Return the transaction that makes `people` with all of theirs; references inside are urn:uuid."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [entry for one in people for entry in _entries(one)],
    }


def identifier(number: int) -> str:
    """Return the medical record number of patient `number`."""
    return f"MRN-{number:07}"


def _entries(one: Person) -> list[Json]:
    patient = _urn(one.number, 0)
    found = [_post(patient, "Patient", _patient(one))]
    subject = {"reference": patient}
    for number, visit in enumerate(one.visits):
        found.append(_post(_urn(one.number, 1 + number), "Encounter", _encounter(visit, subject)))
    for number, measurement in enumerate(one.measurements):
        content = _observation(measurement, subject, _urn(one.number, 1 + measurement.encounter))
        found.append(_post(_urn(one.number, 100 + number), "Observation", content))
    for number, (encounter, practitioner) in enumerate(one.requests):
        content = {
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {
                "coding": [
                    {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}
                ],
                "text": "lisinopril 10 MG Oral Tablet",
            },
            "subject": subject,
            "encounter": {"reference": _urn(one.number, 1 + encounter)},
            "authoredOn": _instant(one.visits[encounter].start),
            "requester": {"reference": f"Practitioner/prac-{practitioner}"},
        }
        found.append(_post(_urn(one.number, 1000 + number), "MedicationRequest", content))
    return found


def _patient(one: Person) -> Json:
    return {
        "identifier": [{"system": "http://hospital.example.org/mrn", "value": identifier(one.number)}],
        "name": [{"use": "official", "family": one.family, "given": [one.given]}],
        "gender": one.gender,
        "birthDate": one.born.isoformat(),
        "address": [{"line": [f"{one.number % 400} Mill Street"], "city": one.city, "state": "MA", "country": "US"}],
        "managingOrganization": {"reference": f"Organization/org-{one.organization}"},
    }  # fmt: skip


def _encounter(visit: Visit, subject: Json) -> Json:
    return {
        "status": visit.status,
        "class": {"system": _ACT, "code": visit.class_code},
        "subject": subject,
        "participant": [{"individual": {"reference": f"Practitioner/prac-{visit.practitioner}"}}],
        "period": {
            "start": _instant(visit.start),
            "end": _instant(visit.start + timedelta(hours=2)),
        },
    }


def _observation(one: Measurement, subject: Json, encounter: str) -> Json:
    content: Json = {
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": one.category}]}],
        "code": {"coding": [{"system": _LOINC, "code": one.code}]},
        "subject": subject,
        "encounter": {"reference": encounter},
        "effectiveDateTime": _instant(one.taken),
        "performer": [{"reference": f"Practitioner/prac-{one.practitioner}"}],
    }
    if one.metric is not None:
        content["valueQuantity"] = _quantity(one.metric, one.value)
        return content
    content["component"] = [
        {
            "code": {"coding": [{"system": _LOINC, "code": metric.code}]},
            "valueQuantity": _quantity(metric, value),
        }
        for metric, value in ((_SYSTOLIC, one.value), (_DIASTOLIC, one.second))
    ]
    return content


def _quantity(metric: Metric, value: Decimal) -> Json:
    return {"value": value, "unit": metric.unit, "system": _UCUM, "code": metric.unit}


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _urn(patient: int, number: int) -> str:
    return f"urn:uuid:{patient:08x}-0000-4000-8000-{number:012x}"


def _post(full_url: str, type_: str, content: Json) -> Json:
    return {
        "fullUrl": full_url,
        "resource": {"resourceType": type_, **content},
        "request": {"method": "POST", "url": type_},
    }


def _put(type_: str, id_: str, content: Json) -> Json:
    url = f"{type_}/{id_}"
    return {
        "fullUrl": f"http://hospital.example.org/fhir/{url}",
        "resource": {"resourceType": type_, "id": id_, **content},
        "request": {"method": "PUT", "url": url},
    }
