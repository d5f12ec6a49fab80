from typing import Any

import pytest

from fhirserver.interactions.operations.expand import EXPAND
from fhirserver.interactions.operations.validate_code import VALIDATE_CODE
from fhirserver.kernel.errors import BadRequest, FhirError, Forbidden, NotFound, TooCostly
from tests.unit.terminology.loaded import ANIMALS, SET, animals, value_set
from tests.unit.terminology.operations import (
    DEVICE,
    MAMMALS,
    NURSE,
    context,
    parameters,
    run,
    values,
)

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
UNITS = "http://hl7.org/fhir/ValueSet/ucum-units"


def codes(answer: dict[str, Any]) -> list[str]:
    return [row["code"] for row in answer["expansion"].get("contains", [])]


def expand(**query: str) -> dict[str, Any]:
    return run(EXPAND, "ValueSet", {"url": SET + "mammals", **query})


def judge(**query: str) -> dict[str, Any]:
    return values(run(VALIDATE_CODE, "ValueSet", {"url": SET + "mammals", **query}))


def test_expand_by_url() -> None:
    answer = run(EXPAND, "ValueSet", {"url": GENDER})
    assert answer["url"] == GENDER
    assert answer["expansion"]["timestamp"] == "2026-03-04T05:06:07.000Z"
    assert answer["expansion"]["total"] == 4
    assert answer["expansion"]["contains"][0] == {
        "system": "http://hl7.org/fhir/administrative-gender",
        "version": "4.0.1",
        "code": "male",
        "display": "Male",
    }
    assert answer["expansion"]["parameter"] == [
        {
            "name": "used-codesystem",
            "valueUri": "http://hl7.org/fhir/administrative-gender|4.0.1",
        }
    ]


def test_expand_in_pages() -> None:
    assert codes(expand()) == ["mammal", "dog", "bat"]
    assert codes(expand(count="2")) == ["mammal", "dog"]
    page = expand(count="2", offset="2")
    assert codes(page) == ["bat"]
    assert (page["expansion"]["total"], page["expansion"]["offset"]) == (3, 2)
    nothing = expand(count="0")
    assert "contains" not in nothing["expansion"]
    assert nothing["expansion"]["total"] == 3


def test_expand_with_filter_designations_and_language() -> None:
    assert codes(expand(filter="BA")) == ["bat"]
    assert codes(expand(filter="hun do")) == ["dog"]
    assert codes(expand(filter="cat")) == []
    named = expand(includeDesignations="true", filter="dog")["expansion"]["contains"][0]
    assert named["designation"] == [{"language": "de", "value": "Hund"}]
    german = expand(displayLanguage="de-AT", filter="dog")["expansion"]["contains"][0]
    assert german["display"] == "Hund"
    assert "designation" not in german


def test_expand_with_less_common_parameters() -> None:
    plain = expand(contextDirection="incoming", excludePostCoordinated="true", excludeNested="true")
    assert codes(plain) == ["mammal", "dog", "bat"]
    assert "compose" in expand(includeDefinition="true")
    assert "compose" not in plain
    for token, names in (("de", ["Hund"]), ("urn:ietf:bcp:47|de", ["Hund"]), ("fr", [])):
        row = expand(designation=token, filter="dog")["expansion"]["contains"][0]
        assert [one["value"] for one in row.get("designation", [])] == names
    assert codes(expand(**{"exclude-system": ANIMALS})) == []
    for name in ("system-version", "check-system-version", "force-system-version"):
        assert codes(expand(**{name: f"{ANIMALS}|2"})) == ["mammal", "dog", "bat"]
        with pytest.raises(NotFound, match=r"animals\|9 is not loaded"):
            expand(**{name: f"{ANIMALS}|9"})


def test_expand_leaves_out_what_is_not_wanted() -> None:
    everything = SET + "all-animals"
    assert "dodo" in codes(run(EXPAND, "ValueSet", {"url": everything}))
    active = run(EXPAND, "ValueSet", {"url": everything, "activeOnly": "true"})
    assert "dodo" not in codes(active)
    chosen = run(EXPAND, "ValueSet", {"url": everything, "excludeNotForUI": "true"})
    assert "animal" not in codes(chosen)


def test_expand_of_an_instance_and_of_a_resource_handed_over() -> None:
    stored = {**value_set("mine", MAMMALS), "id": "mine"}
    answer = run(EXPAND, "ValueSet", id_="mine", given=context(stored=[stored]))
    assert (answer["id"], codes(answer)) == ("mine", ["mammal", "dog", "bat"])
    handed = {"resourceType": "ValueSet", "compose": {"include": [MAMMALS]}}
    assert codes(run(EXPAND, "ValueSet", body=handed)) == ["mammal", "dog", "bat"]
    wrapped = parameters(valueSet__resource=handed, count__valueInteger=1)
    assert codes(run(EXPAND, "ValueSet", body=wrapped)) == ["mammal"]


