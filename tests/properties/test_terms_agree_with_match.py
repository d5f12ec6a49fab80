"""The index and the matcher are two independent answers to a search; they must be the same.

The index is simulated: rows that keep the keys, times and ranges of a resource and nothing else,
asked in three-valued logic, because some keys only say "perhaps".
"""

from collections.abc import Iterable
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
from fhirserver.search.criterion import (
    AllOf,
    AnyOf,
    Chain,
    Composite,
    Contained,
    Criterion,
    FullText,
    Has,
    InList,
    Near,
    Not,
)
from fhirserver.search.entry import Entry, ReferenceEntry
from fhirserver.search.extract import entries_of, extract
from fhirserver.search.match import matches
from fhirserver.search.period import parse_span
from fhirserver.search.query import parse, supported_parameters
from fhirserver.search.ranges import query_ranges, range_entries
from fhirserver.search.terms import Term, query_terms, resource_terms
from tests.properties.search_requests import Requests
from tests.properties.search_samples import RESOURCES
from tests.properties.search_surroundings import LISTS, PARAMETERS, Terminology

TYPES = sorted(RESOURCES)
# Requests to each random set of resources.
REQUESTS = 25


class Row:
    """What a store keeps of a resource to search by, held in memory."""

    def __init__(self, resource: Json) -> None:
        self.type = resource["resourceType"]
        self.id = resource["id"]
        updated = resource.get("meta", {}).get("lastUpdated")
        self.updated = parse_span(updated) if updated else None
        entries = extract(resource, load())
        self.terms = resource_terms(self.type, entries)
        self.time, self.ranges = range_entries(self.type, entries)

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"

    def refers(self, param: str, target: "Row") -> bool:
        return any(
            Term(one, target.reference, True) in self.terms for one in sources(self.type, param)
        )


def _perhaps(hit: bool, exact: bool) -> bool | None:
    return None if hit and not exact else hit


class Index:
    """A simulated store: True and False are certain, None must be verified."""

    def __init__(self, resources: Iterable[Json]) -> None:
        self.rows = [Row(one) for one in resources]

    def meets(self, row: Row, criterion: Criterion) -> bool | None:
        match criterion:
            case AllOf(parts=parts):
                found = {self.meets(row, part) for part in parts}
                return False if False in found else None if None in found else True
            case AnyOf(parts=parts):
                return self._any(self.meets(row, part) for part in parts)
            case Not(inner=inner):
                verdict = self.meets(row, inner)
                return None if verdict is None else not verdict
            case Composite(exact=exact):
                verdict = self.meets(row, criterion.prefilter)
                return None if verdict and not exact else verdict
            case Chain() | Has():
                return self._beyond(row, criterion)
            case InList(id=id_):
                return row.reference in LISTS.get(id_, ())
            case Condition():
                return self._condition(row, criterion)
            case FullText() | Near() | Contained():
                return self._terms(row, criterion)

    def _beyond(self, row: Row, criterion: Chain | Has) -> bool | None:
        if isinstance(criterion, Has):
            return self._any(
                self.meets(one, criterion.inner)
                for one in self.rows
                if one.type == criterion.type and one.refers(criterion.param, row)
            )
        inner_of = dict(criterion.branches)
        return self._any(
            self.meets(target, inner_of[target.type])
            for target in self.rows
            if target.type in inner_of and row.refers(criterion.param, target)
        )

    def _any(self, verdicts: Iterable[bool | None]) -> bool | None:
        found = set(verdicts)
        return True if True in found else None if None in found else False

    def _terms(self, row: Row, asked: Condition | FullText | Near | Contained) -> bool | None:
        wanted = query_terms(row.type, asked)
        if wanted is None:
            return None
        hit = not row.terms.isdisjoint(wanted.terms)
        hit = hit or any(row.terms >= set(group) for group in wanted.groups)
        if isinstance(asked, Condition) and asked.negated:
            assert wanted.exact
            return not hit
        return _perhaps(hit, wanted.exact)

    def _condition(self, row: Row, condition: Condition) -> bool | None:
        match condition.answered_by:
            case "id":
                values = [value for value in condition.values if isinstance(value, IdValue)]
                return row.id in [value.id for value in values]
            case "terms" | "scan":
                return self._terms(row, condition)
        lies = query_ranges(row.type, condition)
        if condition.answered_by == "range":
            hit = any(
                holds(test.comparison, (one.lo, one.hi))
                for test in lies.tests
                for one in row.ranges
                if one.param in test.params
            )
        else:
            span = row.time if condition.answered_by == "time" else row.updated
            ends: list[Any] = [] if span is None else [span]
            hit = any(holds(lies.comparison, one) for one in ends)
        return _perhaps(hit, lies.exact)


