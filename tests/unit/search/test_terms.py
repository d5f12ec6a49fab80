"""What the blind index is made of."""

from decimal import Decimal

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    LogicalEntry,
    OfTypeEntry,
    PositionEntry,
    PresentEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TextEntry,
    TokenEntry,
    UriEntry,
    WordEntry,
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
        ("Flag", UriEntry("p", "urn:x"), {"a", "uurn:x", "vurn:x"}),
        ("Flag", UriEntry("p", "u|1"), {"a", "uu", "uu|1", "vu"}),
        ("Flag", UriEntry("_profile", "urn:x"), {"a", "uurn:x"}),
        (
            "Flag",
            UriEntry("p", "http://e/a/b"),
            {"a", "uhttp://e/a/b", "vhttp://e", "vhttp://e/a", "vhttp://e/a/b"},
        ),
        ("Flag", StringEntry("p", "Änn"), {"a", "gann"}),
        ("Patient", StringEntry("family", "Änn"), {"a", "pa", "pan", "pann", "gann"}),
        ("Flag", TextEntry("p", "Änne"), {"tann"}),
        ("Flag", TextEntry("p", " "), set()),
        ("Flag", OfTypeEntry("p", "s", "MR", "7"), {f"os{CUT}MR{CUT}7"}),
        ("Flag", LogicalEntry("p", "s", "7"), {"a", f"ibs{CUT}7", "ic7", "iss"}),
        ("Flag", PresentEntry("p"), {"a"}),
        ("Flag", PositionEntry("p", Decimal(1), Decimal(2)), {"a"}),
        ("Flag", WordEntry("_content", "ann"), {"wann"}),
        ("Flag", StringEntry("p", " "), {"a"}),
        ("Flag", ReferenceEntry("p", "Patient/ann", "Patient", "ann"), {"a", "Patient/ann"}),
        ("Flag", ReferenceEntry("p", "u|1", None, None, "1"), {"a", "u", "u|1"}),
        ("Flag", DateEntry("date", 0, 86_400_000_000), {"a"}),
        (
            "Patient",
            DateEntry("birthdate", 0, 86_400_000_000),
            {"a", "d1970 quarter 1", "d1970-01", "d1970-01-01"},
        ),
        ("Patient", StringEntry("phonetic", "Ann"), set()),
        ("Observation", TokenEntry("combo-code", "s", "c"), set()),
        ("Observation", ReferenceEntry("patient", "Patient/ann", "Patient", "ann"), {"a"}),
    ],
)
def test_an_entry_is_found_under_its_terms(type_: str, entry: Entry, texts: set[str]) -> None:
    terms = index_terms(type_, entry)
    assert {term.text for term in terms} == texts
    assert {term.param for term in terms} <= {entry.param, ""}
    assert {term.reference for term in terms if term.text != "a"} <= {
        isinstance(entry, ReferenceEntry)
    }


def test_long_names_have_sixteen_prefixes() -> None:
    terms = index_terms("Flag", StringEntry("name", "abcdefghijklmnopqrstuvwxyz"))
    assert len(terms) == 1 + 16 + 24
    assert Term("name", "pabcdefghijklmnop") in terms


def test_texts_share_their_letters() -> None:
    one = resource_terms("Patient", (StringEntry("address", "Main"), StringEntry("name", "Main")))
    assert {term for term in one if term.text[0] == "g"} == {Term("", "gmai"), Term("", "gain")}


def test_too_many_letters_make_a_candidate_for_everything() -> None:
    letters = "".join(chr(0x4E00 + number) for number in range(300))
    terms = index_terms("Flag", StringEntry("p", letters))
    assert terms == {Term("p", "a"), Term("", "g")}


def test_a_name_is_indexed_where_it_stands() -> None:
    entries = (StringEntry("name", "Ann"), StringEntry("given", "Ann"), StringEntry("name", "Dr"))
    terms = resource_terms("Patient", entries)
    assert Term("given", "pann") in terms
    assert Term("name", "pann") not in terms
    assert Term("name", "pdr") in terms


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