def test_expand_by_context() -> None:
    for element in ("Observation.status", "http://hl7.org/fhir/x#Observation.status"):
        answer = run(EXPAND, "ValueSet", {"context": element})
        assert answer["url"] == "http://hl7.org/fhir/ValueSet/observation-status"


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"url": "http://nowhere.org/vs"}, NotFound),
        ({"url": "http://hl7.org/fhir/ValueSet/observation-codes"}, NotFound),
        ({"url": GENDER, "valueSetVersion": "9"}, NotFound),
        ({}, BadRequest),
        ({"url": GENDER, "context": "Observation.status"}, BadRequest),
        ({"url": GENDER, "count": "-1"}, BadRequest),
        ({"url": GENDER, "offset": "-1"}, BadRequest),
        ({"url": GENDER, "count": "x"}, BadRequest),
        ({"url": GENDER, "filter": "a " * 21}, BadRequest),
        ({"url": GENDER, "date": "2020"}, BadRequest),
        ({"valueSet": "x"}, BadRequest),
        ({"context": "Observation.value"}, FhirError),
        ({"context": "Observation.nothing"}, FhirError),
        ({"context": ""}, BadRequest),
        ({"url": UNITS}, TooCostly),
        ({"url": "http://terminology.hl7.org/ValueSet/v3-ActCode"}, TooCostly),
    ],
)
def test_expand_refuses(query: dict[str, str], refusal: type[FhirError]) -> None:
    with pytest.raises(refusal) as caught:
        run(EXPAND, "ValueSet", query)
    assert 400 <= caught.value.status < 500


@pytest.mark.parametrize(
    "handed",
    [
        {"resourceType": "ValueSet"},
        {"resourceType": "ValueSet", "compose": []},
        {"resourceType": "ValueSet", "compose": {"include": [{"system": 5}]}},
        {"resourceType": "ValueSet", "compose": {"include": [{"concept": [{}]}]}},
        {"resourceType": "ValueSet", "compose": {"include": [{"system": "http://nowhere"}]}},
        {"resourceType": "Patient"},
        {"resourceType": "ValueSet", "compose": {"include": [{"valueSet": ["http://x"]}]}},
    ],
)
def test_expand_refuses_what_is_handed_over(handed: dict[str, Any]) -> None:
    with pytest.raises(FhirError) as caught:
        run(EXPAND, "ValueSet", body=handed)
    assert 400 <= caught.value.status < 500


def test_large_value_sets_need_a_page() -> None:
    url = "http://terminology.hl7.org/ValueSet/v3-ActCode"
    answer = run(EXPAND, "ValueSet", {"url": url, "count": "10"})
    assert len(codes(answer)) == 10
    assert answer["expansion"]["total"] > 1000


def test_validate_code() -> None:
    assert judge(code="dog", system=ANIMALS) == {
        "result": True,
        "display": "Dog",
        "code": "dog",
        "system": ANIMALS,
        "version": "2",
    }
    assert judge(code="dog")["system"] == ANIMALS
    assert judge(code="dog", system=ANIMALS, display=" DOG ")["result"] is True
    assert judge(code="dog", system=ANIMALS, display="Hund")["result"] is True
    wrong = judge(code="dog", system=ANIMALS, display="Cat")
    assert (wrong["result"], wrong["display"]) == (False, "Dog")
    assert "called 'Dog'" in wrong["message"]
    assert judge(code="dodo", system=ANIMALS)["result"] is False
    assert judge(code="dog", system="http://other.org")["result"] is False
    assert judge(code="dog", system=ANIMALS, systemVersion="1")["result"] is False
    assert judge(code="dog", system=ANIMALS, displayLanguage="de")["display"] == "Hund"
    assert values(run(VALIDATE_CODE, "ValueSet", {"url": SET + "all-animals", "code": "animal"}))[
        "result"
    ]
    abstract = {"url": SET + "all-animals", "code": "animal", "abstract": "false"}
    assert not values(run(VALIDATE_CODE, "ValueSet", abstract))["result"]


def test_validate_code_of_rules() -> None:
    unit = {"url": UNITS, "code": "mm[Hg]", "system": "http://unitsofmeasure.org"}
    assert values(run(VALIDATE_CODE, "ValueSet", unit))["result"]
    assert not values(run(VALIDATE_CODE, "ValueSet", {**unit, "code": "mmHg"}))["result"]


