"""What a resource can be found by."""

from decimal import Decimal
from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.fhirpath import compile_expression
from fhirserver.kernel.canonical import BACKPORT_GUIDE
from fhirserver.kernel.resource import Json
from fhirserver.search.emitters import NO_MEANING, Emitters
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    LogicalEntry,
    NumberEntry,
    PresentEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from fhirserver.search.extract import entries_of, extract, is_extracted
from fhirserver.search.period import BEGINNING, END, parse_span
from tests.oracles.resource_samples import HANDMADE, Filler

UCUM = "http://unitsofmeasure.org"


def _of(resource: Json, param: str) -> list[Entry]:
    return [entry for entry in extract(resource, load()) if entry.param == param]


# What looks for extensions of a primitive element, which only the whole language can.
BY_ENGINE = frozenset(
    f"{BACKPORT_GUIDE}SearchParameter/Subscription-{code}"
    for code in ("filter-criteria", "custom-channel", "payload-type")
)


def _one_by_one(resource: Json) -> list[Entry]:
    """The same without the tree: every expression of every parameter run for itself."""
    type_ = resource["resourceType"]
    found: list[Entry] = []
    make = Emitters(load(), texts=True)
    for parameter in load().search_parameters(type_).values():
        if parameter.expression is None or not is_extracted(parameter):
            continue
        if parameter.url in BY_ENGINE:
            continue
        for route in compile_expression(parameter.expression, type_, load()).routes:
            if (parameter.type, route.type) not in NO_MEANING:
                params = [(parameter.code, None)]
                emitter = make(parameter.type, route.type, route.binding, params)
                for value in route.values(resource):
                    emitter(value, found.append)
    return found


@pytest.mark.parametrize("variant", range(3))
def test_the_tree_of_every_type_finds_what_the_expressions_find_one_by_one(variant: int) -> None:
    for type_ in load().resource_types:
        resource = Filler(load(), variant).resource(type_)
        assert set(entries_of(resource, load())) == set(_one_by_one(resource)), type_


@pytest.mark.parametrize("resource", HANDMADE)
def test_the_tree_finds_the_same_in_resources_written_by_hand(resource: Json) -> None:
    assert set(entries_of(resource, load())) == set(_one_by_one(resource))


@pytest.mark.parametrize(
    ("resource", "param", "entries"),
    [
        (
            {"code": {"coding": [{"system": "s", "code": "c"}, {"code": "d"}, {"display": "x"}]}},
            "code",
            [TokenEntry("code", "s", "c"), TokenEntry("code", None, "d"), PresentEntry("code")],
        ),
        (
            {"status": "final"},
            "status",
            [TokenEntry("status", "http://hl7.org/fhir/observation-status", "final", True)],
        ),
        ({"status": "?"}, "status", [TokenEntry("status", None, "?", False)]),
        (
            {"identifier": [{"system": "s", "value": "v"}, {"use": "old"}]},
            "identifier",
            [TokenEntry("identifier", "s", "v"), PresentEntry("identifier")],
        ),
        (
            {"subject": {"reference": "Patient/ann/_history/4"}},
            "subject",
            [ReferenceEntry("subject", "Patient/ann", "Patient", "ann")],
        ),
        ({"subject": {"reference": "Group/g"}}, "patient", []),
        ({"subject": {"reference": "#p"}}, "subject", [PresentEntry("subject")]),
        (
            {"subject": {"identifier": {"value": "7"}}},
            "subject",
            [LogicalEntry("subject", None, "7")],
        ),
        ({"subject": {"display": "Ann"}}, "subject", [PresentEntry("subject")]),
        (
            {"subject": {"reference": "urn:uuid:1", "type": "Patient"}},
            "patient",
            [ReferenceEntry("patient", "urn:uuid:1", None, None)],
        ),
        (
            {"subject": {"reference": "http://e.example/fhir/Patient/ann"}},
            "patient",
            [ReferenceEntry("patient", "http://e.example/fhir/Patient/ann", "Patient", "ann")],
        ),
        ({"valueString": "Tired"}, "value-string", [StringEntry("value-string", "Tired")]),
        (
            {"valueCodeableConcept": {"text": "Low"}},
            "value-string",
            [StringEntry("value-string", "Low")],
        ),
        (
            {"effectiveDateTime": "2026-05"},
            "date",
            [DateEntry("date", *parse_span("2026-05"))],
        ),
        (
            {"effectivePeriod": {"start": "2026"}},
            "date",
            [DateEntry("date", parse_span("2026").lo, END)],
        ),
        (
            {"effectivePeriod": {"end": "2026"}},
            "date",
            [DateEntry("date", BEGINNING, parse_span("2026").hi)],
        ),
        ({"effectivePeriod": {}}, "date", []),
        ({"effectivePeriod": {"start": "2027", "end": "2026"}}, "date", []),
        (
            {"effectiveTiming": {"event": ["2026-05-19", "2026-05-17"]}},
            "date",
            [DateEntry("date", parse_span("2026-05-17").lo, parse_span("2026-05-19").hi)],
        ),
        ({"effectiveDateTime": "soon"}, "date", []),
        (
            {"valueQuantity": {"value": Decimal("5.40"), "system": UCUM, "code": "mg"}},
            "value-quantity",
            [QuantityEntry("value-quantity", Decimal("5.4"), Decimal("5.4"), UCUM, "mg", None)],
        ),
        (
            {"valueQuantity": {"value": 5, "comparator": "<", "unit": "mg"}},
            "value-quantity",
            [QuantityEntry("value-quantity", Decimal("-Infinity"), Decimal(5), None, None, "mg")],
        ),
        ({"valueQuantity": {"unit": "mg"}}, "value-quantity", []),
        (
            {"meta": {"profile": ["http://e.example/p|1"], "source": "urn:s"}},
            "_profile",
            [UriEntry("_profile", "http://e.example/p|1")],
        ),
    ],
)
def test_values_of_an_observation(resource: Json, param: str, entries: list[Entry]) -> None:
    assert _of({"resourceType": "Observation", **resource}, param) == entries


