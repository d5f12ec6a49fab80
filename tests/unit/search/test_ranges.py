"""Which dates, numbers and quantities go where."""

from decimal import Decimal

import pytest

from fhirserver.definitions import load
from fhirserver.fhirpath import Hop, compile_expression
from fhirserver.search.emitters import NO_MEANING
from fhirserver.search.extract import extract
from fhirserver.search.period import Span, parse_span
from fhirserver.search.protected import PROTECTED
from fhirserver.search.query import parse
from fhirserver.search.ranges import PRIMARY, ParamRange, query_ranges, range_entries


def _dates(type_: str) -> set[str]:
    parameters = load().search_parameters(type_).values()
    return {one.code for one in parameters if one.type == "date"} - {"_lastUpdated"}


@pytest.mark.parametrize("type_", sorted(PRIMARY))
def test_a_primary_date_is_a_single_date_of_its_type(type_: str) -> None:
    parameter = load().search_parameters(type_)[PRIMARY[type_]]
    assert parameter.type == "date"
    assert (type_, parameter.code) not in PROTECTED
    assert parameter.expression is not None
    routes = compile_expression(parameter.expression, type_, load()).routes
    assert routes
    for route in routes:
        if ("date", route.type) not in NO_MEANING:
            assert not any(isinstance(step, Hop) and step.is_list for step in route.steps)


def test_a_type_without_primary_date_has_none_that_suits() -> None:
    without = {
        type_: _dates(type_) - {code for one, code in PROTECTED if one == type_}
        for type_ in load().resource_types
        if type_ not in PRIMARY
    }
    # The expiry of a Substance repeats with its instances.
    assert {type_ for type_, codes in without.items() if codes} == {"Substance"}


def test_the_primary_date_is_the_rows_time_and_the_rest_are_ranges() -> None:
    task = {
        "resourceType": "Task",
        "authoredOn": "2026-05-17",
        "lastModified": "2026-05-18",
        "executionPeriod": {"start": "2026-05-19", "end": "2026-05-20"},
    }
    primary, others = range_entries("Task", extract(task, load()))
    assert primary == parse_span("2026-05-17")
    modified = parse_span("2026-05-18")
    assert set(others) == {
        ParamRange("modified", Decimal(modified.lo), Decimal(modified.hi)),
        ParamRange(
            "period", Decimal(parse_span("2026-05-19").lo), Decimal(parse_span("2026-05-20").hi)
        ),
    }


def test_a_protected_date_leaves_no_plain_trace() -> None:
    patient = {"resourceType": "Patient", "birthDate": "1980", "deceasedDateTime": "2026"}
    assert range_entries("Patient", extract(patient, load())) == (None, ())


def test_aliases_have_no_rows_of_their_own() -> None:
    component = {"valueQuantity": {"value": 120, "code": "mm[Hg]"}}
    reading = {"resourceType": "Observation", "component": [component, component]}
    _, others = range_entries("Observation", extract(reading, load()))
    assert others == (ParamRange("component-value-quantity", Decimal(120), Decimal(120)),)


def test_a_query_joins_the_alternatives_of_its_values() -> None:
    query = parse("Flag", [("date", "2025,ge2027")], load())
    asked = query_ranges(query.type, query.conditions[0])
    assert asked.exact
    assert len(asked.comparison) == 3


def test_a_unit_must_be_verified() -> None:
    plain, with_unit = (
        query_ranges(
            "Observation", parse("Observation", [("value-quantity", text)], load()).conditions[0]
        )
        for text in ("gt5", "gt5||mg")
    )
    assert plain.exact
    assert not with_unit.exact


def test_only_ranges_are_asked_of_ranges() -> None:
    query = parse("Flag", [("identifier", "active")], load())
    with pytest.raises(TypeError):
        query_ranges(query.type, query.conditions[0])


def test_a_time_is_half_open() -> None:
    flag = {"resourceType": "Flag", "period": {"start": "2026-05-17T10:00:00Z"}}
    primary, _ = range_entries("Flag", extract(flag, load()))
    assert isinstance(primary, Span)
    assert primary.lo == parse_span("2026-05-17T10:00:00Z").lo
