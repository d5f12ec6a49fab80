"""Under which keys Subscriptions are filed, and which keys a change has."""

from typing import Final

import pytest

from fhirserver.kernel.canonical import TOPIC_PATIENT_OBSERVATION, TOPIC_RESOURCE_CHANGE
from fhirserver.kernel.resource import Json
from subscriptions.core.criteria_subscription import is_plain
from subscriptions.core.filing import filing, keys_of_change, type_key, value_key
from subscriptions.core.filter_criteria import demands, search_demand
from subscriptions.core.topic import NO_FACTS, Facts, Topic
from subscriptions.response.shipped_topics import shipped

CATALOG: Final = shipped()


def topic(url: str) -> Topic:
    found = CATALOG.find(url)
    assert found is not None
    return found


OBSERVATIONS, EVERYTHING = topic(TOPIC_PATIENT_OBSERVATION), topic(TOPIC_RESOURCE_CHANGE)
OBSERVATION: Final[Json] = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"coding": [{"system": "urn:x", "code": "1"}]},
    "subject": {"reference": "Patient/ann"},
}


def test_the_finest_filter_is_the_anchor() -> None:
    (demand,) = demands(OBSERVATIONS, ["Observation?code=1,2&patient=ann&status=final"])
    filed = filing(OBSERVATIONS, demand)
    assert filed.anchor == "patient"
    assert filed.keys == (
        value_key(TOPIC_PATIENT_OBSERVATION, "Observation", "patient", "Patient/ann"),
    )
    assert {name: len(keys) for name, keys in filed.required} == {"code": 2, "status": 1}
    assert filed.residual == ()


def test_every_alternative_of_the_anchor_finds_it() -> None:
    (demand,) = demands(OBSERVATIONS, ["patient=ann,bob"])
    assert len(filing(OBSERVATIONS, demand).keys) == 2


def test_without_equality_it_lies_under_its_type() -> None:
    filed = filing(EVERYTHING, search_demand(EVERYTHING, "Observation?date=gt2026&code:not=1"))
    assert filed.anchor is None
    assert filed.keys == (type_key(TOPIC_RESOURCE_CHANGE, "Observation"),)
    assert filed.required == ()
    assert len(filed.residual) == 2


def test_without_filters_of_a_topic_of_all_types_it_lies_under_none() -> None:
    (demand,) = demands(EVERYTHING, [])
    assert filing(EVERYTHING, demand).keys == (type_key(TOPIC_RESOURCE_CHANGE, ""),)


def test_one_filing_for_each_type() -> None:
    both = demands(EVERYTHING, ["Observation?code=1", "Encounter?status=finished"])
    assert sorted(filing(EVERYTHING, one).type for one in both) == ["Encounter", "Observation"]


def test_a_change_is_looked_up_by_what_somebody_is_filed_under_alone() -> None:
    url = TOPIC_PATIENT_OBSERVATION
    bare = {type_key(url, ""), type_key(url, "Observation")}
    assert keys_of_change(OBSERVATIONS, OBSERVATION, frozenset(), NO_FACTS) == bare
    keys = keys_of_change(OBSERVATIONS, OBSERVATION, frozenset(("patient", "unheard")), NO_FACTS)
    assert keys - bare == {value_key(url, "Observation", "patient", "Patient/ann")}


def test_facts_are_looked_up_like_values() -> None:
    facts = Facts(frozenset(("Organization/1",)), frozenset(("CareTeam/7", "CareTeam/8")))
    names = frozenset(("organization", "care-team"))
    keys = keys_of_change(OBSERVATIONS, OBSERVATION, names, facts)
    assert value_key(OBSERVATIONS.url, "Observation", "care-team", "CareTeam/8") in keys
    assert len(keys) == 5


@pytest.mark.parametrize("criteria", ["Observation", "Observation?", "Task?a=b?c", "Nonsense?x=1"])
def test_plain_criteria(criteria: str) -> None:
    assert is_plain(criteria)


@pytest.mark.parametrize(
    "criteria", ["", "http://x/y", "https://x/Topic?a=b", "urn:uuid:1", "observation?x=1", "?a=b"]
)
def test_what_is_no_plain_criteria(criteria: str) -> None:
    assert not is_plain(criteria)
