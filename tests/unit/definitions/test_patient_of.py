"""Whose record a resource belongs to."""

import pytest

from fhirserver.definitions import load
from fhirserver.definitions.patient_of import (
    PATIENT_OF,
    belongs_to,
    patient_filter,
    patient_id,
    patients_of,
)
from fhirserver.kernel.canonical import BACKPORT, TOPIC_READING
from fhirserver.kernel.resource import Json


def _subscription(criteria: str, *filters: str) -> Json:
    return {
        "resourceType": "Subscription",
        "criteria": criteria,
        "_criteria": {
            "extension": [
                {"url": BACKPORT + "backport-filter-criteria", "valueString": text}
                for text in filters
            ]
        },
    }


def test_every_concrete_type_has_a_rule_and_no_other() -> None:
    assert set(PATIENT_OF) == set(load().resource_types)


@pytest.mark.parametrize(
    ("type_", "path"), [(type_, path) for type_, rule in PATIENT_OF.items() for path in rule.paths]
)
def test_every_path_leads_to_a_reference_that_can_be_a_patient(type_: str, path: str) -> None:
    element = load().structure(type_).element(f"{type_}.{path}")
    assert element is not None
    targets = {target for one in element.types for target in one.targets}
    assert [one.code for one in element.types] == ["Reference"]
    assert not targets or targets & {"Patient", "Resource"}


@pytest.mark.parametrize("type_", [type_ for type_, rule in PATIENT_OF.items() if rule.paths])
def test_a_named_patient_is_found(type_: str) -> None:
    def nest(path: list[str]) -> object:
        return [{path[0]: nest(path[1:])}] if path else {"reference": "Patient/ann"}

    for path in belongs_to(type_).paths:
        head, *rest = path.split(".")
        assert patients_of({"resourceType": type_, head: nest(rest)}) == {"ann"}


@pytest.mark.parametrize("type_", [type_ for type_, rule in PATIENT_OF.items() if not rule.paths])
def test_other_references_do_not_put_a_resource_into_a_record(type_: str) -> None:
    ann = {"reference": "Patient/ann"}
    resource = {"resourceType": type_, "id": "x", "subject": ann, "patient": ann, "actor": [ann]}
    assert patients_of(resource) == ({"x"} if type_ == "Patient" else frozenset())


def test_a_patient_belongs_to_itself() -> None:
    assert patients_of({"resourceType": "Patient", "id": "ann"}) == {"ann"}
    assert patients_of({"resourceType": "Patient"}) == frozenset()


def test_several_patients_are_all_named() -> None:
    actors = [{"actor": {"reference": f"Patient/{id_}"}} for id_ in ("ann", "bob")]
    assert patients_of({"resourceType": "Appointment", "participant": actors}) == {"ann", "bob"}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Patient/ann", "ann"),
        ("Patient/ann/_history/3", "ann"),
        ("Patient/", None),
        ("Patient/a b", None),
        ("Patient/ann/x", None),
        ("Group/ann", None),
        ("http://elsewhere.example/Patient/ann", None),
        ("#ann", None),
        ("urn:uuid:0190a5a0-0000-7000-8000-000000000000", None),
        ("xPatient/ann", None),
        ("Patient/" + "a" * 65, None),
        (None, None),
        (7, None),
    ],
)
def test_only_literal_relative_references_count(reference: object, expected: str | None) -> None:
    assert patient_id(reference) == expected
    found = patients_of({"resourceType": "Flag", "subject": {"reference": reference}})
    assert found == ({expected} if expected else frozenset())


def test_a_provenance_belongs_to_the_patients_among_its_targets() -> None:
    targets = [{"reference": "Observation/1"}, {"reference": "Patient/ann"}]
    agents = [{"who": {"reference": "Patient/bob"}}]
    assert patients_of({"resourceType": "Provenance", "target": targets, "agent": agents}) == {
        "ann"
    }


def test_an_audit_event_belongs_to_its_entities_and_not_to_its_agents() -> None:
    event = {
        "resourceType": "AuditEvent",
        "agent": [{"who": {"reference": "Patient/bob"}}],
        "entity": [{"what": {"reference": "Patient/ann"}}, {"what": {"reference": "Flag/1"}}],
    }
    assert patients_of(event) == {"ann"}


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("Observation?patient=Patient/ann&code=1", {"ann"}),
        ("Observation?patient=ann", {"ann"}),
        ("Observation?subject=Patient%2Fann", {"ann"}),
        ("Observation?subject:Patient=ann", {"ann"}),
        ("Observation?subject=ann", set()),
        ("Observation?subject:Group=ann", set()),
        ("Observation?subject:Group=Patient/ann", set()),
        ("Observation?patient=Patient/ann,Patient/bob", {"ann", "bob"}),
        ("patient=Patient/ann", {"ann"}),
        ("Task.patient=Patient/ann", {"ann"}),
        ("Patient?_id=ann", {"ann"}),
        ("Observation?_id=ann", set()),
        ("Task?owner=RelatedPerson/bob", set()),
        ("Task?owner=Patient/ann", set()),
        ("Observation?code=patient=Patient/ann", set()),
        ("", set()),
    ],
)
def test_a_filter_names_its_patients(criteria: str, expected: set[str]) -> None:
    assert patient_filter(criteria) == expected


def test_a_subscription_belongs_to_the_patients_of_its_criteria_and_filters() -> None:
    assert patients_of(_subscription("Observation?patient=Patient/ann")) == {"ann"}
    assert patients_of(_subscription(TOPIC_READING, "Observation?patient=Patient/ann")) == {"ann"}
    assert patients_of(_subscription(TOPIC_READING)) == frozenset()
    other = _subscription(TOPIC_READING)
    other["_criteria"]["extension"] = [{"url": "x", "valueString": "patient=Patient/ann"}]
    assert patients_of(other) == frozenset()


def test_an_unknown_type_is_for_administrators() -> None:
    assert belongs_to("SubscriptionTopic").kind == "administrators"
    assert patients_of({}) == frozenset()
