"""https://hl7.org/fhir/R4/json.html: elements, cardinalities, JSON types, primitives' siblings"""

from types import MappingProxyType
from typing import Any

import pytest

from fhirserver.kernel.errors import Problem
from fhirserver.validation import MAX_PROBLEMS, validate
from tests.unit.validation.samples import blood_pressure, patient

URL = "http://example.org/extension"
EXTENSION = {"extension": [{"url": URL, "valueCode": "a"}]}


def _places(resource: object) -> list[tuple[str, str]]:
    return [(one.expression, one.code) for one in validate(resource)]


def test_a_valid_resource_has_no_problems() -> None:
    assert validate(blood_pressure()) == []
    assert validate(MappingProxyType(blood_pressure())) == []
    assert validate(patient()) == []


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        ([], "Resource"),
        (None, "Resource"),
        ("Patient", "Resource"),
        ({}, "Resource.resourceType"),
        ({"resourceType": 1}, "Resource.resourceType"),
        ({"resourceType": "Unheard"}, "Resource.resourceType"),
        ({"resourceType": "DomainResource"}, "Resource.resourceType"),
        ({"resourceType": "SubscriptionStatus"}, "Resource.resourceType"),
    ],
)
def test_what_is_no_resource_at_all(resource: object, place: str) -> None:
    assert _places(resource) == [(place, "structure")]


@pytest.mark.parametrize(
    ("changes", "place", "code"),
    [
        ({"colour": "red"}, "Observation.colour", "structure"),
        ({"_code": {"id": "a"}}, "Observation._code", "structure"),
        ({"valueFoo": 1}, "Observation.valueFoo", "structure"),
        ({"value": 1}, "Observation.value", "structure"),
        ({"valueMoney": {"value": 1}}, "Observation.valueMoney", "structure"),
        ({"fhir_comments": ["a"]}, "Observation.fhir_comments", "structure"),
        ({"my note": "a"}, "Observation.`my note`", "structure"),
        ({"status": None}, "Observation.status", "required"),
        ({"code": None}, "Observation.code", "required"),
        ({"status": 5}, "Observation.status", "structure"),
        ({"status": ["final"]}, "Observation.status", "structure"),
        ({"category": {"text": "a"}}, "Observation.category", "structure"),
        ({"category": ["a"]}, "Observation.category[0]", "structure"),
        ({"category": []}, "Observation.category", "structure"),
        ({"code": {}}, "Observation.code", "invariant"),
        ({"code": {"id": "a"}}, "Observation.code", "invariant"),
        ({"code": "a"}, "Observation.code", "structure"),
        ({"code": {"text": ""}}, "Observation.code.text", "value"),
        ({"note": [{"text": "a", "time": "2026-02-30"}]}, "Observation.note[0].time", "value"),
        ({"status": "Final"}, "Observation.status", "code-invalid"),
        ({"status": ""}, "Observation.status", "value"),
        ({"component": [{"valueString": "a"}]}, "Observation.component[0].code", "required"),
        ({"id": "a b"}, "Observation.id", "value"),
        ({"valueString": "a", "valueInteger": 1}, "Observation", "structure"),
        ({"valueString": "a", "_valueInteger": EXTENSION}, "Observation", "structure"),
        (
            {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]},
            "Observation.referenceRange[0].low.comparator",
            "structure",
        ),
        (
            {"component": [{"code": {"text": "a"}, "referenceRange": [{"lo": 1, "text": "a"}]}]},
            "Observation.component[0].referenceRange[0].lo",
            "structure",
        ),
    ],
)
def test_one_fault_is_one_problem_at_its_place(
    changes: dict[str, Any], place: str, code: str
) -> None:
    resource = blood_pressure(**changes)
    assert _places(resource) == [(place, code)]


def test_all_faults_are_reported_at_once() -> None:
    resource = blood_pressure(status="fine", code=None, note=[], extra=1)
    resource["component"][1]["valueQuantity"]["value"] = "80"
    assert set(_places(resource)) == {
        ("Observation.status", "code-invalid"),
        ("Observation.code", "required"),
        ("Observation.note", "structure"),
        ("Observation.extra", "structure"),
        ("Observation.component[1].valueQuantity.value", "structure"),
    }


def test_a_problem_in_full() -> None:
    assert validate(patient(gender="M")) == [
        Problem(
            "error", "code-invalid", "Patient.gender", "must be one of female, male, other, unknown"
        )
    ]


def test_a_required_choice() -> None:
    resource = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "subject": {"reference": "Patient/1"},
    }
    assert _places(resource) == [("MedicationStatement.medication", "required")]
    assert validate({**resource, "medicationCodeableConcept": {"text": "a"}}) == []


@pytest.mark.parametrize("value", [None, {"a": None}, [None]])
def test_null_is_no_value(value: object) -> None:
    resource = blood_pressure()
    resource["issued"] = value
    assert _places(resource) == [("Observation.issued", "structure")]


