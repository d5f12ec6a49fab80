"""Profiles of a real guide, as they are published: US Core 5.0.1 (CC0), reduced as packages are.

https://hl7.org/fhir/us/core/STU5.0.1/
"""

import gzip
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhirserver.definitions import Definitions, load
from fhirserver.validation import validate
from fhirserver.validation.profiles import canonical_problems, validate_profiles

Json = dict[str, Any]

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
OMB = "urn:oid:2.16.840.1.113883.6.238"


@cache
def us_core() -> Definitions:
    packed = Path(__file__).with_name("us-core-5.0.1.json.gz").read_bytes()
    return load().extended(json.loads(gzip.decompress(packed), parse_float=Decimal), frozenset())


def found(resource: Json, name: str) -> list[tuple[str, str]]:
    assert [one for one in validate(resource) if one.severity == "error"] == []
    problems = validate_profiles(resource, us_core(), [US_CORE + name])
    return [(one.code, one.expression) for one in problems if one.severity == "error"]


def race(**more: Any) -> Json:
    white = {"system": OMB, "code": "2106-3", "display": "White"}
    parts = {
        "ombCategory": {"url": "ombCategory", "valueCoding": white},
        "text": {"url": "text", "valueString": "White"},
        **more,
    }
    return {
        "url": US_CORE + "race",
        "extension": [one for one in parts.values() if one is not None],
    }


def amy(**more: Any) -> Json:
    """The example patient of the guide, shortened."""
    return {
        "resourceType": "Patient",
        "extension": [race()],
        "identifier": [{"system": "http://hospital.example.org", "value": "1032702"}],
        "name": [{"family": "Shaw", "given": ["Amy", "V."]}],
        "gender": "female",
        "birthDate": "1987-02-20",
        **more,
    }


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (amy(), []),
        (amy(identifier=[{"value": "a"}]), [("required", "Patient.identifier[0].system")]),
        (amy(extension=[race(text=None)]), [("required", "Patient.extension[0].extension")]),
        (
            amy(extension=[race(), race()]),
            [("structure", "Patient.extension[1]")],
        ),
        (
            amy(extension=[race(text={"url": "text", "valueCode": "a"})]),
            [("structure", "Patient.extension[0].extension[1].valueCode")],
        ),
        (amy(name=[{"text": "Amy"}]), [("invariant", "Patient")]),
    ],
)
def test_patients(resource: Json, expected: list[tuple[str, str]]) -> None:
    assert found(resource, "patient") == expected


def pressure(*codes: str, **more: Any) -> Json:
    value = {
        "value": Decimal("109.0"),
        "unit": "mmHg",
        "system": "http://unitsofmeasure.org",
        "code": "mm[Hg]",
    }
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": category, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/example"},
        "effectiveDateTime": "1999-07-02",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": value,
            }
            for code in codes
        ],
        **more,
    }


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (pressure("8480-6", "8462-4"), []),
        (pressure("8480-6", "8462-4", subject={"reference": "Group/a"}), ["structure"]),
        (pressure("8480-6", "8478-0"), ["required"]),
        (pressure("8480-6", "8462-4", category=[{"text": "a"}]), ["required"]),
        (pressure("8480-6", "8462-4", code={"text": "a"}), ["value"]),
        (pressure("8480-6", "8462-4", effectiveDateTime="1999"), ["invariant"]),
    ],
)
def test_blood_pressures(resource: Json, expected: list[str]) -> None:
    assert [code for code, _ in found(resource, "blood-pressure")] == expected


def test_every_profile_of_the_guide_can_be_used() -> None:
    names = [one for one in us_core().canonicals("StructureDefinition") if "us/core" in one["url"]]
    assert len(names) == 8
    for one in names:
        problems = [p for p in canonical_problems(one, us_core()) if p.severity == "error"]
        assert problems == []
