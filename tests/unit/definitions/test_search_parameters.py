"""https://hl7.org/fhir/R4/searchparameter-registry.html"""

import pytest

from fhirserver.definitions import SearchParameter, load
from fhirserver.definitions.union import union_parts

definitions = load()


def test_a_parameter_is_seen_from_its_type() -> None:
    assert definitions.search_parameters("Observation")["patient"] == SearchParameter(
        code="patient",
        type="reference",
        expression="Observation.subject.where(resolve() is Patient)",
        target=("Patient",),
        components=(),
        url="http://hl7.org/fhir/SearchParameter/clinical-patient",
    )


def test_every_type_has_the_parameters_all_resources_share() -> None:
    common = {"_content", "_id", "_lastUpdated", "_profile", "_query", "_security", "_source"}
    for name in definitions.resource_types:
        parameters = definitions.search_parameters(name)
        assert common | {"_tag"} <= set(parameters)
        has_text = definitions.structure(name).base == "DomainResource"
        assert ("_text" in parameters) is has_text
    assert definitions.search_parameters("Patient")["_id"].expression == "Resource.id"


def test_only_text_searches_have_no_path() -> None:
    for name in definitions.resource_types:
        for code, parameter in definitions.search_parameters(name).items():
            assert (parameter.expression is None) == (code in {"_text", "_content", "_query"})


def test_each_part_of_an_expression_starts_at_the_type() -> None:
    for name in definitions.resource_types:
        for parameter in definitions.search_parameters(name).values():
            for part in union_parts(parameter.expression or name):
                head = part.lstrip("( ").partition(".")[0].partition(" ")[0]
                assert head in (name, "Resource", "DomainResource")


def test_references_name_resource_types() -> None:
    for name in definitions.resource_types:
        for parameter in definitions.search_parameters(name).values():
            for target in parameter.target:
                assert definitions.is_resource_type(target)
            assert parameter.type == "reference" or not parameter.target


def test_a_composite_knows_its_components() -> None:
    parameter = definitions.search_parameters("Observation")["component-code-value-quantity"]
    assert parameter.type == "composite"
    assert parameter.expression == "Observation.component"
    assert [(one.code, one.type, one.expression) for one in parameter.components] == [
        ("component-code", "token", "code"),
        ("component-value-quantity", "quantity", "value.as(Quantity)"),
    ]
    for name in definitions.resource_types:
        for one in definitions.search_parameters(name).values():
            assert (one.type == "composite") == bool(one.components)


def test_parameters_that_are_not_in_4_0_1() -> None:
    assert "status" not in definitions.search_parameters("DetectedIssue")
    assert "order-detail" not in definitions.search_parameters("ServiceRequest")
    assert "classification" not in definitions.search_parameters("DeviceDefinition")


def test_a_corrected_expression() -> None:
    parameter = definitions.search_parameters("InsurancePlan")["name"]
    assert parameter.expression == "InsurancePlan.name | InsurancePlan.alias"


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("A.b", ["A.b"]),
        ("A.b | C.d", ["A.b", "C.d"]),
        ("(A.b | A.c).d | E", ["(A.b | A.c).d", "E"]),
        ("A.where(x='a|b') | C", ["A.where(x='a|b')", "C"]),
        ("A[0] | B", ["A[0]", "B"]),
    ],
)
def test_union_parts(expression: str, parts: list[str]) -> None:
    assert union_parts(expression) == parts
