"""FHIRPath compiled to typed routes through FHIR JSON."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.fhirpath import UnsupportedError, compile_expression
from fhirserver.kernel.canonical import BACKPORT_GUIDE

# Parts of composites that cannot be compiled, and why.
WITHOUT_ROUTE = {
    # %resource from inside MolecularSequence.variant: the value would come from another element
    # than the one the composite pairs it with. To be decided when composites are searchable.
    ("MolecularSequence", "%resource.referenceSeq.chromosome"),
    ("MolecularSequence", "%resource.referenceSeq.referenceSeqId"),
}
# No expression in the specification: they search text, or name a stored query.
WITHOUT_EXPRESSION = {"_text", "_content", "_query"}


def _evaluate(expression: str, resource: dict[str, Any]) -> list[Any]:
    return compile_expression(expression, resource["resourceType"], load()).evaluate(resource)


# The guides' parameters that look for extensions of a primitive element: for the engine.
BY_ENGINE = frozenset(
    f"{BACKPORT_GUIDE}SearchParameter/Subscription-{code}"
    for code in ("filter-criteria", "custom-channel", "payload-type")
)


def test_every_search_parameter_of_the_specification_compiles() -> None:
    without, failed = set(), set()
    for type_ in load().resource_types:
        for parameter in load().search_parameters(type_).values():
            if parameter.url in BY_ENGINE:
                continue
            if parameter.expression is None:
                without.add(parameter.code)
                continue
            compiled = compile_expression(parameter.expression, type_, load())
            assert compiled.routes, (type_, parameter.code)
            for part in parameter.components:
                for route in compiled.routes:
                    try:
                        inner = compile_expression(
                            part.expression, route.type, load(), resource_type=type_
                        )
                    except UnsupportedError:
                        failed.add((type_, part.expression))
                    else:
                        assert inner.routes, (type_, parameter.code, part.expression)
    assert without == WITHOUT_EXPRESSION
    assert failed == WITHOUT_ROUTE


@pytest.mark.parametrize(
    ("expression", "resource", "found"),
    [
        (
            "Patient.name.given",
            {"name": [{"given": ["a", "b"]}, {"given": ["c"]}]},
            ["a", "b", "c"],
        ),
        ("Patient.name.given", {"name": [{"family": "x"}]}, []),
        ("Resource.id", {"id": "p"}, ["p"]),
        ("DomainResource.meta.tag", {"meta": {"tag": [{"code": "x"}]}}, [{"code": "x"}]),
        ("Patient.deceased", {"deceasedBoolean": False}, [False]),
        ("Patient.deceased as dateTime", {"deceasedDateTime": "2026"}, ["2026"]),
        ("Patient.deceased.ofType(dateTime)", {"deceasedBoolean": True}, []),
        ("Patient.deceased.exists()", {"deceasedBoolean": False}, [True]),
        ("Patient.deceased.empty()", {}, [True]),
        ("Patient.active.not()", {"active": True}, [False]),
        ("Patient.active.not()", {}, []),
        ("Patient.deceased.exists() and Patient.deceased != false", {}, [False]),
        (
            "Patient.deceased.exists() and Patient.deceased != false",
            {"deceasedBoolean": False},
            [False],
        ),
        (
            "Patient.deceased.exists() and Patient.deceased != false",
            {"deceasedDateTime": "2026"},
            [True],
        ),
        ("Patient.active = true or Patient.gender = 'male'", {"gender": "male"}, [True]),
        ("Patient.active = true or Patient.gender = 'male'", {"gender": "female"}, []),
        ("Patient.active and Patient.gender = 'male'", {"gender": "female"}, [False]),
        ("Patient.multipleBirth = 1", {"multipleBirthInteger": 1}, [True]),
        ("Patient.multipleBirth = 1", {"multipleBirthBoolean": True}, [False]),
        ("Patient.multipleBirth is integer", {"multipleBirthInteger": 1}, [True]),
        ("Patient.multipleBirth is integer", {"multipleBirthBoolean": True}, [False]),
        ("Patient.multipleBirth is integer", {}, []),
        (
            "Patient.telecom.where(system = 'phone').value",
            {"telecom": [{"system": "phone", "value": "1"}, {"system": "sms", "value": "2"}]},
            ["1"],
        ),
        (
            "Patient.generalPractitioner.where(resolve() is Practitioner)",
            {
                "generalPractitioner": [
                    {"reference": "Organization/o"},
                    {"reference": "Practitioner/p"},
                ]
            },
            [{"reference": "Practitioner/p"}],
        ),
        (
            "Patient.generalPractitioner.resolve() is Practitioner",
            {"generalPractitioner": [{"reference": "Organization/o"}]},
            [False],
        ),
        ("Patient.name[1].family", {"name": [{"family": "a"}, {"family": "b"}]}, ["b"]),
        ("Patient.name[1].family", {"name": [{"family": "a"}]}, []),
        ("Patient.name.first().family", {"name": [{"family": "a"}, {"family": "b"}]}, ["a"]),
        (
            "Patient.extension('http://e/x').value as string",
            {"extension": [{"url": "http://e/x", "valueString": "v"}, {"url": "y"}]},
            ["v"],
        ),
        (
            "Patient.name.family | Patient.gender",
            {"gender": "male", "name": [{"family": "a"}]},
            ["a", "male"],
        ),
        ("Group.name | Patient.gender", {"gender": "male"}, ["male"]),
        ("%resource.gender", {"gender": "male"}, ["male"]),
        (
            "Patient.contact.relationship",
            {"contact": [{"relationship": [{"text": "x"}]}]},
            [{"text": "x"}],
        ),
        # JSON of another shape than the definitions say gives nothing, and breaks nothing.
        ("Patient.name.given", {"name": "x"}, []),
        ("Patient.name.given", {"name": [None, {"given": [None, "a"]}]}, ["a"]),
        ("Patient.name.family", {"name": {"family": "a"}}, ["a"]),
    ],
)
def test_expressions_find_values(
    expression: str, resource: dict[str, Any], found: list[Any]
) -> None:
    assert _evaluate(expression, {"resourceType": "Patient", **resource}) == found


def test_routes_are_typed() -> None:
    routes = compile_expression("Observation.effective", "Observation", load()).routes
    assert {route.type for route in routes} == {"dateTime", "Period", "Timing", "instant"}
    (component,) = compile_expression("Observation.component", "Observation", load()).routes
    assert component.type == "Observation.component"
    (status,) = compile_expression("Observation.status", "Observation", load()).routes
    assert status.binding is not None
    assert status.binding.strength == "required"


def test_a_content_reference_is_followed() -> None:
    (route,) = compile_expression(
        "Observation.component.referenceRange.text", "Observation", load()
    ).routes
    assert route.type == "string"


def test_a_part_of_a_composite_starts_at_its_element() -> None:
    compiled = compile_expression(
        "value.as(Quantity)", "Observation.component", load(), resource_type="Observation"
    )
    assert compiled.evaluate({"valueQuantity": {"value": 1}}) == [{"value": 1}]


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.nothing",
        "Patient.gender.nothing",
        "Patient.birthDate.extension('http://x').value",
        "Patient.name.where(use)[0]",
        "Patient.contact.relationship[0]",
        "Patient.name.count()",
        "Patient.name.as('x')",
        "Patient.extension(Patient.gender)",
        "Patient.name.matches('x')",
        "%vs-x",
        "%ucum",
        "Patient.active.exists().where(true)",
        "(",
    ],
)
def test_what_the_subset_does_not_know_is_refused(expression: str) -> None:
    with pytest.raises(UnsupportedError):
        compile_expression(expression, "Patient", load())
