"""https://hl7.org/fhir/R4/references.html"""

from typing import Any

import pytest

from fhirserver.validation import validate
from tests.unit.validation.samples import blood_pressure

UUID = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/1"},
        {"reference": "Patient/1/_history/2"},
        {"reference": "Patient/1", "type": "Patient"},
        {"reference": "https://example.org/fhir/Group/1"},
        {"reference": "https://example.org/fhir/Group/1/_history/2"},
        {"reference": "https://example.org/somewhere/else"},
        {"reference": UUID},
        {"reference": "urn:oid:1.2.3"},
        {"reference": "Patient?identifier=a|b"},
        {"identifier": {"value": "a"}},
        {"type": "Patient", "display": "a"},
        {"type": "http://example.org/Thing", "reference": UUID},
        {"display": "a"},
        {"reference": "#"},
    ],
)
def test_allowed(subject: dict[str, Any]) -> None:
    assert validate(blood_pressure(subject=subject)) == []


@pytest.mark.parametrize(
    ("subject", "place"),
    [
        ({"reference": "Medication/1"}, ".reference"),
        ({"reference": "https://example.org/fhir/Medication/1"}, ".reference"),
        ({"reference": "Medication?code=a"}, ".reference"),
        ({"reference": "Medication/1/_history/1"}, ".reference"),
        ({"reference": "Unheard/1"}, ".reference"),
        ({"reference": "Patient/"}, ".reference"),
        ({"reference": "Patient"}, ".reference"),
        ({"reference": "1"}, ".reference"),
        ({"reference": "Patient/a_b"}, ".reference"),
        ({"reference": "Patient/1/2"}, ".reference"),
        ({"reference": "#nobody"}, ".reference"),
        ({"reference": "Patient/1", "type": "Group"}, ".type"),
        ({"type": "Medication", "display": "a"}, ".type"),
        ({"reference": ["Patient/1"]}, ".reference"),
    ],
)
def test_refused(subject: dict[str, Any], place: str) -> None:
    (problem,) = validate(blood_pressure(subject=subject))
    assert problem.expression == "Observation.subject" + place


@pytest.mark.parametrize("unit", ["/", "/a", "a", "Patient/", "http://", "#", "?", " "])
def test_no_text_makes_reading_a_reference_slow(unit: str) -> None:
    for start in ("", "http://example.org/", "Patient/", "urn:uuid:"):
        validate(blood_pressure(subject={"reference": start + unit * 100_000}))


def test_any_type_may_be_meant() -> None:
    assert validate(blood_pressure(focus=[{"reference": "Medication/1"}])) == []
