"""Invariants that run in the FHIRPath engine, rules of Bundles, and advice."""

from typing import Any

import pytest

from fhirserver.validation import validate
from tests.unit.validation.samples import blood_pressure, patient


def _found(resource: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (one.severity, one.message.partition(":")[0], one.expression)
        for one in validate(resource)
        if one.code == "invariant"
    }


def _questionnaire(*items: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "status": "draft",
        **elements,
        "item": [{"linkId": str(number), **item} for number, item in enumerate(items)],
    }


def _capability(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "status": "draft",
        "date": "2026",
        "kind": "requirements",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "description": "x",
        "rest": [{"mode": "server"}],
        **elements,
    }


def _structure(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://e/a",
        "name": "A",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": list(elements) or [{"id": "Patient", "path": "Patient"}]},
        **more,
    }


BROKEN = [
    (_questionnaire({"type": "group"}), "que-1", "Questionnaire.item[0]"),
    (
        _questionnaire({"type": "display", "code": [{"code": "a"}]}),
        "que-3",
        "Questionnaire.item[0]",
    ),
    (
        _questionnaire({"type": "string", "initial": [{"valueString": "a"}, {"valueString": "b"}]}),
        "que-13",
        "Questionnaire.item[0]",
    ),
    (
        _questionnaire(
            {
                "type": "string",
                "enableWhen": [{"question": "1", "operator": "exists", "answerInteger": 1}],
            }
        ),
        "que-7",
        "Questionnaire.item[0].enableWhen[0]",
    ),
    (
        {
            **_questionnaire({"type": "string"}),
            "item": [{"linkId": "1", "type": "string"}, {"linkId": "1", "type": "string"}],
        },
        "que-2",
        "Questionnaire",
    ),
    (_capability(rest=None), "cpb-1", "CapabilityStatement"),
    (_capability(kind="instance"), "cpb-14", "CapabilityStatement"),
    (
        _capability(
            rest=[{"mode": "server", "resource": [{"type": "Patient"}, {"type": "Patient"}]}]
        ),
        "cpb-9",
        "CapabilityStatement.rest[0]",
    ),
    (_structure({"id": "Patient", "path": "Patient", "max": "x"}), "eld-3", None),
    (_structure({"id": "Patient", "path": "a b"}), "eld-19", None),
    (_structure({"path": "Patient"}), "sdf-17", "StructureDefinition"),
    (
        _structure({"id": "Group", "path": "Group"}),
        "sdf-8a",
        "StructureDefinition.differential",
    ),
    (
        {
            "resourceType": "CareTeam",
            "participant": [
                {
                    "member": {"reference": "#o"},
                    "onBehalfOf": {"reference": "Organization/1"},
                }
            ],
            "contained": [{"resourceType": "Organization", "id": "o", "name": "a"}],
        },
        "ctm-1",
        "CareTeam.participant[0]",
    ),
    (
        {
            "resourceType": "RiskAssessment",
            "status": "final",
            "subject": {"reference": "Patient/1"},
            "prediction": [{"probabilityRange": {"low": {"value": 1}}}],
        },
        "ras-1",
        "RiskAssessment.prediction[0].probabilityRange",
    ),
    (
        {
            "resourceType": "RiskAssessment",
            "status": "final",
            "subject": {"reference": "Patient/1"},
            "prediction": [{"probabilityDecimal": 101}],
        },
        "ras-2",
        "RiskAssessment.prediction[0]",
    ),
    (
        {"resourceType": "Parameters", "parameter": [{"name": "a"}]},
        "inv-1",
        "Parameters.parameter[0]",
    ),
    (
        {
            "resourceType": "Task",
            "status": "draft",
            "intent": "order",
            "authoredOn": "2026-02-01",
            "lastModified": "2026-01-01",
        },
        "inv-1",
        "Task",
    ),
    (
        {
            "resourceType": "ValueSet",
            "status": "draft",
            "expansion": {"timestamp": "2026", "contains": [{"display": "a"}]},
        },
        "vsd-9",
        "ValueSet.expansion.contains[0]",
    ),
]


@pytest.mark.parametrize(("resource", "key", "place"), BROKEN)
def test_broken(resource: dict[str, Any], key: str, place: str | None) -> None:
    resource = {name: value for name, value in resource.items() if value is not None}
    keys = {(found, at) for severity, found, at in _found(resource) if severity == "error"}
    assert (key, place) in keys or (place is None and key in {one for one, _at in keys})


