"""Search parameters posted at run time: what can be used, and how it is searched."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from fhirserver.search.extract import entries_of, extract
from fhirserver.search.match import matches
from fhirserver.search.parameter_check import check_parameter
from fhirserver.search.query import parse
from fhirserver.search.terms import query_terms, resource_terms

BASE = "http://e.example/SearchParameter/"


def _parameter(code: str, expression: str, **more: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": BASE + code,
        "name": code,
        "status": "active",
        "code": code,
        "base": ["Patient"],
        "type": "string",
        "expression": expression,
        **more,
    }


SIMPLE = _parameter("nickname", "Patient.name.where(use='nickname').given")
ENGINE = _parameter("initials", "Patient.name.given.select(substring(0, 1))")
COUNT = _parameter("names", "Patient.name.count()", type="number")
PAIR = _parameter(
    "contact-pair",
    "Patient.contact",
    type="composite",
    component=[
        {
            "definition": "http://hl7.org/fhir/SearchParameter/individual-gender",
            "expression": "gender",
        },
        {"definition": BASE + "nickname", "expression": "name.given"},
    ],
)
ANN: Json = {
    "resourceType": "Patient",
    "id": "ann",
    "name": [{"use": "nickname", "given": ["Nan"]}, {"family": "Bell", "given": ["Ann"]}],
    "contact": [{"gender": "male", "name": {"given": ["Nan"]}}],
}


@pytest.mark.parametrize("parameter", [SIMPLE, ENGINE, COUNT])
def test_a_usable_one_has_no_problems(parameter: Json) -> None:
    assert [one for one in check_parameter(parameter, load()) if one.severity == "error"] == []


@pytest.mark.parametrize(
    ("parameter", "place"),
    [
        (_parameter("bad code", "Patient.name"), "code"),
        (_parameter("_sort", "Patient.active", type="token"), "code"),
        (_parameter("a.b", "Patient.active", type="token"), "code"),
        (_parameter("name", "Patient.name.family"), "code"),
        (_parameter("x", "Patient.("), "expression"),
        (_parameter("x", "Patient.nothing"), "expression"),
        (_parameter("x", "Patient.name.nothing()"), "expression"),
        (_parameter("x", "Patient.name", type="date"), "expression"),
        (_parameter("x", "Patient.name", type="special"), "type"),
        (_parameter("x", "Patient.name", base=["Nothing"]), "base"),
        (_parameter("x", "Patient.name." + "given." * 1000), "expression"),
        ({**PAIR, "component": PAIR["component"][:1]}, "component"),
    ],
)
def test_an_unusable_one_is_told_why(parameter: Json, place: str) -> None:
    problems = check_parameter(parameter, load())
    assert any(one.expression == f"SearchParameter.{place}" for one in problems), problems


def test_what_is_only_stored_needs_no_expression() -> None:
    assert check_parameter({**SIMPLE, "status": "retired", "expression": "("}, load()) == []
    assert check_parameter({**SIMPLE, "expression": None}, load()) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("nickname", "nan", True),
        ("nickname", "ann", False),
        ("nickname:contains", "an", True),
        ("initials", "a", True),
        ("initials:exact", "A", True),
        ("initials", "b", False),
        ("names", "2", True),
        ("names", "gt2", False),
        ("contact-pair", "male$nan", True),
        ("contact-pair", "female$nan", False),
    ],
)
def test_an_enabled_one_is_searched(name: str, text: str, expected: bool) -> None:
    every = [SIMPLE, ENGINE, COUNT, PAIR]
    definitions = load().extended(every, frozenset(one["url"] for one in every))
    query = parse("Patient", [(name, text)], definitions)
    assert matches(ANN, query, definitions) is expected


def test_one_is_indexed_before_it_may_be_searched() -> None:
    definitions = load().extended([SIMPLE], frozenset())
    assert "nickname" not in definitions.search_parameters("Patient")
    assert any(entry.param == "nickname" for entry in entries_of(ANN, definitions))
    enabled = load().extended([SIMPLE], frozenset({SIMPLE["url"]}))
    (asked,) = parse("Patient", [("nickname:missing", "false")], enabled).conditions
    found = query_terms("Patient", asked)
    assert found is not None
    assert resource_terms("Patient", extract(ANN, definitions)).issuperset(found.terms)


def test_an_expression_that_fails_on_a_resource_finds_nothing_in_it() -> None:
    failing = _parameter("only", "Patient.name.given.single()")
    definitions = load().extended([failing], frozenset({failing["url"]}))
    query = parse("Patient", [("only:missing", "true")], definitions)
    assert matches(ANN, query, definitions)
