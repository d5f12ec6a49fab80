"""FHIRPath Patch: each operation, and what it refuses."""

from copy import deepcopy
from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.interactions.patching.fhirpath_patch import MAX_OPERATIONS, patched
from fhirserver.kernel.errors import BadRequest, TooLarge, Unprocessable
from fhirserver.kernel.resource import Json

PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "name": [
        {"use": "official", "family": "Doe", "given": ["Ann", "B", "C"],
         "_given": [{"id": "one"}, None, {"id": "three"}]},
        {"use": "nickname", "given": ["Annie"]},
    ],
    "birthDate": "1961-04-02",
    "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]},
    "deceasedBoolean": False,
    "maritalStatus": {"text": "unknown"},
}  # fmt: skip


def operation(kind: str, path: str, value: Json | None = None, **numbers: Any) -> Json:
    parts: list[Json] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, number in numbers.items():
        element = "valueString" if name == "name" else "valueInteger"
        parts.append({"name": name, element: number})
    if value is not None:
        parts.append({"name": "value", **value})
    return {"name": "operation", "part": parts}


def run(*operations: Json) -> Json:
    before = deepcopy(PATIENT)
    result = patched(PATIENT, {"resourceType": "Parameters", "parameter": list(operations)}, load())
    assert before == PATIENT
    return result


def test_add_to_a_list_and_of_an_element() -> None:
    result = run(
        operation("add", "Patient", {"valueContactPoint": {"value": "1"}}, name="telecom"),
        operation("add", "Patient.maritalStatus", {"valueString": "i"}, name="id"),
        operation(
            "add", "Patient.name.where(use='nickname')", {"valueString": "Anne"}, name="given"
        ),
    )

    assert result["telecom"] == [{"value": "1"}]
    assert result["maritalStatus"] == {"text": "unknown", "id": "i"}
    assert result["name"][1]["given"] == ["Annie", "Anne"]


def test_add_of_an_element_without_a_type_of_its_own() -> None:
    parts = [
        {"name": "name", "valueHumanName": {"text": "Bob"}},
        {"name": "telecom", "valueContactPoint": {"value": "1"}},
        {"name": "telecom", "valueContactPoint": {"value": "2"}},
    ]
    result = run(operation("add", "Patient", {"part": parts}, name="contact"))

    assert result["contact"] == [
        {"name": {"text": "Bob"}, "telecom": [{"value": "1"}, {"value": "2"}]}
    ]


def test_insert_moves_what_stands_beside_primitives() -> None:
    result = run(operation("insert", "Patient.name[0].given", {"valueString": "new"}, index=1))

    assert result["name"][0]["given"] == ["Ann", "new", "B", "C"]
    assert result["name"][0]["_given"] == [{"id": "one"}, None, None, {"id": "three"}]


def test_insert_into_a_list_that_is_not_there() -> None:
    value = {"valueIdentifier": {"value": "7"}}

    assert run(operation("insert", "Patient.identifier", value, index=0))["identifier"] == [
        {"value": "7"}
    ]


def test_delete_takes_what_stands_beside_and_what_it_leaves_empty() -> None:
    result = run(
        operation("delete", "Patient.birthDate"),
        operation("delete", "Patient.name[0].given[2]"),
        operation("delete", "Patient.name[1].given[0]"),
        operation("delete", "Patient.name[1].use"),
        operation("delete", "Patient.photo"),
    )

    assert "birthDate" not in result
    assert "_birthDate" not in result
    assert result["name"] == [
        {"use": "official", "family": "Doe", "given": ["Ann", "B"], "_given": [{"id": "one"}, None]}
    ]


def test_replace() -> None:
    result = run(
        operation("replace", "Patient.birthDate", {"valueDate": "1962"}),
        operation("replace", "Patient.name[0].given[1]", {"valueString": "X"}),
        operation("replace", "Patient.deceased", {"valueDateTime": "2020"}),
        operation(
            "replace", "Patient.maritalStatus", {"valueCodeableConcept": {"text": "married"}}
        ),
    )

    assert result["birthDate"] == "1962"
    assert result["name"][0]["given"] == ["Ann", "X", "C"]
    assert result["deceasedDateTime"] == "2020"
    assert "deceasedBoolean" not in result
    assert result["maritalStatus"] == {"text": "married"}


def test_move() -> None:
    result = run(operation("move", "Patient.name[0].given", source=2, destination=0))

    assert result["name"][0]["given"] == ["C", "Ann", "B"]
    assert result["name"][0]["_given"] == [{"id": "three"}, {"id": "one"}, None]


@pytest.mark.parametrize(
    "wrong",
    [
        operation("replace", "Patient.photo", {"valueString": "x"}),
        operation("replace", "Patient.name", {"valueHumanName": {}}),
        operation("replace", "1 + 1", {"valueInteger": 2}),
        operation("add", "Patient", {"valueString": "x"}, name="unheard"),
        operation("add", "Patient", {"valueDate": "2020"}, name="birthDate"),
        operation("add", "Patient.birthDate", {"valueString": "x"}, name="id"),
        operation("insert", "Patient.name", {"valueHumanName": {}}, index=3),
        operation("insert", "Patient.birthDate", {"valueDate": "2020"}, index=0),
        operation("delete", "Patient.name"),
        operation("move", "Patient.name", source=0, destination=2),
        operation("move", "Patient.photo", source=0, destination=0),
    ],
)
def test_what_does_not_fit_is_unprocessable(wrong: Json) -> None:
    with pytest.raises(Unprocessable):
        run(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        operation("unheard", "Patient"),
        operation("replace", "Patient.("),
        operation("replace", "Patient.birthDate"),
        operation("add", "Patient", {"valueString": "x"}),
        operation("insert", "Patient.name", {"valueHumanName": {}}, index=-1),
        operation("delete", "Patient"),
        operation("replace", "Patient", {"valueString": "x"}),
        operation("add", "Patient", {"valueString": "x", "valueCode": "y"}, name="id"),
        {"name": "other"},
        {"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]},
    ],
)
def test_what_is_no_patch_is_a_bad_request(wrong: Json) -> None:
    with pytest.raises(BadRequest):
        run(wrong)


def test_bounds() -> None:
    with pytest.raises(TooLarge):
        run(*[operation("delete", "Patient.photo")] * (MAX_OPERATIONS + 1))
    with pytest.raises(BadRequest):
        patched(PATIENT, {"resourceType": "Parameters"}, load())
    with pytest.raises(BadRequest):
        patched(PATIENT, {"resourceType": "Patient"}, load())
