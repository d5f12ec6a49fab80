"""Notification Bundles, shape by shape.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
"""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from subscriptions.core.notification import (
    Content,
    Focus,
    Kind,
    NumberedEvent,
    StatusHeader,
    notification,
    status_parameters,
)

NOW = datetime(2026, 8, 1, 9, 0, 0, 123000, tzinfo=UTC)
HEADER = StatusHeader("https://x.org/fhir", "s1", "https://t/alert", "active", 7)
FLAG: Json = {
    "resourceType": "Flag",
    "id": "f1",
    "status": "active",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/ann"},
}
ENTRY = UUID(int=5)


def event(number: int = 7, action: str = "create", resource: Json | None = FLAG) -> NumberedEvent:
    return NumberedEvent(number, NOW, Focus(action, "Flag", "f1", resource))  # type: ignore[arg-type]


def build(content: Content, *events: NumberedEvent, kind: Kind = "event-notification") -> Json:
    return notification(HEADER, kind, content, events, at=NOW, entry_id=ENTRY)


def test_handshake() -> None:
    assert build("id-only", kind="handshake") == {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": "2026-08-01T09:00:00.123Z",
        "entry": [
            {
                "fullUrl": "urn:uuid:00000000-0000-0000-0000-000000000005",
                "resource": {
                    "resourceType": "Parameters",
                    "parameter": [
                        {
                            "name": "subscription",
                            "valueReference": {"reference": "https://x.org/fhir/Subscription/s1"},
                        },
                        {"name": "topic", "valueCanonical": "https://t/alert"},
                        {"name": "status", "valueCode": "active"},
                        {"name": "type", "valueCode": "handshake"},
                        {"name": "events-since-subscription-start", "valueString": "7"},
                    ],
                },
                "request": {
                    "method": "GET",
                    "url": "https://x.org/fhir/Subscription/s1/$status",
                },
                "response": {"status": "200"},
            }
        ],
    }


def test_empty_names_nothing() -> None:
    bundle = build("empty", event())
    assert len(bundle["entry"]) == 1
    names = [p["name"] for p in bundle["entry"][0]["resource"]["parameter"]]
    assert "topic" not in names
    assert bundle["entry"][0]["resource"]["parameter"][-1] == {
        "name": "notification-event",
        "part": [
            {"name": "event-number", "valueString": "7"},
            {"name": "timestamp", "valueInstant": "2026-08-01T09:00:00.123Z"},
        ],
    }


def test_id_only_names_the_focus_and_carries_nothing() -> None:
    bundle = build("id-only", event())
    part = bundle["entry"][0]["resource"]["parameter"][-1]["part"]
    assert part[-1] == {
        "name": "focus",
        "valueReference": {"reference": "https://x.org/fhir/Flag/f1"},
    }
    assert bundle["entry"][1:] == [
        {
            "fullUrl": "https://x.org/fhir/Flag/f1",
            "request": {"method": "PUT", "url": "https://x.org/fhir/Flag/f1"},
            "response": {"status": "201"},
        }
    ]


def test_full_resource_carries_it() -> None:
    assert build("full-resource", event())["entry"][1]["resource"] == FLAG


def test_a_resource_that_cannot_be_included_has_request_and_response() -> None:
    entry = build("full-resource", event(resource=None))["entry"][1]
    assert "resource" not in entry
    assert entry["request"]["method"] == "PUT"


def test_a_deletion() -> None:
    entry = build("full-resource", event(action="delete", resource=None))["entry"][1]
    assert entry["request"]["method"] == "DELETE"
    assert "resource" not in entry


def version(number: int) -> Json:
    return {**FLAG, "meta": {"versionId": str(number)}}


def test_each_event_carries_the_state_it_had_then() -> None:
    bundle = build("full-resource", event(6, resource=version(1)), event(7, "update", version(2)))
    assert [entry["resource"]["meta"]["versionId"] for entry in bundle["entry"][1:]] == ["1", "2"]
    assert [entry["response"]["status"] for entry in bundle["entry"][1:]] == ["201", "200"]
    numbers = [
        p["part"][0]["valueString"]
        for p in bundle["entry"][0]["resource"]["parameter"]
        if p["name"] == "notification-event"
    ]
    assert numbers == ["6", "7"]


def test_one_version_is_carried_once() -> None:
    bundle = build("full-resource", event(6, "update", version(2)), event(7, "update", version(2)))
    assert len(bundle["entry"]) == 2


def test_without_contents_the_same_is_said_once() -> None:
    events = [event(n, "update", version(n)) for n in (2, 3)]
    assert len(build("id-only", *events)["entry"]) == 2
    assert len(build("id-only", event(1, resource=version(1)), *events)["entry"]) == 3


def test_a_resource_with_an_id_of_ours_was_posted() -> None:
    id_ = "01980000-0000-7000-8000-000000000000"
    focus = Focus("create", "Flag", id_, {**FLAG, "id": id_})
    (entry,) = build("id-only", NumberedEvent(7, NOW, focus))["entry"][1:]
    assert entry["request"] == {"method": "POST", "url": "https://x.org/fhir/Flag"}
    assert entry["response"] == {"status": "201"}


PATIENT: Json = {"resourceType": "Patient", "id": "ann", "meta": {"versionId": "4"}}


def test_what_goes_with_a_focus_is_named_and_carried() -> None:
    focus = Focus("update", "Flag", "f1", version(2))
    told = NumberedEvent(7, NOW, focus, (PATIENT, PATIENT))
    bundle = build("full-resource", told)
    part = bundle["entry"][0]["resource"]["parameter"][-1]["part"]
    assert [p["name"] for p in part].count("additional-context") == 1
    assert part[-1]["valueReference"] == {"reference": "https://x.org/fhir/Patient/ann"}
    entry = bundle["entry"][2]
    assert entry["resource"] == PATIENT
    assert entry["request"] == {"method": "GET", "url": "https://x.org/fhir/Patient/ann"}
    assert entry["response"] == {"status": "200"}
    assert "resource" not in build("id-only", told)["entry"][2]
    assert len(build("empty", told)["entry"]) == 1


def test_why_it_is_in_error() -> None:
    header = StatusHeader("https://x.org/fhir", "s1", "https://t/alert", "error", 7, "no 2xx")
    parameters = status_parameters(header, "query-status", "id-only", ())["parameter"]
    assert parameters[-1] == {
        "name": "error",
        "valueCodeableConcept": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/subscription-error",
                    "code": "no-response",
                }
            ],
            "text": "no 2xx",
        },
    }


def test_what_may_not_be_seen_is_counted_and_not_named() -> None:
    bundle = build("full-resource", NumberedEvent(7, NOW, None))
    assert len(bundle["entry"]) == 1
    part = bundle["entry"][0]["resource"]["parameter"][-1]["part"]
    assert [p["name"] for p in part] == ["event-number", "timestamp"]


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_every_bundle_is_valid_and_every_entry_complete(content: Content) -> None:
    bundle = build(content, event(), event(8, "delete", None))
    assert [p for p in validate(bundle) if p.severity == "error"] == []
    for entry in bundle["entry"]:
        assert entry["request"]
        assert entry["response"]
