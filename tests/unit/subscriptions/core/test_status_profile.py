"""Every status we make is one of the guide's profile, by our validator and by `fhir.resources`."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.parameters import Parameters

from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from subscriptions.core.notification import (
    Content,
    Focus,
    Kind,
    NumberedEvent,
    StatusHeader,
    notification,
    status_parameters,
)
from tests.unit.subscriptions.core.status_profile import faults

Json = dict[str, Any]

NOW = datetime(2026, 8, 1, 9, 0, 0, 123000, tzinfo=UTC)
FLAG: Json = {
    "resourceType": "Flag",
    "id": "f1",
    "meta": {"versionId": "2"},
    "status": "active",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/ann"},
}
PATIENT: Json = {"resourceType": "Patient", "id": "ann", "meta": {"versionId": "1"}}
EVENTS = (
    NumberedEvent(6, NOW, Focus("update", "Flag", "f1", FLAG), (PATIENT,)),
    NumberedEvent(7, NOW, None),
    NumberedEvent(8, NOW, Focus("delete", "Flag", "f1", None)),
)


def status(kind: Kind = "event-notification", content: Content = "full-resource") -> Json:
    header = StatusHeader("https://x.org/fhir", "s1", "https://t/alert", "error", 8, "no 2xx")
    events = EVENTS if kind in ("event-notification", "query-event") else ()
    return status_parameters(header, kind, content, events)


@pytest.mark.parametrize("content", get_args(Content))
@pytest.mark.parametrize("kind", get_args(Kind))
def test_ours_keep_to_it(kind: Kind, content: Content) -> None:
    made = status(kind, content)
    assert faults(made) == []
    assert Parameters.model_validate_json(fhir_json.write(made)).parameter
    header = StatusHeader("https://x.org/fhir", "s1", "https://t/alert", "active", 8)
    bundle = notification(header, kind, content, EVENTS, at=NOW, entry_id=UUID(int=5))
    assert [one for one in validate(bundle) if one.severity == "error"] == []
    assert Bundle.model_validate_json(fhir_json.write(bundle)).type == "history"


def _named(parameters: list[Json], name: str) -> Json:
    return next(one for one in parameters if one["name"] == name)


@pytest.mark.parametrize(
    "name", ["subscription", "status", "type", "topic", "events-since-subscription-start", "error"]
)
def test_the_profile_would_notice_a_value_of_another_type(name: str) -> None:
    made = deepcopy(status())
    one = _named(made["parameter"], name)
    one.clear()
    one |= {"name": name, "valueInteger": 1}
    assert faults(made)


@pytest.mark.parametrize("name", ["subscription", "status", "type"])
def test_the_profile_would_notice_what_is_missing(name: str) -> None:
    made = deepcopy(status())
    made["parameter"].remove(_named(made["parameter"], name))
    assert faults(made)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event-number", {"valueInteger": 6}),
        ("timestamp", {"valueDate": "2026-08-01"}),
        ("focus", {"valueString": "Flag/f1"}),
        ("additional-context", {"valueString": "Patient/ann"}),
    ],
)
def test_the_profile_would_notice_a_part_of_another_type(name: str, value: Json) -> None:
    made = deepcopy(status())
    event = _named(made["parameter"], "notification-event")
    one = _named(event["part"], name)
    one.clear()
    one |= {"name": name, **value}
    assert faults(made)


def test_the_profile_would_notice_an_event_without_number() -> None:
    made = deepcopy(status())
    event = _named(made["parameter"], "notification-event")
    event["part"].remove(_named(event["part"], "event-number"))
    assert faults(made)
