"""What the blind index is made of."""

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from fhirserver.search.extract import extract
from fhirserver.search.query import parse
from fhirserver.search.terms import AnyOf, Term, index_terms, query_terms, resource_terms

CUT = "\x1f"


@pytest.mark.parametrize(
    ("type_", "entry", "texts"),
    [
        ("Flag", TokenEntry("p", "s", "c"), {"a", f"bs{CUT}c", "cc", "ss"}),
        ("Flag", TokenEntry("p", None, "c"), {"a", "cc", "nc"}),
        ("Flag", TokenEntry("p", "s", None), {"a", "ss"}),
        ("Flag", TokenEntry("p", "s", "c", True), {"a", f"bs{CUT}c", "cc", "nc", "ss"}),
        ("Flag", UriEntry("p", "urn:x"), {"a", "uurn:x"}),
        ("Flag", UriEntry("p", "u|1"), {"a", "uu", "uu|1"}),
        ("Flag", StringEntry("p", "Änn"), {"a", "pa", "pan", "pann", "eÄnn"}),
        ("Flag", StringEntry("p", " "), {"a", "e "}),
        ("Flag", ReferenceEntry("p", "Patient/ann", "Patient", "ann"), {"a", "Patient/ann"}),
        ("Flag", ReferenceEntry("p", "u|1", None, None, "1"), {"a", "u", "u|1"}),
        ("Flag", DateEntry("date", 0, 86_400_000_000), {"a"}),
        (
            "Patient",
            DateEntry("birthdate", 0, 86_400_000_000),
            {"a", "d1970", "d1970-01", "d1970-01-01"},
        ),
        ("Patient", StringEntry("phonetic", "Ann"), set()),
        ("Observation", TokenEntry("combo-code", "s", "c"), set()),
        ("Observation", ReferenceEntry("patient", "Patient/ann", "Patient", "ann"), {"a"}),
    ],
)
def test_an_entry_is_found_under_its_terms(type_: str, entry: Entry, texts: set[str]) -> None:
    terms = index_terms(type_, entry)
    assert {term.text for term in terms} == texts
    assert {term.param for term in terms} <= {entry.param}
    assert {term.reference for term in terms if term.text != "a"} <= {
        isinstance(entry, ReferenceEntry)
    }


def test_long_strings_have_sixteen_prefixes() -> None:
    terms = index_terms("Flag", StringEntry("p", "abcdefghijklmnopqrstuvwxyz"))
    assert len(terms) == 18
    assert Term("p", "pabcdefghijklmnop") in terms


def test_a_resource_has_each_term_once() -> None:
    flag: Json = {"resourceType": "Flag", "subject": {"reference": "Patient/ann"}}
    terms = resource_terms("Flag", extract(flag, load()))
    assert terms == {
        Term("subject", "a"),
        Term("subject", "Patient/ann", True),
        Term("patient", "a"),
    }


def test_quantities_only_say_that_they_are_there() -> None:
    entries = extract({"resourceType": "Observation", "valueQuantity": {"value": 5}}, load())
    assert any(isinstance(entry, QuantityEntry) for entry in entries)
    assert resource_terms("Observation", entries) == {Term("value-quantity", "a")}


def _asked(type_: str, name: str, text: str) -> AnyOf:
    return query_terms(type_, parse(type_, [(name, text)], load()).conditions[0])


@pytest.mark.parametrize(
    ("type_", "name", "text", "expected"),
    [
        ("Flag", "identifier", "active", AnyOf((Term("identifier", "cactive"),), True)),
        ("Flag", "identifier", "|c", AnyOf((Term("identifier", "nc"),), True)),
        ("Flag", "identifier", "s|", AnyOf((Term("identifier", "ss"),), True)),
        ("Flag", "identifier", "s|c", AnyOf((Term("identifier", f"bs{CUT}c"),), True)),
        ("Flag", "patient", "ann", AnyOf((Term("subject", "Patient/ann", True),), True)),
        ("Flag", "patient", "Group/g", AnyOf((), True)),
        ("Flag", "patient", "http://e/x", AnyOf((Term("subject", "http://e/x", True),), False)),
        ("Flag", "patient:missing", "true", AnyOf((Term("patient", "a"),), True)),
        ("Patient", "name", "Mül", AnyOf((Term("name", "pmul"),), True)),
        ("Patient", "phonetic", "Mül", AnyOf((Term("name", "pmul"),), True)),
        ("Patient", "name:exact", "Mül", AnyOf((Term("name", "eMül"),), True)),
        (
            "Patient",
            "name",
            "Wolfeschlegelsteinhausen",
            AnyOf((Term("name", "pwolfeschlegelste"),), False),
        ),
        (
            "Observation",
            "combo-code",
            "1",
            AnyOf((Term("code", "c1"), Term("component-code", "c1")), True),
        ),
        (
            "Observation",
            "combo-code:missing",
            "false",
            AnyOf((Term("code", "a"), Term("component-code", "a")), True),
        ),
        ("Patient", "birthdate", "1980-05", AnyOf((Term("birthdate", "d1980-05"),), True)),
        ("Patient", "_profile", "u", AnyOf((Term("_profile", "uu"),), True)),
    ],
)
def test_a_condition_asks_for_terms(type_: str, name: str, text: str, expected: AnyOf) -> None:
    assert _asked(type_, name, text) == expected


def test_numbers_are_not_asked_of_terms() -> None:
    with pytest.raises(TypeError):
        _asked("RiskAssessment", "probability", "1")
