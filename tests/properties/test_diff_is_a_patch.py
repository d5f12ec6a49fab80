"""$diff is the inverse of FHIRPath Patch: what it says, applied to the first, gives the second."""

import copy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.interactions.operations.difference import difference
from fhirserver.interactions.patching.fhirpath_patch import MAX_OPERATIONS, patched

Strategy = st.SearchStrategy[Any]

WORDS = st.sampled_from(["ann", "bob", "carl", "dora"])
DATES = st.sampled_from(["1961-04-02", "1970", "2000-12"])
EXTENSIONS = st.lists(
    st.builds(
        lambda url, kind, word: {"url": f"http://example.org/{url}", kind: word},
        WORDS,
        st.sampled_from(["valueString", "valueCode"]),
        WORDS,
    ),
    min_size=1,
    max_size=2,
)


def some(**fields: Strategy) -> Strategy:
    """An object with any of `fields`, at least one."""
    return st.fixed_dictionaries({}, optional=fields).filter(bool)


def rows(items: Strategy) -> Strategy:
    return st.lists(items, min_size=1, max_size=4)


def with_companion(value: dict[str, Any], name: str, extension: list[Any] | None) -> dict[str, Any]:
    """`value` with extensions on the primitive `name`."""
    if extension is None:
        return value
    return {**value, f"_{name}": {"extension": extension}}


CODINGS = some(system=st.just("http://example.org"), code=WORDS, display=WORDS)
CONCEPTS = some(coding=rows(CODINGS), text=WORDS)


def with_given(name: dict[str, Any], given: list[tuple[Any, Any]]) -> dict[str, Any]:
    """`name` with given names, each with a text, extensions, or both."""
    values, companions = [one for one, _ in given], [other for _, other in given]
    made = dict(name)
    if any(value is not None for value in values):
        made["given"] = values
    if any(companion is not None for companion in companions):
        made["_given"] = companions
    return made


GIVEN = st.tuples(WORDS, st.none()) | st.tuples(
    st.none() | WORDS, EXTENSIONS.map(lambda one: {"extension": one})
)
NAMES = st.builds(
    with_given,
    some(
        use=st.sampled_from(["usual", "old"]),
        family=WORDS,
        period=some(start=DATES, end=DATES),
    ),
    st.lists(GIVEN, max_size=3),
)
QUANTITIES = some(value=st.decimals(0, 300, places=2), unit=WORDS, extension=EXTENSIONS)

PATIENTS = st.builds(
    with_companion,
    st.fixed_dictionaries(
        {"resourceType": st.just("Patient"), "id": st.just("ann")},
        optional={
            "text": st.just({"status": "generated", "div": "<div>x</div>"})
            | st.just({"status": "empty", "div": "<div>y</div>"}),
            "extension": EXTENSIONS,
            "active": st.booleans(),
            "name": rows(NAMES),
            "birthDate": DATES,
            "deceasedBoolean": st.booleans(),
            "contact": rows(some(relationship=rows(CONCEPTS), name=NAMES, gender=st.just("male"))),
            "contained": rows(
                st.builds(
                    lambda id_, word: {"resourceType": "Organization", "id": id_, "name": word},
                    WORDS,
                    WORDS,
                )
            ),
        },
    ),
    st.just("gender"),
    st.none() | EXTENSIONS,
)

OBSERVATIONS = st.builds(
    lambda resource, value: {**resource, **value},
    st.fixed_dictionaries(
        {"resourceType": st.just("Observation"), "status": st.just("final"), "code": CONCEPTS},
        optional={
            "referenceRange": rows(some(low=QUANTITIES, text=WORDS)),
            "component": rows(
                st.builds(
                    lambda code, value: {"code": code, **value},
                    CONCEPTS,
                    st.one_of(
                        st.just({}),
                        QUANTITIES.map(lambda one: {"valueQuantity": one}),
                        WORDS.map(lambda one: {"valueString": one}),
                    ),
                )
            ),
            "note": rows(some(text=WORDS, authorString=WORDS)),
        },
    ),
    st.one_of(
        st.just({}),
        QUANTITIES.map(lambda one: {"valueQuantity": one}),
        WORDS.map(lambda one: {"valueString": one}),
        st.booleans().map(lambda one: {"valueBoolean": one}),
        CONCEPTS.map(lambda one: {"valueCodeableConcept": one}),
    ),
)


def parameters(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    found = difference(first, second, load())
    return {"resourceType": "Parameters", "parameter": found}


def check(first: dict[str, Any], second: dict[str, Any]) -> None:
    before = copy.deepcopy((first, second))
    patch = parameters(first, second)
    if not patch["parameter"]:
        assert first == second
        return
    assert len(patch["parameter"]) <= MAX_OPERATIONS
    assert patched(first, patch, load()) == second
    assert (first, second) == before


@given(PATIENTS, PATIENTS)
@settings(max_examples=60, deadline=None)
def test_patients(first: dict[str, Any], second: dict[str, Any]) -> None:
    check(first, second)


@given(OBSERVATIONS, OBSERVATIONS)
@settings(max_examples=60, deadline=None)
def test_observations(first: dict[str, Any], second: dict[str, Any]) -> None:
    check(first, second)


@given(PATIENTS)
@settings(max_examples=30, deadline=None)
def test_nothing_changed_is_no_operation(resource: dict[str, Any]) -> None:
    assert difference(resource, copy.deepcopy(resource), load()) == []


def test_digits_are_a_difference() -> None:
    first = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.0")}}
    second = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.00")}}
    found = difference(first, second, load())
    assert found[0]["part"][2]["valueDecimal"].as_tuple() == Decimal("1.00").as_tuple()


def test_small_changes_are_small_operations() -> None:
    name = {"family": "A", "given": ["B", "C"]}
    first = {"resourceType": "Patient", "name": [name], "active": True}
    second = {"resourceType": "Patient", "name": [{**name, "given": ["B", "X", "C"]}]}
    assert difference(first, second, load()) == [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "insert"},
                {"name": "path", "valueString": "Patient.name[0].given"},
                {"name": "index", "valueInteger": 1},
                {"name": "value", "valueString": "X"},
            ],
        },
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "delete"},
                {"name": "path", "valueString": "Patient.active"},
            ],
        },
    ]


def test_very_long_lists_are_compared_by_position() -> None:
    first = {"resourceType": "Patient", "name": [{"text": str(n)} for n in range(1500)]}
    second = {"resourceType": "Patient", "name": [{"text": str(n + 1)} for n in range(1500)]}
    assert len(difference(first, second, load())) == 1500
