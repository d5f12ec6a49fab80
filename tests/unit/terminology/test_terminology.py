from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.errors import FhirError, NotFound, TooCostly, Unprocessable
from fhirserver.terminology import NotEnumerableError, terminology_of
from fhirserver.terminology.base import base_urls
from tests.unit.terminology.loaded import ANIMALS, SET, animals, terminology, value_set

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LOINC = "http://loinc.org"


def codes(include: dict[str, Any], *others: dict[str, Any], **compose: Any) -> list[str]:
    loaded = terminology(animals(), value_set("it", include, **compose), *others)
    return [code for _system, code in loaded.require_members(SET + "it")]


def filtered(name: str, operator: str, value: str) -> list[str]:
    row = {"property": name, "op": operator, "value": value}
    return codes({"system": ANIMALS, "filter": [row]})


def test_every_required_value_set_of_r4_is_what_the_definitions_compiled() -> None:
    definitions = load()
    loaded = terminology_of(definitions)
    for url in base_urls("ValueSet"):
        compiled = definitions.value_set(url)
        if compiled is None:
            continue
        members = loaded.members(url)
        assert members is not None, url
        if compiled.pattern is None:
            mine: dict[str, set[str]] = {}
            for system, code in members:
                mine.setdefault(system, set()).add(code)
            assert mine == {key: set(value) for key, value in compiled.systems.items()}, url


def test_everything_r4_ships_can_be_put_together_or_names_what_is_not_loaded() -> None:
    loaded = terminology_of(load())
    found = absent = 0
    for url in base_urls("ValueSet"):
        try:
            members = loaded.members(url)
        except Unprocessable:
            assert url == "http://hl7.org/fhir/ValueSet/example-filter"
            continue
        found += members is not None
        absent += members is None
        assert members is not None or "is not loaded" in loaded.missing(url)
    assert found > 1200
    assert absent < 100


def test_value_sets_that_are_a_rule() -> None:
    loaded = terminology_of(load())
    units = loaded.require_members("http://hl7.org/fhir/ValueSet/ucum-units")
    assert units
    assert not units.complete
    assert units.contains("http://unitsofmeasure.org", "mm[Hg]")
    assert units.contains(None, "mm[Hg]")
    assert not units.contains("http://unitsofmeasure.org", "mmHg")
    assert not units.contains("http://example.org", "mm[Hg]")
    with pytest.raises(NotEnumerableError):
        list(units)
    with pytest.raises(NotEnumerableError):
        units.listed()
    currencies = loaded.require_members("http://hl7.org/fhir/ValueSet/currencies")
    assert currencies.contains("urn:iso:std:iso:4217", "EUR")
    assert not currencies.contains("urn:iso:std:iso:4217", "euro")


def test_units_of_one_dimension() -> None:
    row = {"property": "canonical", "op": "=", "value": "s-1"}
    include = {"system": "http://unitsofmeasure.org", "filter": [row]}
    members = terminology(value_set("rates", include)).require_members(SET + "rates")
    assert members.contains("http://unitsofmeasure.org", "/min")
    assert not members.contains("http://unitsofmeasure.org", "mm[Hg]")


def test_hierarchy_of_r4() -> None:
    loaded = terminology_of(load())
    assert set(loaded.descendants(ACT, "_ActEncounterCode") or ()) == {
        "_ActEncounterCode", "AMB", "EMER", "FLD", "HH", "IMP", "ACUTE", "NONAC", "OBSENC", "PRENC",
        "SS", "VR",
    }  # fmt: skip
    ancestors = loaded.ancestors(ACT, "ACUTE")
    assert ancestors is not None
    assert {"ACUTE", "IMP", "_ActEncounterCode"} <= ancestors
    assert loaded.subsumes(ACT, "IMP", "ACUTE") == "subsumes"
    assert loaded.subsumes(ACT, "ACUTE", "IMP") == "subsumed-by"
    assert loaded.subsumes(ACT, "AMB", "IMP") == "not-subsumed"
    assert loaded.subsumes(ACT, "AMB", "AMB") == "equivalent"
    assert loaded.subsumes(ACT, "AMB", "?") is None
    assert loaded.descendants(ACT, "?") is None
    assert loaded.ancestors(LOINC, "8867-4") is None
    assert loaded.display(ACT, "AMB") == "ambulatory"
    assert loaded.display(LOINC, "8867-4") is None


def test_two_parents() -> None:
    loaded = terminology(animals())
    assert set(loaded.ancestors(ANIMALS, "bat") or ()) == {"bat", "mammal", "flyer", "animal"}
    assert set(loaded.descendants(ANIMALS, "flyer") or ()) == {"flyer", "bat"}