def _asked(type_: str, name: str, text: str) -> AnyOf | None:
    return query_terms(type_, parse(type_, [(name, text)], load()).conditions[0])


_NAMES = (Term("name", "pmul"), Term("family", "pmul"), Term("given", "pmul"))


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
        ("Patient", "family", "Mül", AnyOf((Term("family", "pmul"),), True)),
        ("Patient", "name", "Mül", AnyOf(_NAMES, True)),
        ("Patient", "phonetic", "Mül", AnyOf(_NAMES, True)),
        ("Patient", "name:exact", "Mül", AnyOf(_NAMES, False)),
        (
            "Patient",
            "family",
            "Wolfeschlegelsteinhausen",
            AnyOf((Term("family", "pwolfeschlegelste"),), False),
        ),
        (
            "Patient",
            "address",
            "Mai St",
            AnyOf((Term("address", "pmai st"), Term("", "g")), False, ((Term("", "gmai"),),)),
        ),
        ("Patient", "address", "M", AnyOf((Term("address", "a"),), False)),
        (
            "Patient",
            "family:contains",
            "uller",
            AnyOf(
                (Term("", "g"),), False, ((Term("", "gull"), Term("", "glle"), Term("", "gler")),)
            ),
        ),
        (
            "Patient",
            "identifier:of-type",
            "s|MR|7",
            AnyOf((Term("identifier", f"os{CUT}MR{CUT}7"),), True),
        ),
        ("Patient", "identifier:text", "medical", AnyOf((Term("identifier", "tmed"),), False)),
        (
            "Flag",
            "subject:identifier",
            "s|7",
            AnyOf((Term("subject", f"ibs{CUT}7"),), True),
        ),
        ("ValueSet", "url:below", "http://e/a/", AnyOf((Term("url", "vhttp://e/a"),), True)),
        ("Observation", "code:text", "pressure", AnyOf((Term("code", "a"),), False)),
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


@pytest.mark.parametrize(
    ("entry", "texts"),
    [
        (TokenEntry("type", "s", "c"), {"cc"}),
        (TokenEntry("action", "s", "c", True), {"cc"}),
        (TokenEntry("type", "s", None), set()),
        (LogicalEntry("agent", "s", "7"), {"ic7"}),
        (ReferenceEntry("agent", "Patient/ann", "Patient", "ann"), {"Patient/ann"}),
        (UriEntry("_profile", "urn:x"), {"uurn:x"}),
        (StringEntry("address", "Änn"), {"gann"}),
        (PresentEntry("policy"), set()),
        (DateEntry("date", 0, 86_400_000_000), set()),
        (TokenEntry("entity-type", "s", "c"), set()),
        (LogicalEntry("source", "s", "7"), set()),
    ],
)
def test_a_lean_type_keeps_a_key_for_what_nothing_stands_in_for(
    entry: Entry, texts: set[str]
) -> None:
    assert {term.text for term in index_terms("AuditEvent", entry)} == texts


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (("type", "c"), AnyOf((Term("type", "cc"),), True)),
        (("type", "s|c"), AnyOf((Term("type", "cc"),), False)),
        (("type", "|c"), AnyOf((Term("type", "cc"),), False)),
        (("type", "s|c,s|d"), AnyOf((Term("type", "cc"), Term("type", "cd")), False)),
        (("type", "s|c,d,s|"), None),
        (("type:missing", "true"), None),
        (("type:not", "c"), AnyOf((Term("type", "cc"),), True)),
        (("type:not", "s|c"), None),
        (("agent:identifier", "s|7"), AnyOf((Term("agent", "ic7"),), False)),
        (("agent", "Patient/ann"), AnyOf((Term("agent", "Patient/ann", True),), True)),
        (("entity-type", "c"), None),
        (("entity-type:not", "c"), None),
        (("source:missing", "false"), None),
    ],
)
def test_what_a_lean_type_is_asked_for_is_looked_up_by_the_keys_it_has(
    query: tuple[str, str], expected: AnyOf | None
) -> None:
    (asked,) = parse("AuditEvent", [query], load()).conditions
    assert query_terms("AuditEvent", asked) == expected