@pytest.mark.parametrize(
    "resource",
    [
        _questionnaire({"type": "group", "item": [{"linkId": "x", "type": "string"}]}),
        _questionnaire(
            {
                "type": "string",
                "enableWhen": [{"question": "1", "operator": "exists", "answerBoolean": True}],
            }
        ),
        _capability(),
        _structure(),
        {
            "resourceType": "CareTeam",
            "participant": [
                {
                    "member": {"reference": "Practitioner/1"},
                    "onBehalfOf": {"reference": "Organization/1"},
                }
            ],
        },
        {
            "resourceType": "Task",
            "status": "draft",
            "intent": "order",
            "authoredOn": "2026-01-01T10:00:00Z",
            "lastModified": "2026-01-01",
        },
    ],
)
def test_unbroken(resource: dict[str, Any]) -> None:
    assert _found(resource) == set()


def test_warnings_are_warnings() -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-category",
                        "code": "problem-list-item",
                    }
                ]
            }
        ],
    }
    assert _found(condition) == {("warning", "con-3", "Condition")}
    named = _questionnaire({"type": "string"}, name="not a name")
    assert _found(named) == {("warning", "que-0", "Questionnaire")}


def _advice(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.code, one.expression) for one in validate(resource)]


ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


@pytest.mark.parametrize(
    ("concept", "found"),
    [
        ({"coding": [{"system": ABSENT, "code": "unknown"}]}, []),
        ({"coding": [{"system": "http://e/own", "code": "mine"}]}, [".coding"]),
        ({"coding": [{"system": ABSENT, "code": "no such code"}]}, [".coding"]),
        (
            {
                "coding": [
                    {"system": "http://e/own", "code": "m"},
                    {"system": ABSENT, "code": "not-asked"},
                ]
            },
            [],
        ),
        ({"text": "asleep"}, []),
        ({"coding": [{"display": "asleep"}]}, []),
    ],
)
def test_codes_outside_an_extensible_set_are_warned_of(
    concept: dict[str, Any], found: list[str]
) -> None:
    place = "Observation.dataAbsentReason"
    assert _advice(blood_pressure(dataAbsentReason=concept)) == [
        ("warning", "code-invalid", place + one) for one in found
    ]


def test_a_narrative_is_only_asked_for_on_request() -> None:
    resource = patient(name=[{"family": "Berg"}])
    assert validate(resource) == []
    (advice,) = validate(resource, best_practice=True)
    assert (advice.severity, advice.expression) == ("warning", "Patient")
    assert advice.message.startswith("dom-6")
    narrative = {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml">Berg</div>',
    }
    assert validate({**resource, "text": narrative}, best_practice=True) == []
    assert validate({"resourceType": "Parameters"}, best_practice=True) == []
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    (advice,) = validate(bundle, best_practice=True)
    assert advice.expression == "Bundle.entry[0].resource"


UUID = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"


def _bundle(type_: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type_, "entry": list(entries)}


@pytest.mark.parametrize(
    ("bundle", "found"),
    [
        (
            _bundle(
                "collection",
                {"fullUrl": UUID, "resource": patient(active=True)},
                {"resource": blood_pressure(subject={"reference": UUID})},
            ),
            [],
        ),
        (
            _bundle("collection", {"resource": blood_pressure(subject={"reference": UUID})}),
            [("warning", "not-found", "Bundle.entry[0].resource.subject.reference")],
        ),
        (_bundle("searchset", {"resource": blood_pressure(subject={"reference": UUID})}), []),
        (
            _bundle("collection", {"fullUrl": "http://e/Patient/a", "resource": patient(id="b")}),
            [("error", "value", "Bundle.entry[0].fullUrl")],
        ),
        (
            _bundle("collection", {"fullUrl": "http://e/Patient/a", "resource": patient(id="a")}),
            [],
        ),
        (
            _bundle(
                "collection",
                {"resource": patient(link=[{"other": {"reference": UUID}, "type": "seealso"}])},
            ),
            [("warning", "not-found", "Bundle.entry[0].resource.link[0].other.reference")],
        ),
    ],
)
def test_references_within_a_bundle(
    bundle: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    assert _advice(bundle) == found
