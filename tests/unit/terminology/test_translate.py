from typing import Any

import pytest

from fhirserver.interactions.operations.translate import TRANSLATE
from fhirserver.kernel.errors import BadRequest, FhirError, Forbidden, NotFound
from tests.unit.terminology.loaded import ANIMALS
from tests.unit.terminology.operations import DEVICE, NURSE, context, parameters, run, values

MAP = "http://example.org/ConceptMap/"
PLANTS = "http://example.org/CodeSystem/plants"


def concept_map(name: str = "it", **group: Any) -> dict[str, Any]:
    return {
        "resourceType": "ConceptMap",
        "id": name,
        "url": MAP + name,
        "version": "1",
        "status": "active",
        "sourceUri": "http://example.org/from",
        "group": [
            {
                "source": ANIMALS,
                "target": PLANTS,
                "element": [
                    {
                        "code": "dog",
                        "target": [
                            {"code": "dogwood", "display": "Dogwood", "equivalence": "wider"},
                            {
                                "code": "dog-rose",
                                "equivalence": "equivalent",
                                "dependsOn": [{"property": "http://x/season", "value": "june"}],
                                "product": [{"property": "http://x/colour", "value": "pink"}],
                            },
                        ],
                    },
                    {"code": "bat", "target": [{"equivalence": "unmatched"}]},
                ],
                **group,
            }
        ],
    }


def ask(*maps: dict[str, Any], **query: str) -> dict[str, Any]:
    given = context(stored=maps)
    return run(TRANSLATE, "ConceptMap", {"system": ANIMALS, **query}, given=given)


def matches(answer: dict[str, Any]) -> list[tuple[str, str | None]]:
    found = []
    for row in answer["parameter"]:
        if row["name"] == "match":
            parts = {part["name"]: part for part in row["part"]}
            coding = parts.get("concept", {}).get("valueCoding", {})
            found.append((parts["equivalence"]["valueCode"], coding.get("code")))
    return found


def test_translate_with_a_named_map() -> None:
    answer = ask(concept_map(), url=MAP + "it", code="dog")
    assert values(answer)["result"] is True
    assert answer["parameter"][1]["part"] == [
        {"name": "equivalence", "valueCode": "wider"},
        {
            "name": "concept",
            "valueCoding": {"system": PLANTS, "code": "dogwood", "display": "Dogwood"},
        },
        {"name": "source", "valueUri": MAP + "it"},
    ]
    versioned = ask(concept_map(), url=MAP + "it", conceptMapVersion="1", code="dog")
    assert matches(versioned) == [("wider", "dogwood")]


def test_all_maps_an_instance_and_one_handed_over() -> None:
    assert matches(ask(concept_map(), code="dog")) == [("wider", "dogwood")]
    assert matches(ask(concept_map(), code="dog", targetsystem="http://other.org")) == []
    assert matches(ask(concept_map(), code="dog", source="http://example.org/from"))
    assert matches(ask(concept_map(), code="dog", source="http://example.org/to")) == []
    given = context(stored=[concept_map()])
    query = {"code": "dog", "system": ANIMALS}
    assert matches(run(TRANSLATE, "ConceptMap", query, id_="it", given=given))
    asked = parameters(
        conceptMap__resource=concept_map("other"),
        coding__valueCoding={"system": ANIMALS, "code": "dog"},
    )
    assert matches(run(TRANSLATE, "ConceptMap", body=asked)) == [("wider", "dogwood")]


def test_no_match_is_an_answer() -> None:
    answer = ask(concept_map(), url=MAP + "it", code="bat")
    assert values(answer)["result"] is False
    assert matches(answer) == [("unmatched", None)]
    answer = ask(concept_map(), url=MAP + "it", code="cat")
    assert values(answer) == {
        "result": False,
        "message": "No map that was asked has a translation.",
    }


