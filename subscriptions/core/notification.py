"""Notification Bundles of the R5 Subscriptions Backport 1.1.0 on R4.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html. A Bundle of type
``history`` whose first entry is the status as Parameters (names and types exactly as the profile
backport-subscription-status-r4 has them: both numbers are strings); every entry has a fullUrl, a
request and a response. ``empty`` names nothing, not even the topic; ``id-only`` names the focus and
what belongs to it; ``full-resource`` carries them, or says by request and response alone what
cannot be included.

An event carries the state its resource had then, not the newest one: events told in order tell what
happened, a repeated notification is the same, and the state is the one the filters were held
against. So a Bundle may hold several versions of one resource (bdl-7 allows that in a history).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fhirserver.kernel.instant import instant
from fhirserver.kernel.keys import row_of
from fhirserver.kernel.resource import Json

Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
Content = Literal["empty", "id-only", "full-resource"]
Action = Literal["create", "update", "delete"]

_ERRORS: Final = "http://terminology.hl7.org/CodeSystem/subscription-error"


@dataclass(frozen=True, slots=True)
class Focus:
    """The resource an event is about; `resource` None where it may not or cannot be included."""

    action: Action
    type: str
    id: str
    resource: Json | None


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """One event of a Subscription. `focus` None: the subscriber may no longer see what it was.

    `context` are the other resources that the topic's notification shape brings along.
    """

    number: int
    at: datetime
    focus: Focus | None
    context: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusHeader:
    """What every notification says about its Subscription.

    `base` is the FHIR base, no slash. `topic` is left out where it is "". `error` is why the
    Subscription is in status ``error``.
    """

    base: str
    subscription: str
    topic: str
    status: str
    events_since_start: int
    error: str | None = None


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
    entries = _Entries(header.base, whole=content == "full-resource")
    if content != "empty":
        for event in events:
            entries.add(event)
    return {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": instant(at),
        "entry": [
            {
                "fullUrl": f"urn:uuid:{entry_id}",
                "resource": status_parameters(header, kind, content, events),
                "request": {
                    "method": "GET",
                    "url": f"{header.base}/Subscription/{header.subscription}/$status",
                },
                "response": {"status": "200"},
            },
            *entries.made,
        ],
    }


def status_parameters(
    header: StatusHeader, kind: Kind, content: Content, events: Sequence[NumberedEvent]
) -> Json:
    """Return the SubscriptionStatus of R4: a Parameters resource."""
    reference = f"{header.base}/Subscription/{header.subscription}"
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": reference}},
    ]
    if content != "empty" and header.topic:
        parameters.append({"name": "topic", "valueCanonical": header.topic})
    parameters += [
        {"name": "status", "valueCode": header.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(header.events_since_start)},
    ]
    parameters += [_event_parameter(header.base, content, event) for event in events]
    if header.error is not None:
        concept = {"coding": [{"system": _ERRORS, "code": "no-response"}], "text": header.error}
        parameters.append({"name": "error", "valueCodeableConcept": concept})
    return {"resourceType": "Parameters", "parameter": parameters}


def _event_parameter(base: str, content: Content, event: NumberedEvent) -> Json:
    part: list[Json] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.at)},
    ]
    if content != "empty" and event.focus is not None:
        part.append(_reference("focus", _url(base, event.focus.type, event.focus.id)))
        part += [
            _reference("additional-context", _url(base, one["resourceType"], one["id"]))
            for one in _distinct(event.context)
        ]
    return {"name": "notification-event", "part": part}


def _reference(name: str, url: str) -> Json:
    return {"name": name, "valueReference": {"reference": url}}


def _distinct(resources: Iterable[Json]) -> Iterable[Json]:
    return {(one["resourceType"], one["id"]): one for one in resources}.values()


def _url(base: str, type_: str, id_: str) -> str:
    return f"{base}/{type_}/{id_}"


class _Entries:
    """Collects the entries behind the status: each version of each resource once."""

    def __init__(self, base: str, *, whole: bool) -> None:
        """`whole`: entries carry their resources."""
        self.made: list[Json] = []
        self._base = base
        self._whole = whole
        self._told: set[tuple[str, str | None]] = set()

    def add(self, event: NumberedEvent) -> None:
        """Add what `event` is about, and what belongs to it."""
        focus = event.focus
        if focus is None:
            return
        url = _url(self._base, focus.type, focus.id)
        self._once(url, focus.resource, *_happened(focus, self._base))
        for one in _distinct(event.context):
            url = _url(self._base, one["resourceType"], one["id"])
            self._once(url, one, {"method": "GET", "url": url}, "200")

    def _once(self, url: str, resource: Json | None, request: Json, status: str) -> None:
        # Where the version is not to be seen, two entries are the same when they tell the same.
        seen = resource if self._whole else None
        told = (
            f"{request['method']} {status}"
            if seen is None
            else seen.get("meta", {}).get("versionId")
        )
        if (url, told) in self._told:
            return
        self._told.add((url, told))
        entry: Json = {"fullUrl": url}
        if self._whole and resource is not None:
            entry["resource"] = resource
        entry["request"] = request
        entry["response"] = {"status": status}
        self.made.append(entry)


def _happened(focus: Focus, base: str) -> tuple[Json, str]:
    """Return the request that made the event, and the status it was answered with."""
    url = _url(base, focus.type, focus.id)
    if focus.action == "delete":
        return {"method": "DELETE", "url": url}, "204"
    if focus.action == "update":
        return {"method": "PUT", "url": url}, "200"
    # How it was created is not stored; an id that the server made can only come from a POST.
    if row_of(focus.id) is not None:
        return {"method": "POST", "url": f"{base}/{focus.type}"}, "201"
    return {"method": "PUT", "url": url}, "201"
