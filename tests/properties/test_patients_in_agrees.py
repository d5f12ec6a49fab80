"""`patients_in` of the JSON and `patients_of` the resource say the same, however odd the resource."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as some

from fhirserver.definitions.patient_of import PATIENT_OF, patients_of
from fhirserver.definitions.patients_in import patients_in
from fhirserver.kernel.resource import Json

_REFERENCES = some.sampled_from(
    ["Patient/ann", "Patient/joe/_history/3", "Group/g", "#p", "", "https://a.example/Patient/ann"]
)
_SCALARS = (
    some.none() | some.booleans() | some.integers(-9, 9) | some.text(max_size=3) | _REFERENCES
)
_REFERENCE = some.fixed_dictionaries(
    {}, optional={"reference": _SCALARS | _REFERENCES, "display": some.text(max_size=3)}
)


def _value(path: tuple[str, ...]) -> some.SearchStrategy[Any]:
    below = _REFERENCE if not path else some.fixed_dictionaries({}, optional=_below(path))
    return some.one_of(
        below, some.lists(below, max_size=3), some.lists(some.lists(below)), _SCALARS
    )


def _below(path: tuple[str, ...]) -> dict[str, some.SearchStrategy[Any]]:
    return {path[0]: _value(path[1:]), "other": _SCALARS}


_WITH_PATHS = sorted(type_ for type_, rule in PATIENT_OF.items() if rule.paths)


@some.composite
def _resources(draw: some.DrawFn, types: list[str]) -> Json:
    type_ = draw(some.sampled_from(types))
    resource: Json = {"resourceType": type_, "id": draw(some.sampled_from(["ann", "x"]))}
    for path in PATIENT_OF[type_].paths:
        resource |= draw(some.fixed_dictionaries({}, optional=_below(tuple(path.split(".")))))
    if type_ == "Subscription":
        resource["criteria"] = draw(some.sampled_from(["Flag?patient=ann", "Flag?status=active"]))
    return resource


@given(_resources(sorted(PATIENT_OF)))
def test_the_same_patients(resource: Json) -> None:
    assert patients_in(resource["resourceType"], orjson.dumps(resource)) == patients_of(resource)


@given(_resources(_WITH_PATHS), some.sampled_from(["Patient", "Subscription", "Binary", "Nothing"]))
def test_what_calls_itself_something_else_is_read_whole(resource: Json, called: str) -> None:
    kept = resource["resourceType"]
    resource["resourceType"] = called
    assert patients_in(kept, orjson.dumps(resource)) == patients_of(resource)