def test_a_hierarchy_that_goes_round_still_ends() -> None:
    rows = [
        {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
        {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
    ]
    loaded = terminology(animals(concept=rows))
    assert set(loaded.ancestors(ANIMALS, "a") or ()) == {"a", "b"}
    assert loaded.subsumes(ANIMALS, "a", "b") == "subsumes"


def test_a_very_deep_hierarchy() -> None:
    row: dict[str, Any] = {"code": "c0"}
    for number in range(1, 5000):
        row = {"code": f"c{number}", "concept": [row]}
    loaded = terminology(animals(concept=[row]))
    found = loaded.ancestors(ANIMALS, "c0")
    assert found is not None
    assert len(found) == 5000


def test_all_codes_of_a_system() -> None:
    everything = ["animal", "mammal", "dog", "bat", "flyer", "dodo"]
    assert codes({"system": ANIMALS}) == everything
    loaded = terminology(animals())
    for url in (SET + "all-animals", ANIMALS + "?fhir_vs"):
        assert [code for _, code in loaded.require_members(url)] == everything
    below = loaded.require_members(ANIMALS + "?fhir_vs=isa/mammal")
    assert {code for _, code in below} == {"mammal", "dog", "bat"}
    assert loaded.members(ANIMALS + "?fhir_vs=refset/1") is None


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("concept", "is-a", "mammal", "mammal dog bat"),
        ("concept", "descendent-of", "mammal", "dog bat"),
        ("concept", "is-not-a", "mammal", "animal flyer dodo"),
        ("concept", "generalizes", "bat", "animal mammal bat flyer"),
        ("concept", "is-a", "unknown", ""),
        ("code", "=", "dog", "dog"),
        ("concept", "in", "dog, bat", "dog bat"),
        ("concept", "not-in", "dog,bat", "animal mammal flyer dodo"),
        ("code", "regex", "d.*", "dog dodo"),
        ("code", "regex", "d", ""),
        ("legs", "=", "4", "dog"),
        ("legs", "exists", "true", "dog bat"),
        ("legs", "exists", "false", "animal mammal flyer dodo"),
        ("parent", "=", "mammal", "dog bat"),
        ("child", "=", "bat", "mammal flyer"),
        ("display", "regex", "D.*", "dog dodo"),
        ("definition", "exists", "true", "dog"),
        ("inactive", "=", "true", "dodo"),
    ],
)
def test_filters(name: str, operator: str, value: str, expected: str) -> None:
    assert filtered(name, operator, value) == expected.split()


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("colour", "=", "red"),
        ("concept", "like", "d"),
        ("legs", "is-a", "4"),
        ("code", "regex", "("),
        ("code", "regex", "a" * 1001),
        ("code", "regex", r"(a)\1"),
        ("code", "regex", "((a{1,1000}){1,1000}){1,1000}"),
    ],
)
def test_refused_filters(name: str, operator: str, value: str) -> None:
    with pytest.raises(Unprocessable):
        filtered(name, operator, value)


def test_regex_bait_takes_linear_time() -> None:
    bait = [{"code": "a" * 5000 + "b"}]
    row = {"property": "code", "op": "regex", "value": "(a+)+c"}
    loaded = terminology(
        animals(concept=bait), value_set("it", {"system": ANIMALS, "filter": [row]})
    )
    assert list(loaded.require_members(SET + "it")) == []


def test_several_filters_and_value_sets_are_an_intersection() -> None:
    legs = value_set(
        "legs",
        {"system": ANIMALS, "filter": [{"property": "legs", "op": "exists", "value": "true"}]},
    )
    below = {"property": "concept", "op": "is-a", "value": "flyer"}
    include = {"system": ANIMALS, "filter": [below], "valueSet": [SET + "legs"]}
    assert codes(include, legs) == ["bat"]
    assert codes({"valueSet": [SET + "legs", SET + "all-animals"]}, legs) == ["dog", "bat"]


def test_a_rule_and_a_list_meet_in_the_list() -> None:
    units = value_set(
        "units",
        {"system": "http://unitsofmeasure.org", "concept": [{"code": "mm[Hg]"}, {"code": "nope"}]},
    )
    every = "http://hl7.org/fhir/ValueSet/ucum-units"
    for order in ([every, SET + "units"], [SET + "units", every]):
        assert codes({"valueSet": order}, units) == ["mm[Hg]"]


def test_exclude_and_inactive() -> None:
    exclude = [{"system": ANIMALS, "concept": [{"code": "dog"}]}]
    assert "dog" not in codes({"system": ANIMALS}, exclude=exclude)
    assert "dodo" in codes({"system": ANIMALS})
    assert "dodo" not in codes({"system": ANIMALS}, inactive=False)
    units = value_set(
        "some-units",
        {"system": "http://unitsofmeasure.org"},
        exclude=[{"system": "http://unitsofmeasure.org", "concept": [{"code": "Cel"}]}],
    )
    members = terminology(units).require_members(SET + "some-units")
    assert members.contains(None, "K")
    assert not members.contains(None, "Cel")


def test_members_carry_what_the_system_says() -> None:
    include = {
        "system": ANIMALS,
        "concept": [{"code": "dog", "display": "Good boy"}, {"code": "x"}],
    }
    members = terminology(animals(), value_set("it", include)).require_members(SET + "it")
    dog = members.find(ANIMALS, "dog")
    assert dog is not None
    assert (dog.display, dog.version) == ("Good boy", "2")
    assert dog.designations == ({"language": "de", "value": "Hund"},)
    assert members.used == (f"{ANIMALS}|2",)
    assert members.systems_of("dog") == [ANIMALS]
    assert members.find(ANIMALS, "cat") is None


