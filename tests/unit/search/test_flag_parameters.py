"""Flags by status, code, category and priority, for which R4 defines no parameters."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.definitions.shipped import further_parameters
from fhirserver.search.match import matches
from fhirserver.search.query import parse
from fhirserver.validation import validate

FLAG: dict[str, Any] = {
    "resourceType": "Flag",
    "id": "f",
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/flag-priority",
            "valueCodeableConcept": {
                "coding": [{"system": "http://hl7.org/fhir/flag-priority-code", "code": "PH"}]
            },
        }
    ],
    "status": "active",
    "category": [{"coding": [{"system": "https://t/category", "code": "device"}]}],
    "code": {"coding": [{"system": "urn:iso:std:iso:11073:10101", "code": "198264"}]},
    "subject": {"reference": "Patient/ann"},
}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("status", "active", True),
        ("status", "inactive", False),
        ("code", "urn:iso:std:iso:11073:10101|198264", True),
        ("code", "198260", False),
        ("category", "device", True),
        ("category", "drug", False),
        ("priority", "PH", True),
        ("priority", "PM,PL", False),
        ("priority:missing", "true", False),
    ],
)
def test_by_meaning(name: str, value: str, found: bool) -> None:
    definitions = load()
    query = parse("Flag", [(name, value)], definitions)
    assert matches(FLAG, query, definitions, None) is found


def test_they_are_valid_and_ours() -> None:
    found = [one for one in further_parameters() if one["base"] == ["Flag"]]
    assert sorted(one["code"] for one in found) == ["category", "code", "priority", "status"]
    assert all(validate(one) == [] for one in found)
