"""The shape checker accepts what the guide shows and names each fault planted in it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from conformance.subscriptions.notification import (
    Event,
    Unreadable,
    bundle_faults,
    included,
    local,
    read,
)

BASE = "https://fhir.example.org/r4"
FOCUS = f"{BASE}/Observation/o1"


def status(*events: dict[str, Any], topic: bool = True) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{BASE}/Subscription/s1"}},
        {"name": "topic", "valueCanonical": "http://example.org/topic"},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": "event-notification"},
        {"name": "events-since-subscription-start", "valueString": "5"},
        *({"name": "notification-event", "part": list(event.values())} for event in events),
    ]
    if not topic:
        del parameters[1]
    return {"resourceType": "Parameters", "parameter": parameters}


def event(number: str, focus: str | None = FOCUS) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {
        "number": {"name": "event-number", "valueString": number},
        "time": {"name": "timestamp", "valueInstant": "2026-03-04T05:06:07.123Z"},
    }
    if focus is not None:
        parts["focus"] = {"name": "focus", "valueReference": {"reference": focus}}
    return parts


def bundle(first: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": "2026-03-04T05:06:08Z",
        "entry": [
            {
                "fullUrl": "urn:uuid:5e1f7a0e-4c0e-4b6a-8d3a-1f2e3d4c5b6a",
                "resource": first,
                "request": {"method": "GET", "url": f"{BASE}/Subscription/s1/$status"},
                "response": {"status": "200"},
            },
            *others,
        ],
    }


def entry(**more: Any) -> dict[str, Any]:
    return {
        "fullUrl": FOCUS,
        "request": {"method": "PUT", "url": "Observation/o1"},
        "response": {"status": "201"},
        **more,
    }


OBSERVATION = {"resourceType": "Observation", "id": "o1"}
RIGHT = {
    "empty": bundle(status(event("4", None), event("5", None), topic=False)),
    "id-only": bundle(status(event("4"), event("5")), entry()),
    "full-resource": bundle(status(event("5")), entry(resource=OBSERVATION)),
}


@pytest.mark.parametrize("content", RIGHT)
def test_what_the_guide_shows_has_no_fault(content: str) -> None:
    assert bundle_faults(RIGHT[content], "s1", content) == []


def test_it_is_read() -> None:
    said = read(RIGHT["id-only"])
    assert (said.subscription, said.status, said.since_start) == ("Subscription/s1", "active", 5)
    assert said.events == (Event(4, "Observation/o1"), Event(5, "Observation/o1"))
    assert said.numbers == (4, 5)
    assert included(RIGHT["full-resource"]) == [OBSERVATION]


def test_references_are_compared_without_base_and_version() -> None:
    assert local(f"{FOCUS}/_history/3") == "Observation/o1" == local("Observation/o1")


def changed(content: str, change: Callable[[Any], None]) -> list[str]:
    spoiled = deepcopy(RIGHT[content])
    change(spoiled)
    return bundle_faults(spoiled, "s1", content)


def parameter(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda it: next(
        one for one in it["entry"][0]["resource"]["parameter"] if one["name"] == name
    )


FAULTS: list[tuple[str, Callable[[Any], None], str]] = [
    ("id-only", lambda it: it.update(type="collection"), "Bundle.type is 'collection'"),
    ("id-only", lambda it: it.update(timestamp="2026-03-04"), "is not an instant"),
    ("id-only", lambda it: it.update(entry=[]), "without entries"),
    ("id-only", lambda it: it["entry"][1].pop("request"), "entry 1 has no request"),
    ("id-only", lambda it: it["entry"][1].pop("response"), "entry 1 has no response"),
    ("id-only", lambda it: it["entry"][0].pop("fullUrl"), "entry 0 has no fullUrl"),
    ("id-only", lambda it: it["entry"][0]["request"].update(url="Subscription/s2/$status"),
     "not the $status"),
    ("id-only", lambda it: it["entry"][0]["request"].update(method="POST"), "not a GET"),
    ("id-only", lambda it: parameter("status")(it).update(valueCode="fine"), "no Subscription status"),
    ("id-only", lambda it: parameter("type")(it).update(valueCode="news"), "no notification type"),
    ("id-only", lambda it: parameter("events-since-subscription-start")(it).update(valueString="x"),
     "not a number"),
    ("id-only", lambda it: parameter("events-since-subscription-start")(it).update(valueString="4"),
     "event 5 of only 4"),
    ("id-only", lambda it: parameter("topic")(it).update(name="theme"), "no such parameter: theme"),
    ("id-only", lambda it: parameter("status")(it).update(name="state"), "status stands 0 times"),
    ("id-only", lambda it: parameter("notification-event")(it)["part"][0].update(valueString="5"),
     "not consecutive"),
    ("id-only", lambda it: parameter("notification-event")(it)["part"].pop(2), "event 4 has no focus"),
    ("id-only", lambda it: parameter("notification-event")(it)["part"][1].update(
        valueInstant="yesterday"), "is not an instant"),
    ("id-only", lambda it: it["entry"][1].update(resource=OBSERVATION), "an entry has a resource"),
    ("id-only", lambda it: parameter("subscription")(it).update(
        valueReference={"reference": "Subscription/other"}), "about Subscription/other"),
    ("empty", lambda it: it["entry"].append(entry()), "1 entries beside the status"),
    ("empty", lambda it: parameter("notification-event")(it)["part"].append(event("4")["focus"]),
     "names a focus"),
    ("full-resource", lambda it: it["entry"].pop(1), "which is in no entry"),
    ("full-resource", lambda it: it["entry"][1].pop("resource"), "without a resource"),
    ("full-resource", lambda it: it["entry"][1].update(resource={**OBSERVATION, "id": "o2"}),
     "carries Observation/o2"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "change", "said"), FAULTS)
def test_each_fault_is_named(content: str, change: Callable[[Any], None], said: str) -> None:
    assert any(said in fault for fault in changed(content, change)), changed(content, change)


def test_a_deleted_focus_is_carried_by_its_request_alone() -> None:
    gone = entry(request={"method": "DELETE", "url": "Observation/o1"})
    assert bundle_faults(bundle(status(event("5")), gone), "s1", "full-resource") == []


@pytest.mark.parametrize(
    "body", [None, [], {"resourceType": "Patient"}, {"resourceType": "Bundle"}]
)
def test_what_is_no_notification_cannot_be_read(body: Any) -> None:
    with pytest.raises(Unreadable):
        read(body)
    assert bundle_faults(body, "s1", "empty")
