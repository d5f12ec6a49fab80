"""What a literal reference says about its target."""

import pytest

from fhirserver.fhirpath.reference import Target, parse_reference, type_of_reference


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Patient/ann", Target("Patient/ann", "Patient", "ann")),
        ("Patient/ann/_history/2", Target("Patient/ann", "Patient", "ann")),
        (
            "http://e.example/fhir/Patient/ann/_history/2",
            Target("http://e.example/fhir/Patient/ann", "Patient", "ann"),
        ),
        ("http://e.example/what", Target("http://e.example/what", None, None)),
        ("https://e.example/a/b", Target("https://e.example/a/b", None, None)),
        ("urn:uuid:1", Target("urn:uuid:1", None, None)),
        ("#contained", None),
        ("", None),
        ("ann", None),
        ("Patient/", None),
        ("/ann", None),
        ("a/b/c", None),
    ],
)
def test_a_reference_names_its_target_without_version(text: str, target: Target | None) -> None:
    assert parse_reference(text) == target


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ({"reference": "Patient/ann"}, "Patient"),
        ({"reference": "Patient/ann", "type": "Group"}, "Patient"),
        ({"reference": "urn:uuid:1", "type": "Group"}, "Group"),
        ({"reference": "urn:uuid:1"}, None),
        ({"identifier": {"value": "7"}, "type": "Device"}, "Device"),
        ({"resourceType": "Bundle", "type": "message"}, "Bundle"),
        ("http://e.example/PlanDefinition/p", "PlanDefinition"),
        ("#x", None),
        (7, None),
    ],
)
def test_the_type_of_a_target_needs_no_fetch(value: object, type_: str | None) -> None:
    assert type_of_reference(value) == type_
