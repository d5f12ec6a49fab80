"""Tasks and Communications as FHIR, read back as they were written."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from fhirserver.kernel.canonical import REQUESTED_PERIOD
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from subscriptions.core.incident_task import (
    Incident,
    PageInput,
    answer_communication,
    communication,
    incident_of,
    is_ours,
    is_simulated,
    not_done,
    operator_task,
    page_of,
    page_task,
    parent_task,
    received,
    sent,
    urgency_of,
    with_page,
)

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
INCIDENT = Incident(UUID(int=9), "ann", "f1", "team", "PH", simulated=True)
BARE = Incident(UUID(int=9), "ann", None, None, "PM", simulated=False)
PAGE = PageInput(1, "alert", (("sms", "c1"), ("voice", "c2")))


def page(incident: Incident = INCIDENT) -> Json:
    return page_task(incident, "p", "RelatedPerson/bob", PAGE, NOW + timedelta(seconds=30), NOW)


ALL = [
    parent_task(INCIDENT, NOW),
    parent_task(BARE, NOW),
    page(),
    page(BARE),
    operator_task(INCIDENT, "exhausted", NOW),
    operator_task(None, "contact-stopped", NOW),
    communication(INCIDENT, "t", "RelatedPerson/bob", "sms"),
    communication(BARE, "t", "Practitioner/nina", "voice"),
    sent(communication(BARE, "t", "Practitioner/nina", "voice"), NOW),
    received(communication(BARE, "t", "Practitioner/nina", "voice"), NOW),
    not_done(communication(BARE, "t", "Practitioner/nina", "sms"), "stopped"),
    answer_communication(page(), "t", "RelatedPerson/bob", "c1", NOW),
    answer_communication(page(BARE), "t", "RelatedPerson/bob", None, NOW),
]


@pytest.mark.parametrize("resource", ALL)
def test_everything_is_valid(resource: Json) -> None:
    assert [p for p in validate(resource) if p.severity == "error"] == []


def test_a_page_is_read_back() -> None:
    task = page()
    assert page_of(task) == PAGE
    assert incident_of(task) == INCIDENT.id
    assert urgency_of(task) == "PH"
    assert is_simulated(task)
    assert is_ours(task, "page")
    assert page_of(parent_task(INCIDENT, NOW)) is None
    assert incident_of({}) is None
    assert not is_simulated(page(BARE))


def test_the_deadline_is_when_the_next_rung_is_told() -> None:
    (deadline,) = page()["extension"]
    assert deadline["url"] == REQUESTED_PERIOD
    assert deadline["valuePeriod"] == {
        "start": "2026-08-01T09:00:00.000Z",
        "end": "2026-08-01T09:00:30.000Z",
    }


def test_another_page_replaces_what_was_asked() -> None:
    again = with_page(page(), PageInput(2, "repeat", (("voice", "c3"),)), None, NOW)
    assert page_of(again) == PageInput(2, "repeat", (("voice", "c3"),))
    assert "extension" not in again
