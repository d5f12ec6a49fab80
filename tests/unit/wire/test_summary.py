"""https://hl7.org/fhir/R4/search.html#summary and https://hl7.org/fhir/R4/search.html#elements"""

from decimal import Decimal
from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.wire.summary import SUBSETTED, shaped, unknown_elements
from tests.oracles.instances import instance, walk

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "ann",
    "meta": {"versionId": "3", "tag": [{"system": "urn:t", "code": "a"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "extension": [{"url": "urn:e", "valueString": "x"}],
    "active": True,
    "name": [{"family": "Doe", "extension": [{"url": "urn:e", "valueString": "x"}]}],
    "gender": "female",
    "_gender": {"id": "g"},
    "deceasedBoolean": False,
    "contact": [{"gender": "male"}],
    "communication": [{"language": {"text": "de"}}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "bp",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
    "valueQuantity": {"value": Decimal("1.00")},
    "note": [{"text": "tired"}],
    "component": [{"code": {"text": "x"}, "valueString": "a", "interpretation": [{"text": "b"}]}],
}


def names(resource: dict[str, Any]) -> set[str]:
    return set(resource) - {"resourceType", "id", "meta"}


def test_the_summary_is_what_the_definitions_mark() -> None:
    patient = shaped(PATIENT, "true")
    observation = shaped(OBSERVATION, "true")

    assert names(patient) == {"active", "name", "gender", "_gender", "deceasedBoolean"}
    assert patient["name"] == [{"family": "Doe"}]
    assert names(observation) == {"status", "code", "valueQuantity", "component"}
    assert observation["component"] == [{"code": {"text": "x"}, "valueString": "a"}]


def test_text_is_the_narrative_and_what_is_mandatory() -> None:
    assert names(shaped(PATIENT, "text")) == {"text"}
    assert names(shaped(OBSERVATION, "text")) == {"status", "code"}


def test_data_is_everything_but_the_narrative() -> None:
    assert names(shaped(PATIENT, "data")) == names(PATIENT) - {"text"}


@pytest.mark.parametrize("summary", ["false", "count", None])
def test_the_whole_resource_is_itself(summary: str | None) -> None:
    assert shaped(PATIENT, summary) is PATIENT


@pytest.mark.parametrize("summary", ["true", "text", "data"])
def test_what_lacks_something_says_so(summary: str) -> None:
    tags = shaped(PATIENT, summary)["meta"]["tag"]

    assert tags == [{"system": "urn:t", "code": "a"}, SUBSETTED]
    assert shaped(PATIENT, summary)["meta"]["versionId"] == "3"
    assert PATIENT["meta"]["tag"] == [{"system": "urn:t", "code": "a"}]


def test_what_lacks_nothing_does_not() -> None:
    bare = {"resourceType": "Patient", "id": "x", "active": True}

    assert shaped(bare, "true") == bare
    assert shaped(bare, None, ("active",)) == bare


def test_a_shaped_resource_is_not_shaped_twice() -> None:
    once = shaped(PATIENT, "true")

    assert shaped(once, "data")["meta"]["tag"].count(SUBSETTED) == 1


@pytest.mark.parametrize(
    ("resource", "elements", "expected"),
    [
        (PATIENT, ("gender",), {"gender", "_gender", "active", "deceasedBoolean"}),
        (PATIENT, ("Patient.contact",), {"contact", "active", "deceasedBoolean"}),
        (PATIENT, ("contact.gender",), {"contact", "active", "deceasedBoolean"}),
        (PATIENT, ("text",), {"text", "active", "deceasedBoolean"}),
        (OBSERVATION, ("value",), {"status", "code", "valueQuantity"}),
        (OBSERVATION, ("valueQuantity",), {"status", "code", "valueQuantity"}),
        (OBSERVATION, ("value[x]",), {"status", "code", "valueQuantity"}),
        (OBSERVATION, ("Patient.name", "note"), {"status", "code", "note"}),
    ],
)
def test_elements_keep_what_is_named_mandatory_or_changes_the_meaning(
    resource: dict[str, Any], elements: tuple[str, ...], expected: set[str]
) -> None:
    assert names(shaped(resource, None, elements)) == expected


def test_elements_of_other_types_leave_a_resource_whole() -> None:
    assert shaped(PATIENT, None, ("Observation.code",)) is PATIENT


def test_entries_of_a_bundle_are_summarized_themselves() -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]}

    (entry,) = shaped(bundle, "true")["entry"]

    assert entry["resource"] == shaped(PATIENT, "true")


def test_unknown_elements_are_named() -> None:
    asked = ["gendr", "name", "Observation.value", "value", "Observation.vlue", "Nothing.x",
             "deceased", "deceased[x]", "deceasedBoolean", "name.family"]  # fmt: skip

    assert unknown_elements("Patient", asked) == ["gendr", "value", "Observation.vlue", "Nothing.x"]


def test_what_is_no_resource_is_left_alone() -> None:
    assert shaped({"a": 1}, "true") == {"a": 1}
    assert shaped({"resourceType": "Nothing"}, "true") == {"resourceType": "Nothing"}


@pytest.mark.parametrize("type_", load().resource_types)
def test_a_summary_has_no_empty_parts_and_lacks_nothing_mandatory(type_: str) -> None:
    made = instance(type_, 1, 0.3)

    reduced = shaped(made, "true")

    assert all(value not in ({}, []) for _, value in walk(reduced))
    for element in load().structure(type_).elements:
        if element.min > 0:
            given = {name for name, _ in element.json_names()} | {element.name}
            assert given & set(made) <= set(reduced)
