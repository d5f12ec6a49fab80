"""A valid resource of the kind devices send, to be damaged by tests."""

import copy
from decimal import Decimal
from typing import Any

_BLOOD_PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "0196b4b6-1d1c-7e2e-8d4f-1234567890ab",
    "meta": {
        "versionId": "1",
        "lastUpdated": "2026-01-01T00:00:00.000Z",
        "profile": ["http://hl7.org/fhir/StructureDefinition/bp"],
    },
    "status": "final",
    "category": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "vital-signs",
                }
            ]
        }
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}], "text": "BP"},
    "subject": {"reference": "Patient/123"},
    "effectiveDateTime": "2026-01-01T00:00:00Z",
    "device": {"reference": "Device/cuff"},
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {
                "value": value,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        }
        for code, value in (("8480-6", Decimal("120.0")), ("8462-4", Decimal("80.5")))
    ],
}


def blood_pressure(**changes: Any) -> dict[str, Any]:
    """A fresh copy; a change of None removes the element."""
    made = {**copy.deepcopy(_BLOOD_PRESSURE), **changes}
    return {key: value for key, value in made.items() if value is not None}


def patient(**elements: Any) -> dict[str, Any]:
    """A Patient with nothing but `elements`."""
    return {"resourceType": "Patient", **elements}
