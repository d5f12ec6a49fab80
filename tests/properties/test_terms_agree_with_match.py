"""The index and the matcher are two independent answers to a search; they must be the same."""

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.search.aliases import sources
from fhirserver.search.comparison import holds
from fhirserver.search.condition import Condition, DateValue, IdValue
from fhirserver.search.extract import extract
from fhirserver.search.match import matches
from fhirserver.search.period import parse_span
from fhirserver.search.query import Query, parse, supported_parameters
from fhirserver.search.ranges import query_ranges, range_entries
from fhirserver.search.terms import query_terms, resource_terms
from tests.properties.search_samples import RESOURCES, request

TYPES = sorted(RESOURCES)
# Requests to each random resource.
REQUESTS = 40


class Row:
    """What a store keeps of a resource to search by, held in memory."""

    def __init__(self, resource: Json) -> None:
        self.type = resource["resourceType"]
        self.id = resource["id"]
        updated = resource.get("meta", {}).get("lastUpdated")
        self.updated = parse_span(updated) if updated else None
        self.entries = extract(resource, load())
        self.terms = resource_terms(self.type, self.entries)
        self.time, self.ranges = range_entries(self.type, self.entries)

    def meets(self, condition: Condition) -> tuple[bool, bool]:
        """Whether the row is a hit, and whether that is certain."""
        if condition.answered_by == "id":
            values = [value for value in condition.values if isinstance(value, IdValue)]
            return self.id in [value.id for value in values], True
        if condition.answered_by == "terms":
            wanted = query_terms(self.type, condition)
            assert wanted.exact or not condition.negated
            return bool(
                self.terms.intersection(wanted.terms)
            ) is not condition.negated, wanted.exact
        lies = query_ranges(condition)
        if condition.answered_by == "range":
            params = sources(self.type, condition.param)
            ends: list[Any] = [(one.lo, one.hi) for one in self.ranges if one.param in params]
        else:
            span = self.time if condition.answered_by == "time" else self.updated
            ends = [] if span is None else [span]
        return any(holds(lies.comparison, one) for one in ends), lies.exact

    def answers(self, query: Query) -> tuple[bool, bool]:
        answers = [self.meets(condition) for condition in query.conditions]
        return all(hit for hit, _ in answers), all(exact for _, exact in answers)


def _filled(type_: str) -> set[str]:
    """The parameters that the random resources of a type can have values for."""
    common = {"_id", "_lastUpdated", "_profile", "_tag", "_security", "_source", "identifier"}
    own = {
        "Observation": "status code combo-code component-code subject patient focus date "
        "value-quantity combo-value-quantity component-value-quantity value-concept "
        "combo-value-concept value-string value-date data-absent-reason",
        "Patient": "name family given phonetic telecom phone email gender birthdate death-date "
        "deceased general-practitioner",
        "Encounter": "subject patient date length class",
        "Task": "subject patient owner authored-on period status",
        "Flag": "subject patient date",
        "CareTeam": "subject patient date category participant",
        "ServiceRequest": "subject patient instantiates-canonical occurrence",
        "Condition": "subject patient onset-age onset-date",
        "RiskAssessment": "subject patient probability",
    }
    return common | set(own[type_].split())


_INTERESTING = {type_: _filled(type_) for type_ in TYPES}


@pytest.mark.parametrize("type_", TYPES)
@given(data=st.data(), dice=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_index_finds_what_the_matcher_finds(
    type_: str, data: st.DataObject, dice: Random
) -> None:
    resource = data.draw(RESOURCES[type_])
    row = Row(resource)
    known = supported_parameters(type_, load())
    parameters = {code: known[code].type for code in _INTERESTING[type_]}
    for _ in range(REQUESTS):
        count = 1 if dice.random() < 0.8 else 2
        pairs = [request(dice, parameters, row.entries, row.id) for _ in range(count)]
        try:
            query = parse(type_, pairs, load())
        except BadRequest:
            continue
        hit, exact = row.answers(query)
        truth = matches(resource, query, load())
        assert hit or not truth, f"the index misses {pairs}"
        assert truth or not hit or not exact, f"the index claims {pairs}"


@pytest.mark.parametrize("type_", TYPES)
def test_every_interesting_parameter_exists(type_: str) -> None:
    assert _INTERESTING[type_] <= set(supported_parameters(type_, load()))


@given(
    name=st.text(max_size=30),
    text=st.text(max_size=60),
    type_=st.sampled_from(load().resource_types),
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered_or_refused(name: str, text: str, type_: str) -> None:
    codes = sorted(supported_parameters(type_, load()))
    for code in (name, codes[len(name) % len(codes)]):
        with suppress(BadRequest):
            query = parse(type_, [(code, text)], load())
            matches({"resourceType": type_, "id": "x"}, query, load())


def test_a_date_value_is_a_condition_on_time() -> None:
    query = parse("Flag", [("date", "ge2026")], load())
    assert isinstance(query.conditions[0].values[0], DateValue)
    assert query.conditions[0].answered_by == "time"