def test_a_primitive_may_have_only_extensions() -> None:
    assert validate(blood_pressure(status=None, _status=EXTENSION)) == []
    assert validate(blood_pressure(issued=None, _issued={"id": "a", **EXTENSION})) == []
    assert validate(patient(_birthDate=EXTENSION, birthDate="2000")) == []


@pytest.mark.parametrize(
    ("sibling", "place", "code"),
    [
        ({}, "Patient._birthDate", "invariant"),
        ({"id": "a"}, "Patient._birthDate", "invariant"),
        ("a", "Patient._birthDate", "structure"),
        ([EXTENSION], "Patient._birthDate", "structure"),
        (None, "Patient._birthDate", "structure"),
        ({"extension": []}, "Patient._birthDate.extension", "structure"),
        ({"value": "a", **EXTENSION}, "Patient._birthDate.value", "structure"),
        (
            {"extension": [{"valueCode": "a"}]},
            "Patient._birthDate.extension[0].url",
            "required",
        ),
    ],
)
def test_what_stands_beside_a_primitive(sibling: object, place: str, code: str) -> None:
    assert _places(patient(birthDate="2000", _birthDate=sibling)) == [(place, code)]


@pytest.mark.parametrize(
    "name",
    [
        {"given": ["a", None], "_given": [None, EXTENSION]},
        {"given": ["a", "b"], "_given": [EXTENSION, None]},
        {"_given": [EXTENSION]},
    ],
)
def test_arrays_of_primitives_and_their_siblings(name: dict[str, Any]) -> None:
    assert validate(patient(name=[name])) == []


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ({"given": [None]}, "given[0]"),
        ({"given": ["a", None]}, "given[1]"),
        ({"given": ["a", None], "_given": [EXTENSION, None]}, "given[1]"),
        ({"given": ["a"], "_given": [EXTENSION, EXTENSION]}, "_given"),
        ({"given": ["a"], "_given": EXTENSION}, "_given"),
        ({"given": ["a"], "_given": [None]}, "_given"),
        ({"given": ["a"], "_given": []}, "_given"),
        ({"given": "a"}, "given"),
        ({"given": []}, "given"),
        ({"_given": [EXTENSION, None]}, "_given[1]"),
    ],
)
def test_arrays_of_primitives_that_are_wrong(name: dict[str, Any], place: str) -> None:
    found = _places(patient(name=[{"family": "x", **name}]))
    assert (f"Patient.name[0].{place}", "structure") in found


@pytest.mark.parametrize(
    ("extension", "place", "code"),
    [
        ({"url": URL}, "", "invariant"),
        ({"url": URL, "valueCode": "a", **EXTENSION}, "", "invariant"),
        ({"url": URL, "valueCode": "a", "valueString": "b"}, "", "structure"),
        ({"url": "a b", "valueCode": "a"}, ".url", "value"),
        ({"valueCode": "a"}, ".url", "required"),
        ({"url": URL, "valueNothing": "a", **EXTENSION}, ".valueNothing", "structure"),
        ({"url": URL, "valueQuantity": {"value": "5"}}, ".valueQuantity.value", "structure"),
    ],
)
def test_extensions(extension: dict[str, Any], place: str, code: str) -> None:
    assert (f"Patient.extension[0]{place}", code) in _places(patient(extension=[extension]))


def test_extensions_nest() -> None:
    nested = {"url": URL, "extension": [{"url": "inner", "valuePeriod": {"start": "2026"}}]}
    assert validate(patient(extension=[nested], modifierExtension=[nested])) == []


def test_recursive_structures() -> None:
    item: dict[str, Any] = {"linkId": "3", "type": "string"}
    for number in (2, 1):
        item = {"linkId": str(number), "type": "group", "item": [item]}
    questionnaire = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert validate(questionnaire) == []
    del item["item"][0]["item"][0]["linkId"]
    assert _places(questionnaire) == [("Questionnaire.item[0].item[0].item[0].linkId", "required")]


def test_very_many_problems_are_cut() -> None:
    problems = validate(patient(name=[{"given": [5] * 200_000}]))
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1] == Problem("error", "too-costly", "Patient", "and 199000 more problems")


def test_messages_do_not_repeat_what_was_sent() -> None:
    secret = "Erika Mustermann"
    resource = patient(
        gender=secret,
        birthDate=secret,
        id=secret,
        managingOrganization={"reference": secret},
        generalPractitioner=[{"reference": f"#{secret}"}, {"reference": f"{secret}/1"}],
        maritalStatus=secret,
        active=secret,
        text={"status": secret, "div": secret},
    )
    problems = validate(resource)
    assert len(problems) == 10
    assert not [one for one in problems if "Erika" in one.message or "Erika" in one.expression]
