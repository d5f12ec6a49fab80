"""The quick way to say yes says it only where the closer look finds nothing."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.kernel.errors import Problem
from fhirserver.validation import containment, structure, validate
from fhirserver.validation.containment import acceptors
from tests.oracles.instances import instance, walk
from tests.oracles.mutations import mutations
from tests.unit.validation.samples import blood_pressure

TYPES = load().resource_types
DAMAGED = ("Observation", "Patient", "Encounter", "Task", "Bundle", "Questionnaire", "Parameters")


@pytest.fixture
def closer_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What validation finds in each of some resources where nothing is accepted quickly."""

    def look(resources: list[Any]) -> list[Any]:
        with monkeypatch.context() as patched:
            for module in (containment, structure):
                patched.setattr(module, "quickly", lambda accept, check: check)
            containment.structure_check.cache_clear()
            found = [_described(containment.check_resource(one, None) or []) for one in resources]
        containment.structure_check.cache_clear()
        return found

    yield look
    containment.structure_check.cache_clear()


def _described(found: Any) -> list[tuple[str, str, str, str]]:
    return [(one.severity, one.code, one.path, one.message) for one in found]


def _problems(resource: Any) -> list[tuple[str, str, str, str]]:
    found: list[Problem] = validate(resource)
    root = resource["resourceType"]
    return [
        (one.severity, one.code, one.expression.removeprefix(root), one.message) for one in found
    ]


def _samples(name: str) -> Iterator[dict[str, Any]]:
    for number, richness in ((1, 0.1), (2, 0.3), (3, 0.5), (4, 0.9)):
        yield instance(name, number, richness)


def test_every_type_is_judged_alike(closer_look: Any) -> None:
    resources = [resource for name in TYPES for resource in _samples(name)]
    assert [_problems(one) for one in resources] == closer_look(resources)
    accepted = sum(map(acceptors().resource, resources))
    assert accepted > len(resources) / 5


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_resources_are_judged_alike(name: str, closer_look: Any) -> None:
    damaged = [
        one for number in (1, 2) for _damage, _path, one in mutations(instance(name, number, 0.3))
    ]
    assert [_problems(one) for one in damaged] == closer_look(damaged)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "#x", "2026", "mm"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "coding", "system", "code", "reference", "value", "_value"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
PLACES = [path for path, _value in walk(blood_pressure()) if path]


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANY), min_size=20, max_size=20))
def test_no_json_breaks_it(closer_look: Any, changes: list[tuple[Any, Any]]) -> None:
    resources = []
    for path, value in changes:
        resource = copy.deepcopy(blood_pressure())
        place: Any = resource
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        resources.append(resource)
    quick = [_described(containment.check_resource(one, None) or []) for one in resources]
    found = closer_look(resources)
    assert quick == found
    for one, faults in zip(resources, found, strict=True):
        assert not (acceptors().resource(one) and faults)


def test_what_is_usual_is_accepted() -> None:
    assert acceptors().resource(blood_pressure())
    assert acceptors().resource({"resourceType": "Patient", "name": [{"family": "Berg"}]})
    assert not acceptors().resource({"resourceType": "Nothing"})
    assert not acceptors().resource({"resourceType": ["Patient"]})
    assert not acceptors().resource("Patient")


def test_the_source_can_be_read() -> None:
    text = acceptors().source("Quantity")
    assert text.startswith("def accept_Quantity(v):\n")
    assert "elif k == 'unit':" in text
    for name in TYPES:
        compile(acceptors().source(name), name, "exec")


@pytest.mark.slow
def test_a_million_validations_take_no_memory() -> None:
    import tracemalloc

    resource = blood_pressure()
    wrong = blood_pressure(status="none")
    validate(resource)
    validate(wrong)
    tracemalloc.start()
    for _ in range(1_000):
        validate(resource)
        validate(wrong)
    before, _peak = tracemalloc.get_traced_memory()
    for number in range(1_000_000):
        # Every value is new, so a cache that keeps values would grow.
        resource["id"] = f"id-{number}"
        resource["subject"]["reference"] = f"Patient/p{number}"
        resource["component"][0]["valueQuantity"]["unit"] = f"u{number}"
        validate(resource)
        if number % 100 == 0:
            wrong["status"] = f"none-{number}"
            validate(wrong)
    after, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 50_000
