"""https://hl7.org/fhir/R4/terminologies.html#required"""

from typing import Any

import pytest

from fhirserver.validation import validate

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ACTIVE = {"system": CLINICAL, "code": "active"}


def _condition(clinical_status: object) -> list[tuple[str, str]]:
    resource = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "clinicalStatus": clinical_status,
    }
    return [(one.expression, one.code) for one in validate(resource)]


@pytest.mark.parametrize(
    "concept",
    [
        {"coding": [ACTIVE]},
        {"coding": [{"system": "http://example.org", "code": "x"}, ACTIVE], "text": "a"},
    ],
)
def test_one_coding_from_the_value_set_is_enough(concept: dict[str, Any]) -> None:
    assert _condition(concept) == []


@pytest.mark.parametrize(
    ("concept", "place"),
    [
        ({"text": "active"}, ""),
        ({"coding": [{"code": "active"}]}, ".coding"),
        ({"coding": [{"system": CLINICAL}]}, ".coding"),
        ({"coding": [{"system": CLINICAL, "code": "no-such-code"}]}, ".coding"),
        ({"coding": [{"system": "http://example.org", "code": "active"}]}, ".coding"),
        ({"coding": [{"system": {}, "code": []}]}, ".coding"),
        ({"coding": ["active"]}, ".coding"),
    ],
)
def test_a_concept_needs_one(concept: dict[str, Any], place: str) -> None:
    assert ("Condition.clinicalStatus" + place, "code-invalid") in _condition(concept)


@pytest.mark.parametrize(
    ("content_type", "problems"),
    [("image/png", 0), ("png", 1), ("", 1), (1, 1), ("image/png ", 1)],
)
def test_codes_that_only_have_a_shape(content_type: object, problems: int) -> None:
    photo = {"contentType": content_type, "url": "https://example.org/a"}
    found = validate({"resourceType": "Patient", "photo": [photo]})
    assert [one.expression for one in found] == ["Patient.photo[0].contentType"] * problems


@pytest.mark.parametrize("unit", [" ", ";", "; a=b", "a=", "; a=b ", "a/"])
def test_no_text_makes_matching_a_shape_slow(unit: str) -> None:
    photo = {"contentType": "a/b" + unit * 100_000 + ";", "url": "https://example.org/a"}
    (problem,) = validate({"resourceType": "Patient", "photo": [photo]})
    assert problem.expression == "Patient.photo[0].contentType"


def test_a_long_list_is_named_by_its_url() -> None:
    (problem,) = validate(
        {
            "resourceType": "Patient",
            "link": [{"other": {"reference": "Patient/1"}, "type": "friend"}],
        }
    )
    assert problem.message == "must be one of refer, replaced-by, replaces, seealso"
    parameter = {"name": "a", "use": "in", "min": 0, "max": "1", "type": "no-such-type"}
    operation = {
        "resourceType": "OperationDefinition",
        "name": "A",
        "status": "draft",
        "kind": "operation",
        "code": "a",
        "system": False,
        "type": False,
        "instance": False,
        "parameter": [parameter],
    }
    (problem,) = validate(operation)
    assert problem.message == "must be a code of http://hl7.org/fhir/ValueSet/all-types"
