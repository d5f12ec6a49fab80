"""Resources that expressions are tried on."""

from decimal import Decimal
from typing import Any

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "ann",
    "active": True,
    "birthDate": "1974-12-25",
    "_birthDate": {
        "id": "born",
        "extension": [{"url": "http://e/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}],
    },
    "gender": "female",
    "name": [
        {"use": "official", "family": "Berg", "given": ["Ann", "Eva"]},
        {"use": "usual", "given": ["Annie"]},
        {"use": "maiden", "family": "Dahl", "given": ["Ann", "Eva"]},
    ],
    "telecom": [
        {"system": "phone", "value": "1", "use": "home", "rank": 2},
        {"system": "sms", "value": "2", "use": "mobile", "rank": 1},
    ],
    "deceasedBoolean": False,
    "multipleBirthInteger": 2,
    "contact": [{"name": {"family": "Lund"}, "relationship": [{"text": "sister"}]}],
    "managingOrganization": {"reference": "#clinic"},
    "generalPractitioner": [{"reference": "Practitioner/p"}, {"reference": "Organization/o"}],
    "contained": [
        {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
        {"resourceType": "Practitioner", "id": "x", "name": [{"family": "Contained"}]},
    ],
    "extension": [{"url": "http://e/n", "valueDecimal": Decimal("1.50")}],
}

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Weight"},
    "effectiveDateTime": "2026-11-21T10:00:00+01:00",
    "issued": "2026-11-21T10:05:00Z",
    "valueQuantity": {
        "value": Decimal("80.50"),
        "unit": "kg",
        "system": "http://unitsofmeasure.org",
        "code": "kg",
    },
    "referenceRange": [
        {
            "low": {"value": 60, "system": "http://unitsofmeasure.org", "code": "kg"},
            "high": {"value": 90000, "system": "http://unitsofmeasure.org", "code": "g"},
        }
    ],
    "component": [
        {"code": {"text": "a"}, "valueInteger": 3},
        {"code": {"text": "b"}, "valueString": "three"},
    ],
}

QUESTIONNAIRE: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "status": "draft",
    "item": [
        {
            "linkId": "1",
            "type": "group",
            "item": [
                {"linkId": "1.1", "type": "string"},
                {"linkId": "1.2", "type": "group", "item": [{"linkId": "1.2.1", "type": "date"}]},
            ],
        },
        {"linkId": "2", "type": "boolean"},
    ],
}
