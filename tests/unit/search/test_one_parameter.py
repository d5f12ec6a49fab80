"""One parameter read alone finds what it finds among all, and what is remembered changes nothing."""

from collections import Counter
from collections.abc import Iterable

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from fhirserver.search.entry import Entry, TokenEntry, UriEntry
from fhirserver.search.extract import entries_of
from fhirserver.search.normalize import REMEMBERED
from fhirserver.search.terms import Term, index_terms
from tests.oracles.resource_samples import HANDMADE, Filler


def _alone_and_among_all(resource: Json) -> Iterable[tuple[str, Counter[Entry], Counter[Entry]]]:
    among_all: dict[str, Counter[Entry]] = {}
    for entry in entries_of(resource, load()):
        among_all.setdefault(entry.param, Counter())[entry] += 1
    for param in load().indexed_parameters(resource["resourceType"]):
        alone = Counter(entries_of(resource, load(), param))
        yield param, alone, among_all.get(param, Counter())


@pytest.mark.parametrize("variant", range(3))
def test_a_parameter_alone_finds_the_same_in_every_type(variant: int) -> None:
    for type_ in load().resource_types:
        resource = Filler(load(), variant).resource(type_)
        for param, alone, among_all in _alone_and_among_all(resource):
            assert alone == among_all, (type_, param)


@pytest.mark.parametrize("resource", HANDMADE)
def test_a_parameter_alone_finds_the_same_in_resources_written_by_hand(resource: Json) -> None:
    for param, alone, among_all in _alone_and_among_all(resource):
        assert alone == among_all, param


@pytest.mark.parametrize("param", ["no-such-parameter", "_text", "_id", "code-value-quantity"])
def test_what_has_no_values_of_its_own_has_no_entries(param: str) -> None:
    resource = {"resourceType": "Observation", "id": "1", "status": "final"}
    assert entries_of(resource, load(), param) == []


@pytest.mark.parametrize("length", [1, REMEMBERED, REMEMBERED + 1])
def test_a_value_has_the_same_terms_each_time_whatever_its_length(length: int) -> None:
    value = "x" * length
    for _ in range(2):
        assert index_terms("Patient", TokenEntry("identifier", None, value)) == {
            Term("identifier", "a"),
            Term("identifier", "c" + value),
            Term("identifier", "n" + value),
        }
        assert index_terms("Patient", UriEntry("identifier", value)) == {
            Term("identifier", "a"),
            Term("identifier", "u" + value),
            Term("identifier", "v" + value),
        }