def test_dependencies_decide() -> None:
    dependency = [
        {"name": "element", "valueUri": "http://x/season"},
        {"name": "concept", "valueCodeableConcept": {"coding": [{"code": "june"}]}},
    ]
    asked = parameters(
        url__valueUri=MAP + "it",
        coding__valueCoding={"system": ANIMALS, "code": "dog"},
        dependency__part=dependency,
    )
    answer = run(TRANSLATE, "ConceptMap", body=asked, given=context(stored=[concept_map()]))
    assert matches(answer) == [("wider", "dogwood"), ("equivalent", "dog-rose")]
    product = answer["parameter"][2]["part"][2]
    assert product["name"] == "product"
    assert product["part"][0] == {"name": "element", "valueUri": "http://x/colour"}


@pytest.mark.parametrize("coding", [5, [5], [{}], {"code": 5}, [{"code": None}]])
def test_broken_dependencies_are_refused(coding: Any) -> None:
    dependency = [
        {"name": "element", "valueUri": "http://x/season"},
        {"name": "concept", "valueCodeableConcept": {"coding": coding}},
    ]
    asked = parameters(
        coding__valueCoding={"system": ANIMALS, "code": "dog"}, dependency__part=dependency
    )
    with pytest.raises(BadRequest):
        run(TRANSLATE, "ConceptMap", body=asked)


def test_reverse() -> None:
    answer = ask(concept_map(), url=MAP + "it", code="dogwood", system=PLANTS, reverse="true")
    assert matches(answer) == [("narrower", "dog")]


def test_what_the_map_does_not_list() -> None:
    fixed = concept_map(unmapped={"mode": "fixed", "code": "plant"})
    assert matches(ask(fixed, url=MAP + "it", code="cat")) == [("inexact", "plant")]
    provided = concept_map(unmapped={"mode": "provided"})
    assert matches(ask(provided, url=MAP + "it", code="cat")) == [("equal", "cat")]
    other = concept_map(unmapped={"mode": "other-map", "url": MAP + "next"})
    follows = concept_map("next", unmapped={"mode": "other-map", "url": MAP + "it"})
    follows["group"][0]["element"].append(
        {"code": "cat", "target": [{"code": "catnip", "equivalence": "relatedto"}]}
    )
    assert matches(ask(other, follows, url=MAP + "it", code="cat")) == [("relatedto", "catnip")]
    assert matches(ask(other, follows, url=MAP + "it", code="cow")) == []
    with pytest.raises(NotFound, match=r"ConceptMap http://example.org/ConceptMap/next"):
        ask(other, url=MAP + "it", code="cat")


def test_maps_of_r4() -> None:
    answer = run(
        TRANSLATE,
        "ConceptMap",
        {
            "system": "http://hl7.org/fhir/address-use",
            "code": "home",
            "targetsystem": "http://terminology.hl7.org/CodeSystem/v3-AddressUse",
        },
    )
    assert ("equivalent", "H") in matches(answer) or ("equal", "H") in matches(answer)


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ({"url": MAP + "none", "code": "dog", "system": ANIMALS}, NotFound),
        ({"url": MAP + "it", "code": "dog", "system": ANIMALS}, NotFound),
        ({"code": "dog"}, BadRequest),
        ({"system": ANIMALS}, BadRequest),
        ({"code": "dog", "system": ANIMALS, "reverse": "maybe"}, BadRequest),
    ],
)
def test_translate_refuses(query: dict[str, str], refusal: type[FhirError]) -> None:
    with pytest.raises(refusal):
        run(TRANSLATE, "ConceptMap", query)


def test_limited_callers() -> None:
    query = {"code": "dog", "system": ANIMALS}
    given = context(NURSE, [concept_map()])
    assert matches(run(TRANSLATE, "ConceptMap", query, given=given))
    with pytest.raises(Forbidden):
        run(TRANSLATE, "ConceptMap", query, given=context(DEVICE))
    with pytest.raises(NotFound, match="ConceptMap/absent is not known"):
        run(TRANSLATE, "ConceptMap", query, id_="absent", given=context(NURSE))
