"""Notification Bundles of the R5 Subscriptions Backport 1.1.0 on R4.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html. A Bundle of type
``history`` whose first entry is the status as Parameters (names and types exactly as the profile
backport-subscription-status-r4 has them: both numbers are strings); every entry has a request and
a response. ``empty`` names nothing; ``id-only`` names the focus; ``full-resource`` carries it, or says
by entry.request and entry.response alone that it cannot be included (deleted, or not for this
subscriber's eyes any more).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from fhirserver.kernel.resource import Json

Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
Content = Literal["empty", "id-only", "full-resource"]
Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Focus:
    """The resource an event is about; `resource` None where it may not or cannot be included."""

    action: Action
    type: str
    id: str
    resource: Json | None


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """One event of a Subscription. `focus` None: the subscriber may no longer see what it was."""

    number: int
    at: datetime
    focus: Focus | None


@dataclass(frozen=True, slots=True)
class StatusHeader:
    """What every notification says about its Subscription. `base` is the FHIR base, no slash."""

    base: str
    subscription: str
    topic: str
    status: str
    events_since_start: int


def notification(
    header: StatusHeader,
    kind: Kind,
    content: Content,
    events: Sequence[NumberedEvent],
    *,
    at: datetime,
    entry_id: UUID,
) -> Json:
    """Return the Bundle. `entry_id` identifies the status entry; events come in ascending order."""
    url = f"{header.base}/Subscription/{header.subscription}"
    status_entry: Json = {
        "fullUrl": f"urn:uuid:{entry_id}",
        "resource": status_parameters(header, kind, content, events),
        "request": {"method": "GET", "url": f"{url}/$status"},
        "response": {"status": "200"},
    }
    others = [] if content == "empty" else list(_focus_entries(header.base, content, events))
    return {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": instant(at),
        "entry": [status_entry, *others],
    }


def status_parameters(
    header: StatusHeader, kind: Kind, content: Content, events: Sequence[NumberedEvent]
) -> Json:
    """Return the SubscriptionStatus of R4: a Parameters resource."""
    reference = f"{header.base}/Subscription/{header.subscription}"
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": reference}},
    ]
    if content != "empty":
        parameters.append({"name": "topic", "valueCanonical": header.topic})
    parameters += [
        {"name": "status", "valueCode": header.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(header.events_since_start)},
    ]
    parameters += [_event_parameter(header.base, content, event) for event in events]
    return {"resourceType": "Parameters", "parameter": parameters}


def instant(moment: datetime) -> str:
    """Return `moment` as a FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event_parameter(base: str, content: Content, event: NumberedEvent) -> Json:
    part: list[Json] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.at)},
    ]
    if content != "empty" and event.focus is not None:
        reference = f"{base}/{event.focus.type}/{event.focus.id}"
        part.append({"name": "focus", "valueReference": {"reference": reference}})
    return {"name": "notification-event", "part": part}


def _focus_entries(base: str, content: Content, events: Sequence[NumberedEvent]) -> Iterator[Json]:
    # Several events may be about one resource; its last state is carried once.
    last = {(e.focus.type, e.focus.id): e.focus for e in events if e.focus is not None}
    for focus in last.values():
        url = f"{base}/{focus.type}/{focus.id}"
        entry: Json = {"fullUrl": url}
        if content == "full-resource" and focus.resource is not None:
            entry["resource"] = focus.resource
        if focus.action == "delete":
            entry["request"] = {"method": "DELETE", "url": url}
            entry["response"] = {"status": "204"}
        else:
            entry["request"] = {"method": "PUT", "url": url}
            entry["response"] = {"status": "201" if focus.action == "create" else "200"}
        yield entry
