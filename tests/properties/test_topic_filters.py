"""A topic's filters say of a resource exactly what a search with the same criteria says."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.kernel.canonical import TOPIC_RESOURCE_CHANGE
from fhirserver.kernel.resource import Json
from fhirserver.search.match import matches
from fhirserver.search.query import parse
from subscriptions.core.filter_criteria import demands
from tests.unit.subscriptions.core.topics import ours

ANYTHING = ours(TOPIC_RESOURCE_CHANGE)
CODES = ["a", "b", "urn:s|a", "urn:t|a", "|a", "|b", "urn:s|"]
SYSTEMS = [None, "urn:s", "urn:t"]


@st.composite
def observations(draw: st.DrawFn) -> Json:
    coding: list[Json] = []
    for _ in range(draw(st.integers(0, 2))):
        one: Json = {"code": draw(st.sampled_from(["a", "b"]))}
        system = draw(st.sampled_from(SYSTEMS))
        coding.append(one if system is None else {**one, "system": system})
    resource: Json = {"resourceType": "Observation", "code": {"coding": coding, "text": "t"}}
    subject = draw(
        st.sampled_from([None, "Patient/a", "Patient/b", "Group/a", "https://x.example/Patient/a"])
    )
    if subject is not None:
        resource["subject"] = {"reference": subject}
    status = draw(st.sampled_from([None, "final", "preliminary"]))
    return resource if status is None else {**resource, "status": status}


CRITERIA = st.one_of(
    st.lists(st.sampled_from(CODES), min_size=1, max_size=3).map(lambda one: ("code", ",".join(one))),
    st.sampled_from(["final", "preliminary", "|final", "http://hl7.org/fhir/observation-status|final"]).map(
        lambda one: ("status", one)
    ),
    st.sampled_from(["a", "Patient/a", "Group/a", "https://x.example/Patient/a", "a,b"]).map(
        lambda one: ("subject", one)
    ),
    st.sampled_from([("code:not", "a"), ("status:missing", "true"), ("subject:Group", "a")]),
)  # fmt: skip


@given(observations(), st.lists(CRITERIA, min_size=1, max_size=3))
def test_demands_hold_exactly_when_the_search_matches(
    resource: Json, criteria: list[tuple[str, str]]
) -> None:
    text = "Observation?" + "&".join(f"{name}={value}" for name, value in criteria)
    (demand,) = demands(ANYTHING, [text])
    found = ANYTHING.values(resource, [one.parameter for one in demand.equal])
    equal = all(one.values & found[one.parameter] for one in demand.equal)
    tested = all(ANYTHING.test(one).holds(resource) for one in demand.residual)
    definitions: Any = load()
    assert (equal and tested) is matches(
        resource, parse("Observation", criteria, definitions), definitions
    )
