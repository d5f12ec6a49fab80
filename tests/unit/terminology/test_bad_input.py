"""Whatever parameters a terminology operation is given, it answers or refuses; it never breaks."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirserver.interactions.operation import Operation
from fhirserver.interactions.operations.expand import EXPAND
from fhirserver.interactions.operations.lookup import LOOKUP
from fhirserver.interactions.operations.subsumes import SUBSUMES
from fhirserver.interactions.operations.translate import TRANSLATE
from fhirserver.interactions.operations.validate_code import VALIDATE_CODE
from fhirserver.kernel.errors import FhirError
from tests.unit.terminology.loaded import ANIMALS, SET, animals, value_set
from tests.unit.terminology.operations import MAMMALS, context, run

GIVEN = context()

WORDS = st.sampled_from(
    [ANIMALS, SET + "mammals", ANIMALS + "|2", "dog", "cat", "", "|", "true", "-1", "0", "99999999999",
     "http://unitsofmeasure.org", "mm[Hg]", "http://hl7.org/fhir/ValueSet/ucum-units", "\x00", "de",
     "Observation.status", "#", "?fhir_vs", ANIMALS + "?fhir_vs=isa/dog", "(a+)+$", "x" * 5000, "\u017f"]
)  # fmt: skip
SCALARS = WORDS | st.integers(-5, 5) | st.booleans() | st.none()
OBJECTS = st.dictionaries(
    st.sampled_from(
        ["code", "system", "display", "coding", "concept", "include", "exclude", "filter", "compose",
         "property", "op", "value", "valueSet", "resourceType", "url", "element", "group", "target",
         "source", "content", "expansion", "contains", "version", "text"]
    ),
    SCALARS,
    max_size=4,
)  # fmt: skip
ROWS = {
    "system": ANIMALS,
    "concept": [{"code": "dog"}],
    "filter": [],
    "valueSet": [SET + "mammals"],
}
RESOURCES = st.sampled_from(
    [
        animals(),
        value_set("x", MAMMALS),
        value_set("x", ROWS),
        value_set("mammals", {"valueSet": [SET + "mammals"]}),
        {
            "resourceType": "ConceptMap",
            "status": "draft",
            "group": [{"element": [{"code": "dog"}]}],
        },
        {"resourceType": "ConceptMap", "status": "draft"},
        {"resourceType": "CodeSystem", "status": "draft", "content": "complete"},
        {"resourceType": "CodeSystem"},
    ]
).flatmap(lambda resource: OBJECTS.map(lambda more: {**resource, **more}))

NESTED = st.recursive(
    SCALARS | OBJECTS, lambda inner: st.lists(inner, max_size=2) | OBJECTS, max_leaves=4
)
TYPES = st.sampled_from(
    ["valueString", "valueUri", "valueCode", "valueBoolean", "valueInteger", "valueCoding",
     "valueCodeableConcept", "valueCanonical", "part"]
)  # fmt: skip


def rows(operation: Operation) -> st.SearchStrategy[Any]:
    names = st.sampled_from([one.name for one in operation.inputs])
    plain = st.builds(lambda name, kind, value: {"name": name, kind: value}, names, TYPES, NESTED)
    handed = st.builds(lambda name, value: {"name": name, "resource": value}, names, RESOURCES)
    return st.lists(plain | handed, max_size=4)


@pytest.mark.parametrize(
    ("operation", "types"),
    [
        (EXPAND, ("ValueSet",)),
        (VALIDATE_CODE, ("ValueSet", "CodeSystem")),
        (LOOKUP, ("CodeSystem",)),
        (SUBSUMES, ("CodeSystem",)),
        (TRANSLATE, ("ConceptMap",)),
    ],
    ids=lambda one: one.code if isinstance(one, Operation) else "",
)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_parameters(operation: Operation, types: tuple[str, ...], data: st.DataObject) -> None:
    type_ = data.draw(st.sampled_from(types))
    names = [one.name for one in operation.inputs if one.is_primitive]
    query = data.draw(st.dictionaries(st.sampled_from(names), WORDS, max_size=4))
    parameters = data.draw(rows(operation))
    body = {"resourceType": "Parameters", "parameter": parameters} if parameters else None
    if body is not None and data.draw(st.booleans()):
        query = {}
    try:
        answer = run(operation, type_, query, body, given=GIVEN)
    except FhirError as refusal:
        if not 400 <= refusal.status < 500:
            raise
    else:
        assert answer["resourceType"] in ("ValueSet", "Parameters")


@given(RESOURCES)
@settings(max_examples=100, deadline=None)
def test_any_value_set_as_the_body(resource: dict[str, Any]) -> None:
    try:
        run(EXPAND, "ValueSet", body=resource, given=GIVEN)
    except FhirError as refusal:
        if not 400 <= refusal.status < 500:
            raise
