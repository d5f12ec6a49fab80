"""The people and readings of a small clinic; ids are short so that tests can name them."""

from decimal import Decimal

from fhirserver.kernel.resource import Json

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


def patient(id_: str, family: str, given: str, born: str, **more: object) -> Json:
    return {
        "resourceType": "Patient",
        "id": id_,
        "name": [{"family": family, "given": [given]}],
        "birthDate": born,
        **more,
    }


def observation(id_: str, of: str, code: str, at: str | None, **more: object) -> Json:
    resource: Json = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
    }
    if at is not None:
        resource["effectiveDateTime"] = at
    return {**resource, **more}


def quantity(value: str | int, unit: str) -> Json:
    return {"value": Decimal(value), "unit": unit, "system": UCUM, "code": unit}


def pressure(id_: str, of: str, at: str, systolic: int, diastolic: int) -> Json:
    return observation(
        id_,
        of,
        "85354-9",
        at,
        component=[
            {
                "code": {"coding": [{"system": LOINC, "code": code}]},
                "valueQuantity": quantity(value, "mm[Hg]"),
            }
            for code, value in (("8480-6", systolic), ("8462-4", diastolic))
        ],
    )


CLINIC: tuple[Json, ...] = (
    {"resourceType": "Organization", "id": "north", "name": "North Clinic", "active": True},
    {
        "resourceType": "Organization",
        "id": "ward",
        "name": "Ward Seven",
        "partOf": {"reference": "Organization/north"},
    },
    {
        "resourceType": "Practitioner",
        "id": "doc",
        "name": [{"family": "Quincy", "given": ["Ada"]}],
        "identifier": [{"system": "urn:npi", "value": "1"}],
    },
    {"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Poole"}]},
    patient(
        "ann",
        "Bergström",
        "Ann",
        "1961-04-02",
        gender="female",
        identifier=[
            {
                "system": "urn:mrn",
                "value": "7",
                "type": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
                    ]
                },
            }
        ],
        managingOrganization={"reference": "Organization/ward"},
        generalPractitioner=[{"reference": "Practitioner/doc"}],
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">walks alone</div>'},
    ),
    patient("bea", "berger", "Bea", "1961-11-30", gender="female",
            managingOrganization={"reference": "Organization/north"}),
    patient("cat", "Montgomery-Featherstonehaugh-Ash", "Cat", "1990", active=True),
    patient("dan", "Montgomery-Featherstonehaugh-Birch", "Dan", "1990-07", gender="male",
            generalPractitioner=[{"reference": "Practitioner/nurse"}]),
    {
        "resourceType": "Encounter",
        "id": "visit-ann",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/ann"},
        "participant": [{"individual": {"reference": "Practitioner/doc"}}],
        "period": {"start": "2026-01-10T08:00:00Z", "end": "2026-01-10T12:00:00Z"},
        "length": quantity(4, "h"),
    },
    {
        "resourceType": "Encounter",
        "id": "visit-bea",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HH"},
        "subject": {"reference": "Patient/bea"},
        "period": {"start": "2026-01-01"},
        "length": quantity(90, "min"),
    },
    observation("heart-ann", "ann", "8867-4", "2026-01-10T09:00:00Z", valueQuantity=quantity(72, "/min"),
                encounter={"reference": "Encounter/visit-ann"}, performer=[{"reference": "Practitioner/doc"}]),
    observation("heart-bea", "bea", "8867-4", "2026-01-11T09:00:00Z", valueQuantity=quantity(118, "/min"),
                performer=[{"reference": "Practitioner/nurse"}]),
    observation("heart-none", "bea", "8867-4", None, valueQuantity=quantity(90, "/min")),
    observation("sugar-ann", "ann", "2339-0", "2026-01-10T10:00:00Z", valueQuantity=quantity("1.2", "g/L")),
    observation("sugar-dan", "dan", "2339-0", "2026-02", valueQuantity=quantity(95, "mg/dL")),
    observation("words-ann", "ann", "72166-2", "2026-01-10T10:30:00Z",
                valueCodeableConcept={"coding": [{"system": "http://snomed.info/sct", "code": "266919005",
                                                  "display": "Never smoked tobacco"}]}),
    pressure("pressure-ann", "ann", "2026-01-10T09:05:00Z", 165, 95),
    pressure("pressure-bea", "bea", "2026-01-11T09:05:00Z", 95, 60),
    {
        "resourceType": "DiagnosticReport",
        "id": "report-ann",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "24323-8"}]},
        "subject": {"reference": "Patient/ann"},
        "result": [{"reference": "Observation/sugar-ann"}, {"reference": "Observation/heart-ann"}],
    },
    {
        "resourceType": "List",
        "id": "today",
        "status": "current",
        "mode": "working",
        "subject": {"reference": "Patient/ann"},
        "entry": [{"item": {"reference": "Patient/ann"}}, {"item": {"reference": "Patient/dan"}},
                  {"deleted": True, "item": {"reference": "Patient/bea"}},
                  {"item": {"reference": "Observation/heart-ann"}}],
    },
    {
        "resourceType": "Location",
        "id": "boston",
        "name": "Boston",
        "position": {"longitude": -71, "latitude": 42},
    },
    {
        "resourceType": "Location",
        "id": "berlin",
        "name": "Berlin",
        "position": {"longitude": 13, "latitude": 52},
    },
    {
        "resourceType": "MedicationRequest",
        "id": "pills-ann",
        "status": "active",
        "intent": "order",
        "contained": [
            {"resourceType": "Medication", "id": "inside",
             "code": {"coding": [{"system": "urn:drugs", "code": "aspirin"}]}}
        ],
        "medicationReference": {"reference": "#inside"},
        "subject": {"reference": "Patient/ann"},
        "requester": {"reference": "Practitioner/doc"},
    },
    {
        "resourceType": "Task",
        "id": "call-ann",
        "status": "requested",
        "intent": "order",
        "for": {"reference": "Patient/ann"},
        "owner": {"reference": "Practitioner/doc"},
        "focus": {"reference": "Observation/pressure-ann"},
    },
    {
        "resourceType": "Task",
        "id": "call-bea",
        "status": "requested",
        "intent": "order",
        "for": {"reference": "Patient/bea"},
        "owner": {"reference": "Practitioner/nurse"},
        "partOf": [{"reference": "Task/call-ann"}],
    },
    {
        "resourceType": "CodeSystem",
        "id": "drugs",
        "url": "urn:example:codes/drugs",
        "status": "active",
        "content": "complete",
        "version": "1",
    },
)  # fmt: skip