def test_validate_codings_and_concepts() -> None:
    coding = {"system": ANIMALS, "code": "bat", "display": "Bat"}
    asked = parameters(url__valueUri=SET + "mammals", coding__valueCoding=coding)
    assert values(run(VALIDATE_CODE, "ValueSet", body=asked))["result"]
    concept = {"coding": [{"system": "http://other.org", "code": "1"}, coding]}
    asked = parameters(url__valueUri=SET + "mammals", codeableConcept__valueCodeableConcept=concept)
    assert values(run(VALIDATE_CODE, "ValueSet", body=asked))["code"] == "bat"
    handed = {"resourceType": "ValueSet", "compose": {"include": [MAMMALS]}}
    asked = parameters(valueSet__resource=handed, coding__valueCoding=coding)
    assert values(run(VALIDATE_CODE, "ValueSet", body=asked))["result"]
    stored = {**value_set("mine", MAMMALS), "id": "mine"}
    given = context(stored=[stored])
    assert values(run(VALIDATE_CODE, "ValueSet", {"code": "bat"}, id_="mine", given=given))[
        "result"
    ]


def test_a_code_of_several_systems_needs_its_own_named() -> None:
    other = {"system": "http://other.org", "concept": [{"code": "dog"}]}
    handed = {"resourceType": "ValueSet", "compose": {"include": [MAMMALS, other]}}
    asked = parameters(valueSet__resource=handed, code__valueCode="dog")
    answer = values(run(VALIDATE_CODE, "ValueSet", body=asked))
    assert not answer["result"]
    assert "several systems" in answer["message"]


@pytest.mark.parametrize(
    "query",
    [
        {"url": GENDER},
        {"code": "male"},
        {"url": GENDER, "version": "1", "code": "male"},
        {"url": "http://nowhere.org/vs", "code": "male"},
    ],
)
def test_validate_code_refuses(query: dict[str, str]) -> None:
    with pytest.raises(FhirError) as caught:
        run(VALIDATE_CODE, "ValueSet", query)
    assert 400 <= caught.value.status < 500


@pytest.mark.parametrize(
    "coding", [{}, {"code": 5}, {"code": "x", "system": 5}, {"system": ANIMALS}]
)
def test_broken_codings_are_refused(coding: dict[str, Any]) -> None:
    for name in ("coding__valueCoding", "codeableConcept__valueCodeableConcept"):
        value = coding if name.startswith("coding_") else {"coding": [coding]}
        asked = parameters(url__valueUri=GENDER, **{name: value})
        with pytest.raises(BadRequest):
            run(VALIDATE_CODE, "ValueSet", body=asked)


def test_limited_callers() -> None:
    nurse = context(NURSE)
    assert codes(run(EXPAND, "ValueSet", {"url": GENDER}, given=nurse))
    with pytest.raises(Forbidden):
        run(EXPAND, "ValueSet", {"url": GENDER}, given=context(DEVICE))
    with pytest.raises(Forbidden):
        run(VALIDATE_CODE, "ValueSet", {"url": GENDER, "code": "male"}, given=context(DEVICE))
    with pytest.raises(Forbidden):
        run(VALIDATE_CODE, "CodeSystem", {"url": ANIMALS, "code": "dog"}, given=context(DEVICE))
    with pytest.raises(NotFound, match="ValueSet/absent is not known"):
        run(EXPAND, "ValueSet", id_="absent", given=nurse)


def test_validate_code_of_a_code_system() -> None:
    def ask(**query: str) -> dict[str, Any]:
        return values(run(VALIDATE_CODE, "CodeSystem", query))

    assert ask(url=ANIMALS, code="dog", version="2")["display"] == "Dog"
    assert ask(url=ANIMALS, code="cat")["result"] is False
    assert ask(url="http://unitsofmeasure.org", code="mm[Hg]")["result"] is True
    assert ask(url="http://unitsofmeasure.org", code="mmHg")["result"] is False
    assert ask(url=ANIMALS, code="animal", abstract="false")["result"] is False
    with pytest.raises(NotFound, match=r"CodeSystem http://loinc.org is not loaded"):
        ask(url="http://loinc.org", code="8867-4")
    with pytest.raises(NotFound):
        ask(url=ANIMALS, code="dog", version="1")
    with pytest.raises(BadRequest):
        ask(code="dog")
    with pytest.raises(BadRequest):
        ask(url=ANIMALS, code="dog", system=ANIMALS)


def test_validate_code_of_a_code_system_at_hand() -> None:
    handed = animals(content="fragment")
    asked = parameters(codeSystem__resource=handed, code__valueCode="cat")
    answer = values(run(VALIDATE_CODE, "CodeSystem", body=asked))
    assert not answer["result"]
    assert "only a part" in answer["message"]
    coding = {"system": "http://other.org", "code": "dog"}
    asked = parameters(codeSystem__resource=handed, coding__valueCoding=coding)
    assert not values(run(VALIDATE_CODE, "CodeSystem", body=asked))["result"]
    given = context(stored=[animals(id="zoo")])
    assert values(run(VALIDATE_CODE, "CodeSystem", {"code": "dog"}, id_="zoo", given=given))[
        "result"
    ]
    asked = parameters(coding__valueCoding={"system": ANIMALS, "code": "dog"})
    assert values(run(VALIDATE_CODE, "CodeSystem", body=asked))["result"]