@pytest.mark.parametrize(
    ("resource", "param", "entries"),
    [
        (
            {"resourceType": "Patient", "telecom": [{"system": "phone", "value": "+1"}]},
            "phone",
            [TokenEntry("phone", None, "+1")],
        ),
        (
            {"resourceType": "Patient", "telecom": [{"system": "email", "value": "a@b"}]},
            "phone",
            [],
        ),
        (
            {"resourceType": "Patient"},
            "deceased",
            [TokenEntry("deceased", None, "false")],
        ),
        (
            {"resourceType": "Patient", "deceasedDateTime": "2026"},
            "deceased",
            [TokenEntry("deceased", None, "true")],
        ),
        (
            {"resourceType": "Patient", "active": False},
            "active",
            [TokenEntry("active", None, "false")],
        ),
        (
            {"resourceType": "Patient", "address": [{"line": ["1 Main St"], "city": "Ulm"}]},
            "address",
            [StringEntry("address", "1 Main St"), StringEntry("address", "Ulm")],
        ),
        (
            {
                "resourceType": "Bundle",
                "entry": [{"resource": {"resourceType": "Composition", "id": "c"}}] * 2,
            },
            "composition",
            [ReferenceEntry("composition", "Composition/c", "Composition", "c")],
        ),
        (
            {"resourceType": "ServiceRequest", "instantiatesCanonical": ["http://e.example/p|2"]},
            "instantiates-canonical",
            [ReferenceEntry("instantiates-canonical", "http://e.example/p|2", None, None, "2")],
        ),
        (
            {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": 1}]},
            "probability",
            [NumberEntry("probability", Decimal(1), Decimal(1))],
        ),
        (
            {"resourceType": "Invoice", "totalNet": {"value": 7, "currency": "EUR"}},
            "totalnet",
            [
                QuantityEntry(
                    "totalnet", Decimal(7), Decimal(7), "urn:iso:std:iso:4217", "EUR", "EUR"
                )
            ],
        ),
    ],
)
def test_values_of_other_types(resource: Json, param: str, entries: list[Entry]) -> None:
    assert _of(resource, param) == entries


def test_columns_are_not_extracted() -> None:
    found = extract(
        {"resourceType": "Flag", "id": "f", "meta": {"lastUpdated": "2026-05-17T10:00:00Z"}}, load()
    )
    assert found == ()


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(KeyError):
        extract({"resourceType": "SubscriptionTopic"}, load())


def test_every_pair_of_kind_and_datatype_has_an_emitter() -> None:
    for type_ in load().resource_types:
        extract({"resourceType": type_}, load())


@pytest.mark.parametrize("pair", sorted(NO_MEANING))
def test_the_list_of_pairs_without_meaning_is_needed(pair: tuple[str, str]) -> None:
    reached: set[Any] = set()
    for type_ in load().resource_types:
        for one in load().search_parameters(type_).values():
            if one.url in BY_ENGINE:
                continue
            if one.expression is not None and one.type == pair[0]:
                routes = compile_expression(one.expression, type_, load()).routes
                reached.update((one.type, route.type) for route in routes)
    assert pair in reached
