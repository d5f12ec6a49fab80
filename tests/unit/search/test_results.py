"""How results are returned, which types are searched, and what a lenient request drops."""

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.errors import BadRequest
from fhirserver.search.criterion import AnyOf, Contained
from fhirserver.search.match import matches
from fhirserver.search.query import Include, Query, Shape, SortKey, parse


def _parse(*pairs: tuple[str, str], lenient: bool = False) -> Query:
    return parse("Observation", pairs, load(), lenient=lenient)


@pytest.mark.parametrize(
    ("name", "text", "include"),
    [
        (
            "_include",
            "Observation:subject",
            Include("Observation", "subject", None, False, False),
        ),
        (
            "_include",
            "Observation:subject:Patient",
            Include("Observation", "subject", "Patient", False, False),
        ),
        ("_include", "Observation:*", Include("Observation", None, None, False, False)),
        ("_include", "*", Include(None, None, None, False, False)),
        (
            "_include:iterate",
            "Patient:organization",
            Include("Patient", "organization", None, True, False),
        ),
        (
            "_include:recurse",
            "Patient:organization",
            Include("Patient", "organization", None, True, False),
        ),
        (
            "_revinclude",
            "Provenance:target",
            Include("Provenance", "target", None, False, True),
        ),
        ("_revinclude", "*", Include(None, None, None, False, True)),
        (
            "_revinclude:iterate",
            "Provenance:*",
            Include("Provenance", None, None, True, True),
        ),
    ],
)
def test_includes(name: str, text: str, include: Include) -> None:
    assert _parse((name, text)).includes == (include,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_include", "Patient:organization"),
        ("_include", "Observation"),
        ("_include", "Observation:code"),
        ("_include", "Observation:nothing"),
        ("_include", "Nothing:subject"),
        ("_include", "Observation:subject:Nothing"),
        ("_include", "Observation:subject:Observation"),
        ("_include", "Observation:subject:Patient:x"),
        ("_include:other", "Observation:subject"),
        ("_revinclude", ""),
        ("_total", "some"),
        ("_summary", "yes"),
        ("_elements", ""),
        ("_elements", "codes"),
        ("_elements", "Patient.name.family"),
        ("_elements", "."),
        ("_contained", "maybe"),
        ("_containedType", "both"),
        ("_explain", "1"),
        ("_sort", "code-value-quantity"),
        ("_type", "Patient"),
        ("_list", "$current-allergies"),
        ("_content", "()"),
        ("_content", ""),
        ("_content", "and"),
        ("_content", "(" * 30 + "a" + ")" * 30),
        ("_text:exact", "x"),
        ("_has", "x"),
        ("_has:Observation:patient", "x"),
        ("_has:Nothing:patient:code", "x"),
        ("_has:Observation:code:code", "x"),
        ("_has:AuditEvent:nothing:code", "x"),
        ("subject.", "x"),
        (".subject", "x"),
        ("subject..name", "x"),
        ("subject:Nothing.name", "x"),
        ("code.name", "x"),
        ("subject.subject.subject", "x"),
        (".".join(["focus:Observation"] * 12) + ".code", "x"),
        ("code:in", "http://e.example/not-loaded"),
        ("code:in", "no url"),
        ("code:below", "http://e.example/not-loaded|x"),
        ("code:above", "x"),
        ("component-code-value-quantity", "x"),
        ("component-code-value-quantity", "x$1$2"),
        ("component-code-value-quantity", "x$"),
        ("component-code-value-quantity", "x$y"),
    ],
)
def test_what_means_nothing_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        _parse((name, text))
    assert len(refusal.value.message) < 2000


def test_a_query_says_how_it_is_returned() -> None:
    query = _parse(
        ("_total", "accurate"),
        ("_summary", "data"),
        ("_elements", "code,Observation.status"),
        ("_explain", "true"),
        ("_sort", "-date,value-quantity,code,_lastUpdated,_id"),
    )
    assert query.total == "accurate"
    assert query.shape == Shape("data", ("code", "Observation.status"))
    assert query.explain
    assert query.sort == (
        SortKey("time", True, "date"),
        SortKey("range", False, "value-quantity"),
        SortKey("text", False, "code"),
        SortKey("last-updated", False, "_lastUpdated"),
        SortKey("id", False, "_id"),
    )


