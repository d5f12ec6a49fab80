"""A notification taken apart: each event with the resource as it was then."""

from decimal import Decimal
from uuid import UUID

from fhirserver.kernel.resource import Json
from subscriptions.core.hl7v2.told import told
from subscriptions.core.notification import Focus, NumberedEvent, StatusHeader, notification
from tests.unit.subscriptions.core.hl7v2.notifications import (
    ANN,
    BASE,
    CONTEXT,
    NOW,
    bundle,
    measured,
)


def version(number: int) -> Json:
    return measured("158776", Decimal(number), "o1", meta={"versionId": str(number)})


def test_versions_of_one_resource_belong_to_their_events() -> None:
    found = told(bundle([version(1), version(2), version(3)]))
    assert [(one.number, one.resource["meta"]["versionId"]) for one in found.events] == [
        (7, "1"),
        (8, "2"),
        (9, "3"),
    ]


def test_a_version_told_twice_stands_for_both_events() -> None:
    found = told(bundle([version(1), version(1)]))
    assert [one.resource["meta"]["versionId"] for one in found.events] == ["1", "1"]


def test_what_may_not_be_seen_and_what_was_deleted_is_left_out() -> None:
    events = [
        NumberedEvent(1, NOW, None),
        NumberedEvent(2, NOW, Focus("delete", "Patient", "ann", None)),
        NumberedEvent(3, NOW, Focus("update", "Patient", "ann", ANN), tuple(CONTEXT)),
    ]
    header = StatusHeader(BASE, "s1", "t", "active", 3)
    made = notification(
        header, "event-notification", "full-resource", events, at=NOW, entry_id=UUID(int=1)
    )
    (event,) = told(made).events
    assert (event.number, event.action, event.resource) == (3, "update", ANN)


def test_what_was_brought_along_is_found_by_its_reference() -> None:
    found = told(bundle([version(1)]))
    assert found.find({"reference": "Patient/ann"}) == ANN
    assert found.find({"reference": "Patient/bob"}) is None
    assert found.find(None) is None
    assert found.find({"display": "x"}) is None
