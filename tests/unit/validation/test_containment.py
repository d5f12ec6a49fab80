"""https://hl7.org/fhir/R4/references.html#contained and resources in Bundles and Parameters"""

from typing import Any

import pytest

from fhirserver.validation import validate
from tests.unit.validation.samples import blood_pressure, patient

ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "x"}


def _places(resource: object) -> list[tuple[str, str]]:
    return [(one.expression, one.message[:5]) for one in validate(resource)]


def _containing(*contained: Any, **elements: Any) -> dict[str, Any]:
    elements.setdefault("managingOrganization", {"reference": "#o"})
    return patient(contained=list(contained), **elements)


def test_a_contained_resource_that_is_referred_to() -> None:
    assert validate(_containing(ORGANIZATION)) == []


def test_contained_resources_may_refer_to_each_other_and_to_the_container() -> None:
    department = {**ORGANIZATION, "partOf": {"reference": "#p"}}
    parent = {**ORGANIZATION, "id": "p"}
    assert validate(_containing(department, parent)) == []
    back = {
        "resourceType": "Provenance",
        "id": "v",
        "target": [{"reference": "#"}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "a"}}],
    }
    assert validate(_containing(ORGANIZATION, back)) == []


@pytest.mark.parametrize(
    ("contained", "places"),
    [
        (
            {**ORGANIZATION, "id": "q"},
            {
                ("Patient.managingOrganization.reference", "ref-1"),
                ("Patient.contained[0]", "dom-3"),
            },
        ),
        (
            {**ORGANIZATION, "contained": [ORGANIZATION]},
            {("Patient.contained[0].contained", "dom-2")},
        ),
        (
            {**ORGANIZATION, "meta": {"versionId": "1"}},
            {
                ("Patient.contained[0].meta.versionId", "dom-4"),
            },
        ),
        (
            {**ORGANIZATION, "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}},
            {
                ("Patient.contained[0].meta.lastUpdated", "dom-4"),
            },
        ),
        (
            {**ORGANIZATION, "meta": {"security": [{"code": "R"}]}},
            {
                ("Patient.contained[0].meta.security", "dom-5"),
            },
        ),
        ({**ORGANIZATION, "name": ""}, {("Patient.contained[0].name", "a str")}),
        ({"id": "o"}, {("Patient.contained[0].resourceType", "resou")}),
        (
            {"resourceType": "Nothing", "id": "o"},
            {
                ("Patient.contained[0].resourceType", "not a"),
            },
        ),
    ],
)
def test_what_a_contained_resource_may_not_be(
    contained: dict[str, Any], places: set[tuple[str, str]]
) -> None:
    assert set(_places(_containing(contained))) == places


def test_contained_must_be_an_array_of_resources() -> None:
    assert ("Patient.contained[0]", "a res") in _places(_containing("o"))
    assert ("Patient.contained", "an ar") in _places(patient(contained=ORGANIZATION))


def test_the_resources_of_a_bundle() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": blood_pressure()},
            {"resource": _containing(ORGANIZATION)},
            {"resource": blood_pressure(status="fine")},
            {"resource": patient(managingOrganization={"reference": "#o"})},
        ],
    }
    assert _places(bundle) == [
        ("Bundle.entry[2].resource.status", "must "),
        ("Bundle.entry[3].resource.managingOrganization.reference", "ref-1"),
    ]


def test_the_resource_of_a_parameter() -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "resource": {"resourceType": "X"}}]}],
    }
    assert _places(parameters) == [
        ("Parameters.parameter[0].part[0].resource.resourceType", "not a")
    ]


def test_an_outcome_in_a_bundle_may_be_any_resource() -> None:
    entry = {"response": {"status": "200", "outcome": patient(gender="M")}}
    bundle = {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}
    assert _places(bundle) == [("Bundle.entry[0].response.outcome.gender", "must ")]