def test_a_lenient_request_says_what_it_dropped() -> None:
    pairs = (("code", "x"), ("nothing", "1"), ("date", "soon"), ("_summary", "yes"))
    query = _parse(*pairs, lenient=True)
    assert query.ignored == ("nothing", "date", "_summary")
    assert query.applied == (("code", "x"),)
    assert len(query.conditions) == 1
    with pytest.raises(BadRequest):
        _parse(*pairs)


@pytest.mark.parametrize("lenient", [True, False])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code", ",".join(["x"] * 10_000)),
        ("_filter", "code eq x or " * 1000 + "code eq x"),
        ("_cursor", "x" * 5000),
        ("_content", "x " * 500),
    ],
)
def test_bounds_hold_for_lenient_requests_too(name: str, text: str, lenient: bool) -> None:
    with pytest.raises(BadRequest):
        _parse((name, text), lenient=lenient)


def test_types_are_chosen_among_those_searched() -> None:
    every = load().resource_types
    assert parse(every, [("_type", "Flag,Task")], load()).types == ("Flag", "Task")
    assert parse(every, [("_id", "x")], load()).types == every
    assert parse(("Flag", "Task"), [("patient", "x")], load()).types == ("Flag", "Task")
    for pairs in ([("_type", "Nothing")], [("patient", "x")], [("_type", "Flag"), ("gender", "x")]):
        with pytest.raises(BadRequest):
            parse(every, pairs, load())


def test_a_compartment_is_what_refers_to_its_owner() -> None:
    query = parse("Observation", [], load(), compartment=("Patient", "ann"))
    for reference, expected in (("Patient/ann", True), ("Patient/bob", False)):
        for place in (
            {"subject": {"reference": reference}},
            {"performer": [{"reference": reference}]},
        ):
            assert matches({"resourceType": "Observation", **place}, query, load()) is expected
    assert query.scope == "Patient/ann"
    assert query.identity != parse("Observation", [], load()).identity


def test_the_owner_is_in_its_own_compartment() -> None:
    query = parse("Patient", [], load(), compartment=("Patient", "ann"))
    assert matches({"resourceType": "Patient", "id": "ann"}, query, load())
    assert not matches({"resourceType": "Patient", "id": "bob"}, query, load())


def test_types_outside_of_a_compartment_are_left_out_or_refused() -> None:
    query = parse(load().resource_types, [], load(), compartment=("Patient", "ann"))
    assert "Observation" in query.types
    assert "Medication" not in query.types
    with pytest.raises(BadRequest):
        parse("Medication", [], load(), compartment=("Patient", "ann"))
    with pytest.raises(BadRequest):
        parse("Observation", [], load(), compartment=("Group", "g"))


def test_touched_types_are_those_that_the_caller_named() -> None:
    query = _parse(
        ("patient.organization.name", "x"),
        ("subject.identifier", "x"),
        ("_has:AuditEvent:entity:agent.identifier", "x"),
        ("_list", "l"),
        ("_include", "Observation:device:DeviceMetric"),
        ("_revinclude", "Provenance:target"),
    )
    assert query.types_touched() == {
        "Observation",
        "Patient",
        "Organization",
        "AuditEvent",
        "List",
        "DeviceMetric",
        "Provenance",
    }


def test_matches_inside_of_others_are_looked_for_in_every_type() -> None:
    query = parse("Patient", [("family", "x"), ("_contained", "true")], load())
    assert query.types == load().resource_types
    assert all(isinstance(one.where, Contained) for one in query.wanted)
    both = parse("Patient", [("family", "x"), ("_contained", "both")], load())
    assert isinstance(both.wanted[0].where, AnyOf)
    with pytest.raises(BadRequest):
        parse(("Patient", "Group"), [("_contained", "true")], load())


def test_what_is_contained_is_not_returned_without_its_container() -> None:
    asked = [("family", "x"), ("_contained", "true"), ("_containedType", "container")]
    assert parse("Patient", asked, load()).shape.contained_type == "container"
    asked[2] = ("_containedType", "contained")
    with pytest.raises(BadRequest, match="_containedType"):
        parse("Patient", asked, load())


def test_the_identity_of_a_search_is_the_same_on_all_of_its_pages() -> None:
    first = _parse(("code", "x"), ("_count", "5"))
    assert first.identity == _parse(("code", "x"), ("_cursor", "abc")).identity
    assert first.identity != _parse(("code", "y")).identity