def test_codes_written_out_need_no_code_system() -> None:
    include = {"system": LOINC, "concept": [{"code": "8867-4", "display": "Heart rate"}]}
    assert codes(include) == ["8867-4"]


def test_versions() -> None:
    assert codes({"system": ANIMALS, "version": "2"})
    with pytest.raises(NotFound, match=r"animals\|1 is not loaded"):
        codes({"system": ANIMALS, "version": "1"})
    loaded = terminology(animals(), value_set("it", {"system": ANIMALS}) | {"version": "7"})
    assert loaded.members(SET + "it|7") is not None
    assert loaded.members(SET + "it|8") is None
    assert loaded.members("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1") is not None
    assert loaded.members("http://hl7.org/fhir/ValueSet/administrative-gender|5.0.0") is None


def test_not_loaded_names_the_canonical() -> None:
    loaded = terminology(value_set("it", {"system": LOINC}))
    assert loaded.members(SET + "it") is None
    assert loaded.missing(SET + "it") == f"The CodeSystem {LOINC} is not loaded."
    assert loaded.members("http://nowhere.org") is None
    assert loaded.missing("http://nowhere.org") == "The ValueSet http://nowhere.org is not loaded."


def test_an_expansion_brought_along_serves_where_the_system_is_not_loaded() -> None:
    resource = value_set("it", {"system": LOINC})
    contains = [
        {"abstract": True, "display": "Group", "contains": [{"system": LOINC, "code": "1"}]}
    ]
    resource["expansion"] = {"total": 1, "contains": contains}
    assert list(terminology(resource).require_members(SET + "it")) == [(LOINC, "1")]
    resource["expansion"]["total"] = 2
    assert terminology(resource).members(SET + "it") is None
    del resource["compose"]
    with pytest.raises(Unprocessable):
        terminology(resource).members(SET + "it")


def test_circles_and_depth_end() -> None:
    one = value_set("one", {"valueSet": [SET + "two"]})
    two = value_set("two", {"valueSet": [SET + "one|1"]}) | {"version": "3"}
    loaded = terminology(one | {"version": "1"}, two)
    with pytest.raises(Unprocessable, match="includes itself"):
        loaded.members(SET + "one")
    chain = [value_set(f"c{n}", {"valueSet": [f"{SET}c{n + 1}"]}) for n in range(30)]
    with pytest.raises(TooCostly):
        terminology(*chain).members(SET + "c0")


def test_bounds() -> None:
    many = animals(concept=[{"code": str(number)} for number in range(60_000)])
    include = {"system": ANIMALS}
    loaded = terminology(many, value_set("it", *[include] * 9))
    with pytest.raises(TooCostly):
        loaded.members(SET + "it")
    with pytest.raises(TooCostly):
        terminology().members_of(value_set("it", *[{"system": ANIMALS}] * 5001))
    large = value_set(
        "it", {"system": ANIMALS, "concept": [{"code": f"{n}"} for n in range(100_001)]}
    )
    with pytest.raises(TooCostly):
        terminology().members_of(large)


@pytest.mark.parametrize("compose", [{}, {"include": [{}]}])
def test_a_value_set_that_says_nothing(compose: dict[str, Any]) -> None:
    resource = {"resourceType": "ValueSet", "compose": compose}
    if compose:
        with pytest.raises(FhirError):
            terminology().members_of(resource)
    else:
        assert list(terminology().members_of(resource)) == []


def test_codes_without_case() -> None:
    loaded = terminology(animals(caseSensitive=False), value_set("it", {"system": ANIMALS}))
    members = loaded.require_members(SET + "it")
    assert members.contains(ANIMALS, "DOG")
    assert members.contains(None, "DOG")
    assert loaded.subsumes(ANIMALS, "MAMMAL", "Dog") == "subsumes"
    assert not terminology(animals()).require_members(SET + "all-animals").contains(ANIMALS, "DOG")


def test_supplements_add_designations_and_properties() -> None:
    supplement = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/CodeSystem/animals-fr",
        "status": "active",
        "content": "supplement",
        "supplements": ANIMALS,
        "concept": [
            {"code": "dog", "designation": [{"language": "fr", "value": "Chien"}]},
            {"code": "cat", "designation": [{"language": "fr", "value": "Chat"}]},
        ],
    }
    loaded = terminology(animals(), supplement)
    system = loaded.require_code_system(ANIMALS)
    assert [row["value"] for row in system.concepts["dog"].designations] == ["Hund", "Chien"]
    assert "cat" not in system.concepts
    assert loaded.code_system("http://example.org/CodeSystem/animals-fr") is None


def test_the_same_definitions_have_one_terminology() -> None:
    assert terminology_of(load()) is terminology_of(load())
