"""Extensions with a loaded definition: what they hold, and where they may stand."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.validation.profiles import validate_profiles
from tests.unit.validation.profiles.builders import (
    BASE,
    CORE,
    Json,
    definitions,
    extension,
    observation,
    patient,
    row,
    sliced,
)


def found(resource: Json, *loaded: Json) -> list[tuple[str, str, str]]:
    problems = validate_profiles(resource, definitions(*loaded))
    return [(one.severity, one.code, one.expression) for one in problems]


def carrying(value: Json, **more: Any) -> Json:
    return {"url": BASE + "mark", **value, **more}


CODE = row("Extension.value[x]", min=1, type=[{"code": "code"}])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueCode": "a"}, []),
        (
            {"valueString": "a"},
            [("error", "structure", "Patient.extension[0].valueString")],
        ),
        ({}, [("error", "required", "Patient.extension[0].value")]),
    ],
)
def test_content(value: Json, expected: list[tuple[str, str, str]]) -> None:
    assert found(patient(extension=[carrying(value)]), extension("mark", CODE)) == expected


PLACES = {
    "Patient": patient(extension=[carrying({"valueCode": "a"})]),
    "Patient.contact": patient(contact=[{"extension": [carrying({"valueCode": "a"})]}]),
    "Patient.contact.name": patient(
        contact=[{"name": {"extension": [carrying({"valueCode": "a"})]}}]
    ),
    "HumanName": patient(name=[{"extension": [carrying({"valueCode": "a"})]}]),
    "HumanName.family": patient(name=[{"_family": {"extension": [carrying({"valueCode": "a"})]}}]),
    "Patient.birthDate": patient(
        birthDate="2000", _birthDate={"extension": [carrying({"valueCode": "a"})]}
    ),
    "Patient.deceased[x]": patient(
        deceasedBoolean=True, _deceasedBoolean={"extension": [carrying({"valueCode": "a"})]}
    ),
}


@pytest.mark.parametrize("home", PLACES)
@pytest.mark.parametrize("place", PLACES)
def test_a_context_names_where_it_may_stand(home: str, place: str) -> None:
    problems = found(PLACES[place], extension("mark", CODE, context=home))
    # A contact's name is a HumanName as well.
    allowed = home == place or (home, place) == ("HumanName", "Patient.contact.name")
    assert (problems == []) is allowed


@pytest.mark.parametrize("home", ["Element", "DomainResource", "Resource"])
def test_wide_contexts(home: str) -> None:
    assert found(PLACES["Patient"], extension("mark", CODE, context=home)) == []
    elsewhere = found(PLACES["HumanName"], extension("mark", CODE, context=home))
    assert (elsewhere == []) is (home == "Element")


def test_a_context_may_be_an_extension() -> None:
    mark = extension("mark", CODE)
    mark["context"] = [{"type": "extension", "expression": BASE + "outer"}]
    outer = {"url": BASE + "outer", "extension": [carrying({"valueCode": "a"})]}
    unknown = ("information", "not-found", "Patient.extension[0]")
    assert found(patient(extension=[outer]), mark) == [unknown]
    assert found(PLACES["Patient"], mark) == [("error", "structure", "Patient.extension[0]")]


def test_a_context_may_be_fhirpath() -> None:
    mark = extension("mark", CODE)
    mark["context"] = [{"type": "fhirpath", "expression": "Patient.name.where(use = 'usual')"}]
    marked = {"extension": [carrying({"valueCode": "a"})]}
    names = [{"use": "usual", **marked}, {"use": "old", **marked}]
    assert found(patient(name=names), mark) == [
        ("error", "structure", "Patient.name[1].extension[0]")
    ]


def test_parts_of_an_extension() -> None:
    parts = extension(
        "mark",
        row("Extension.extension", slicing=sliced(("value", "url"), rules="closed")),
        row("Extension.extension:id", min=1, max="1"),
        row("Extension.extension:id.url", fixedUri="id"),
        row("Extension.extension:id.value[x]", min=1, type=[{"code": "id"}]),
        row("Extension.value[x]", max="0"),
    )
    whole = carrying({"extension": [{"url": "id", "valueId": "a"}]})
    assert found(patient(extension=[whole]), parts) == []
    other = carrying({"extension": [{"url": "id", "valueId": "a"}, {"url": "x", "valueId": "a"}]})
    assert found(patient(extension=[other]), parts) == [
        ("error", "structure", "Patient.extension[0].extension[1]")
    ]
    bare = found(patient(extension=[carrying({"valueCode": "a"})]), parts)
    assert sorted(bare) == [
        ("error", "required", "Patient.extension[0].extension"),
        ("error", "structure", "Patient.extension[0].valueCode"),
    ]


def test_one_that_is_not_loaded_is_told_but_not_refused() -> None:
    unknown = {"url": "http://elsewhere.example/x", "valueCode": "a"}
    assert found(patient(extension=[unknown])) == [
        ("information", "not-found", "Patient.extension[0]")
    ]
    assert found(patient(modifierExtension=[unknown])) == [
        ("warning", "not-found", "Patient.modifierExtension[0]")
    ]


def test_one_that_changes_the_meaning_says_so() -> None:
    modifier = extension("mark", CODE)
    modifier["differential"]["element"][0]["isModifier"] = True
    assert found(PLACES["Patient"], modifier) == [("error", "structure", "Patient.extension[0]")]
    assert found(patient(modifierExtension=[carrying({"valueCode": "a"})]), modifier) == []


def test_inside_contained_resources_and_extension_values() -> None:
    mark = extension("mark", CODE, context="Patient")
    wrong = patient(id="p", extension=[carrying({"valueString": "a"})])
    whole = observation(contained=[wrong], subject={"reference": "#p"})
    assert found(whole, mark) == [
        ("error", "structure", "Observation.contained[0].extension[0].valueString")
    ]
    inner = {"url": "x:y", "valuePeriod": {"extension": [carrying({"valueString": "a"})]}}
    locations = [one[2] for one in found(patient(extension=[inner]), mark)]
    assert "Patient.extension[0].valuePeriod.extension[0].valueString" in locations


def test_every_extension_of_the_specification_compiles() -> None:
    """R4's own 393, with a value of a type none of them allows: each says so."""
    urls = [
        str(one["url"])
        for one in load().canonicals("StructureDefinition")
        if one["type"] == "Extension" and str(one["url"]).startswith(CORE)
    ]
    assert len(urls) > 380
    silent = [
        url
        for url in urls
        if not any(
            problem.severity == "error"
            for problem in validate_profiles(
                patient(extension=[{"url": url, "valueContactDetail": {"name": "x"}}]), load()
            )
        )
    ]
    assert silent == []
