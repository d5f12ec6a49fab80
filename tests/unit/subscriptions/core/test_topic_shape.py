"""Notification shapes: what a focus leads to, and what is searched for beside it."""

from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from tests.unit.subscriptions.core.topics import made, ours

OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o",
    "subject": {"reference": "Patient/ann"},
    "device": {"reference": "Device/m"},
    "hasMember": [
        {"reference": "Observation/1"},
        {"reference": "https://else.example/Observation/2"},
        {"reference": "urn:uuid:0b9bd3b0-4d2c-4c51-8b9c-0000deadbeef"},
        {"reference": "Observation/1"},
        {"identifier": {"value": "x"}},
    ],
}


def test_a_focus_leads_to_what_lies_here() -> None:
    shape = ours(canonical.TOPIC_PATIENT_OBSERVATION).shape("Observation")
    assert shape.references(OBSERVATION) == ("Patient/ann", "Device/m", "Observation/1")
    assert shape.references({"resourceType": "Observation"}) == ()
    assert shape.references({"resourceType": "Patient"}) == ()
    assert shape.references(OBSERVATION, included=True) == ()
    assert shape.referrers() == ()


def test_iterating_includes_go_on_from_what_was_included() -> None:
    topic = made(
        notificationShape=[
            {
                "resource": "Encounter",
                "include": ["_include=Encounter:location:Location", "_include:iterate=Location:partof"],
                "revInclude": ["Observation:encounter", "_revinclude=Procedure:encounter:Encounter"],
            }
        ]
    )  # fmt: skip
    shape = topic.shape("Encounter")
    at = {"location": {"reference": "Location/bed"}}
    assert shape.references({"resourceType": "Encounter", "location": [at]}) == ("Location/bed",)
    bed: Json = {"resourceType": "Location", "partOf": {"reference": "Location/ward"}}
    assert shape.references(bed, included=True) == ("Location/ward",)
    assert shape.referrers() == (("Observation", "encounter"), ("Procedure", "encounter"))


def test_a_type_without_shape_has_an_empty_one() -> None:
    shape = ours(canonical.TOPIC_RESOURCE_CHANGE).shape("Patient")
    assert (shape.type, shape.include, shape.rev_include) == ("Patient", (), ())
    assert shape.references({"resourceType": "Patient"}) == ()


def test_a_target_narrows() -> None:
    topic = made(
        resourceTrigger=[{"resource": "Observation"}],
        notificationShape=[{"resource": "Observation", "include": ["Observation:subject:Group"]}],
    )
    assert topic.shape("Observation").references(OBSERVATION) == ()