class Resolver:
    """Finds other resources by what they say."""

    def __init__(self, resources: Iterable[Json]) -> None:
        self._by_reference = {f"{one['resourceType']}/{one['id']}": one for one in resources}

    def target(self, reference: str) -> Json | None:
        return self._by_reference.get(reference)

    def referrers(self, type_: str, param: str, reference: str) -> Iterable[Json]:
        return [
            one
            for one in self._by_reference.values()
            if one["resourceType"] == type_
            and any(
                isinstance(entry, ReferenceEntry)
                and (entry.param, entry.target) == (param, reference)
                for entry in entries_of(one, load())
            )
        ]

    def list_items(self, id_: str) -> Iterable[str]:
        return LISTS.get(id_, ())


@pytest.mark.parametrize("type_", TYPES)
@given(data=st.data(), dice=st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_index_finds_what_the_matcher_finds(
    type_: str, data: st.DataObject, dice: Random
) -> None:
    made = [data.draw(RESOURCES[one]) for one in (type_, type_, "Patient", "Observation", "Flag")]
    resources = list({(one["resourceType"], one["id"]): one for one in made}.values())
    index, resolver = Index(resources), Resolver(resources)
    entries: list[Entry] = [entry for one in resources for entry in entries_of(one, load())]
    requests = Requests(dice, PARAMETERS, entries)
    for _ in range(REQUESTS):
        count = 1 if dice.random() < 0.8 else 2
        pairs = [requests.pair(type_, resources[0]["id"]) for _ in range(count)]
        try:
            query = parse(type_, pairs, load(), terminology=Terminology())
        except BadRequest:
            continue
        for resource, row in zip(resources, index.rows, strict=True):
            if row.type == type_:
                verdict = index.meets(row, query.where)
                truth = matches(resource, query, load(), resolver)
                assert verdict in (None, truth), f"the index says {verdict} to {pairs}"


@pytest.mark.parametrize("type_", TYPES)
def test_every_interesting_parameter_exists(type_: str) -> None:
    assert PARAMETERS[type_] <= set(supported_parameters(type_, load()))


@given(
    name=st.text(max_size=30),
    text=st.text(max_size=60),
    type_=st.sampled_from(load().resource_types),
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered_or_refused(name: str, text: str, type_: str) -> None:
    codes = sorted(supported_parameters(type_, load()))
    for code in (name, codes[len(name) % len(codes)], "_filter", "_sort", "_include", "_text"):
        with suppress(BadRequest):
            query = parse(type_, [(code, text)], load())
            matches({"resourceType": type_, "id": "x"}, query, load(), Resolver(()))


def test_a_date_value_is_a_condition_on_time() -> None:
    query = parse("Flag", [("date", "ge2026")], load())
    assert isinstance(query.conditions[0].values[0], DateValue)
    assert query.conditions[0].answered_by == "time"


def test_random_requests_are_mostly_understood() -> None:
    dice = Random(1)
    requests = Requests(dice, PARAMETERS, ())
    understood = 0
    for _ in range(500):
        with suppress(BadRequest):
            parse(
                "Observation",
                [requests.pair("Observation", "x")],
                load(),
                terminology=Terminology(),
            )
            understood += 1
    assert understood > 350
