from typing import Any

import pytest

from fhirserver.interactions.operations.lookup import LOOKUP
from fhirserver.interactions.operations.subsumes import SUBSUMES
from fhirserver.kernel.errors import BadRequest, FhirError, Forbidden, NotFound
from tests.unit.terminology.loaded import ANIMALS, animals
from tests.unit.terminology.operations import DEVICE, NURSE, context, parameters, run, values

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def look_up(**query: str) -> dict[str, Any]:
    return run(LOOKUP, "CodeSystem", query)


def properties(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for row in answer["parameter"]:
        if row["name"] == "property":
            code, value = row["part"]
            found.append((code["valueCode"], next(v for k, v in value.items() if k != "name")))
    return found


def test_lookup_tells_everything() -> None:
    answer = look_up(system=ANIMALS, code="bat")
    assert values(answer) == {"name": ANIMALS, "version": "2", "display": "Bat"}
    assert properties(answer) == [
        ("inactive", False),
        ("parent", "mammal"),
        ("parent", "flyer"),
        ("legs", 2),
    ]
    dog = look_up(system=ANIMALS, code="dog", displayLanguage="de")
    assert values(dog) == {
        "name": ANIMALS,
        "version": "2",
        "display": "Hund",
        "definition": "Barks.",
    }
    (designation,) = (row["part"] for row in dog["parameter"] if row["name"] == "designation")
    assert designation == [
        {"name": "language", "valueCode": "de"},
        {"name": "value", "valueString": "Hund"},
    ]
    assert ("child", "dog") in properties(look_up(system=ANIMALS, code="mammal"))


def test_lookup_of_chosen_properties() -> None:
    rows = [
        {"name": "coding", "valueCoding": {"system": ANIMALS, "code": "dog"}},
        {"name": "property", "valueCode": "legs"},
        {"name": "property", "valueCode": "parent"},
    ]
    answer = run(LOOKUP, "CodeSystem", body={"resourceType": "Parameters", "parameter": rows})
    assert properties(answer) == [("parent", "mammal"), ("legs", 4)]
    assert "definition" not in values(answer)


def test_lookup_in_r4_and_of_units() -> None:
    answer = look_up(system=ACT, code="AMB")
    assert values(answer)["name"] == "v3.ActCode"
    assert "definition" in values(answer)
    unit = look_up(system="http://unitsofmeasure.org", code="kPa")
    assert properties(unit) == [("canonical", "g.m-1.s-2")]


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"system": ANIMALS, "code": "cat"}, NotFound),
        ({"system": "http://loinc.org", "code": "8867-4"}, NotFound),
        ({"system": "http://unitsofmeasure.org", "code": "mmHg"}, NotFound),
        ({"system": ANIMALS, "code": "dog", "version": "1"}, NotFound),
        ({"code": "dog"}, BadRequest),
        ({"system": ANIMALS}, BadRequest),
        ({"system": ANIMALS, "code": "dog", "foo": "1"}, BadRequest),
        ({"coding": "dog"}, BadRequest),
    ],
)
def test_lookup_refuses(query: dict[str, str], refusal: type[FhirError]) -> None:
    with pytest.raises(refusal):
        look_up(**query)


def subsume(**query: str) -> Any:
    return values(run(SUBSUMES, "CodeSystem", query))["outcome"]


def test_subsumes() -> None:
    assert subsume(system=ANIMALS, codeA="mammal", codeB="bat") == "subsumes"
    assert subsume(system=ANIMALS, codeA="bat", codeB="flyer") == "subsumed-by"
    assert subsume(system=ANIMALS, codeA="bat", codeB="dog") == "not-subsumed"
    assert subsume(system=ANIMALS, codeA="bat", codeB="bat", version="2") == "equivalent"
    asked = parameters(
        codingA__valueCoding={"system": ANIMALS, "code": "animal"},
        codingB__valueCoding={"system": ANIMALS, "code": "dog"},
    )
    assert values(run(SUBSUMES, "CodeSystem", body=asked)) == {"outcome": "subsumes"}
    given = context(stored=[animals(id="zoo")])
    query = {"codeA": "animal", "codeB": "dog"}
    answer = run(SUBSUMES, "CodeSystem", query, id_="zoo", given=given)
    assert values(answer) == {"outcome": "subsumes"}


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"system": ANIMALS, "codeA": "cat", "codeB": "dog"}, NotFound),
        ({"system": ANIMALS, "codeA": "dog", "codeB": "cat"}, NotFound),
        ({"system": "http://loinc.org", "codeA": "1", "codeB": "2"}, NotFound),
        ({"system": ANIMALS, "codeA": "dog"}, BadRequest),
        ({"codeA": "dog", "codeB": "dog"}, BadRequest),
        ({"system": ANIMALS, "codeA": "dog", "codeB": "dog", "version": "1"}, NotFound),
    ],
)
def test_subsumes_refuses(query: dict[str, str], refusal: type[FhirError]) -> None:
    with pytest.raises(refusal):
        subsume(**query)


def test_two_systems_are_refused() -> None:
    asked = parameters(
        codingA__valueCoding={"system": ANIMALS, "code": "animal"},
        codingB__valueCoding={"system": ACT, "code": "AMB"},
    )
    with pytest.raises(BadRequest, match="one system"):
        run(SUBSUMES, "CodeSystem", body=asked)


def test_limited_callers() -> None:
    nurse, device = context(NURSE), context(DEVICE)
    code = {"system": ANIMALS, "code": "dog"}
    pair = {"system": ANIMALS, "codeA": "dog", "codeB": "bat"}
    assert values(run(LOOKUP, "CodeSystem", code, given=nurse))["display"] == "Dog"
    assert values(run(SUBSUMES, "CodeSystem", pair, given=nurse)) == {"outcome": "not-subsumed"}
    for operation, query in ((LOOKUP, code), (SUBSUMES, pair)):
        with pytest.raises(Forbidden):
            run(operation, "CodeSystem", query, given=device)
    with pytest.raises(NotFound, match="CodeSystem/absent is not known"):
        run(SUBSUMES, "CodeSystem", {"codeA": "a", "codeB": "b"}, id_="absent", given=nurse)
