"""What a client says of the chart it has open, and what the others are told."""

import json

import pytest

from fhirserver.validation import validate
from subscriptions.core.presence import Look, look_in, told


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("presence: Patient/ann", Look("ann")),
        ("presence:Patient/a.b-1\n", Look("a.b-1")),
        ("presence:", Look(None)),
        ("presence: ", Look(None)),
        ("presence", None),
        ("presence: ann", None),
        ("presence: Practitioner/nina", None),
        ("presence: Patient/ann Patient/joe", None),
        ("presence: Patient/" + "a" * 65, None),
        ("bind-with-token: abcdefghijklmnop", None),
    ],
)
def test_what_is_meant(text: str, meant: Look | None) -> None:
    assert look_in(text) == meant


def test_what_is_told_is_a_resource() -> None:
    resource = json.loads(told("ann", {"RelatedPerson/bob", "Practitioner/nina"}))
    assert validate(resource) == []
    (one,) = resource["parameter"]
    assert [part["valueReference"]["reference"] for part in one["part"]] == [
        "Patient/ann",
        "Practitioner/nina",
        "RelatedPerson/bob",
    ]
    assert told("ann", ()) != told("joe", ())
