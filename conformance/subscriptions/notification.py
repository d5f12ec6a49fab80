"""Reads notification Bundles of the R5 Subscriptions Backport on R4, and says what is wrong with their shape. Pure.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-status-r4.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Json = dict[str, Any]

STATUSES: Final = ("requested", "active", "error", "off")
KINDS: Final = ("handshake", "heartbeat", "event-notification", "query-status", "query-event")
CONTENTS: Final = ("empty", "id-only", "full-resource")
# Parameter name -> (value type, least, most) as the profile has it.
_STATUS: Final[Mapping[str, tuple[str, int, int | None]]] = {
    "subscription": ("valueReference", 1, 1),
    "topic": ("valueCanonical", 0, 1),
    "status": ("valueCode", 1, 1),
    "type": ("valueCode", 1, 1),
    "events-since-subscription-start": ("valueString", 0, 1),
    "notification-event": ("part", 0, None),
    "error": ("valueCodeableConcept", 0, None),
}
_EVENT: Final[Mapping[str, tuple[str, int, int | None]]] = {
    "event-number": ("valueString", 1, 1),
    "timestamp": ("valueInstant", 0, 1),
    "focus": ("valueReference", 0, 1),
    "additional-context": ("valueReference", 0, None),
}
_NUMBER: Final = re.compile(r"[0-9]+")
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII
)  # fmt: skip


class Unreadable(ValueError):
    """Not a notification at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number, the focus as ``Type/id`` (None where not named), other references."""

    number: int
    focus: str | None
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What a SubscriptionStatus says. `since_start` None where it is not said."""

    subscription: str
    topic: str | None
    status: str
    kind: str
    since_start: int | None
    events: tuple[Event, ...]
    errors: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The event numbers in the order they stand."""
        return tuple(event.number for event in self.events)


def local(reference: str) -> str:
    """Return ``Type/id`` of a reference, absolute or not, with or without a version."""
    path = reference.partition("/_history/")[0]
    return "/".join(path.rstrip("/").split("/")[-2:])


def read(bundle: Any) -> Status:
    """Return what the status in the first entry of `bundle` says. Raises `Unreadable`."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise Unreadable("not a Bundle")
    entries = bundle.get("entry")
    if not entries:
        raise Unreadable("a Bundle without entries")
    return read_status(entries[0].get("resource"))


def read_status(parameters: Any) -> Status:
    """Return what a SubscriptionStatus in Parameters says. Raises `Unreadable`."""
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        raise Unreadable("the status is not a Parameters resource")
    try:
        given = parameters["parameter"]
        since = _first(given, "events-since-subscription-start", "valueString")
        return Status(
            subscription=local(_first(given, "subscription", "valueReference")["reference"]),
            topic=_first(given, "topic", "valueCanonical"),
            status=str(_first(given, "status", "valueCode")),
            kind=str(_first(given, "type", "valueCode")),
            since_start=None if since is None else int(since),
            events=tuple(
                _event(one["part"]) for one in given if one["name"] == "notification-event"
            ),
            errors=sum(one["name"] == "error" for one in given),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"the status cannot be read: {error!r}") from error


def _event(parts: Sequence[Json]) -> Event:
    focus = _first(parts, "focus", "valueReference")
    return Event(
        number=int(_first(parts, "event-number", "valueString")),
        focus=None if focus is None else local(focus["reference"]),
        context=tuple(
            local(one["valueReference"]["reference"])
            for one in parts
            if one["name"] == "additional-context"
        ),
    )


def _first(parameters: Sequence[Json], name: str, value: str) -> Any:
    return next((one.get(value) for one in parameters if one.get("name") == name), None)


def status_faults(parameters: Any) -> Iterator[str]:
    """Yield where Parameters differ from the profile backport-subscription-status-r4."""
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        yield "the status is not a Parameters resource"
        return
    given = parameters.get("parameter", [])
    yield from _against(given, _STATUS, "status")
    for one in given:
        name = one.get("name")
        if name == "status" and one.get("valueCode") not in STATUSES:
            yield f"status {one.get('valueCode')!r} is no Subscription status"
        if name == "type" and one.get("valueCode") not in KINDS:
            yield f"type {one.get('valueCode')!r} is no notification type"
        if name == "events-since-subscription-start" and not _is_number(one.get("valueString")):
            yield f"events-since-subscription-start is {one.get('valueString')!r}, not a number"
        if name == "notification-event":
            yield from _event_faults(one.get("part", []))


def _event_faults(parts: Sequence[Json]) -> Iterator[str]:
    yield from _against(parts, _EVENT, "notification-event")
    for one in parts:
        if one.get("name") == "event-number" and not _is_number(one.get("valueString")):
            yield f"event-number is {one.get('valueString')!r}, not a number"
        if one.get("name") == "timestamp" and not _INSTANT.fullmatch(
            str(one.get("valueInstant", ""))
        ):
            yield f"timestamp {one.get('valueInstant')!r} is not an instant"


def _against(
    given: Sequence[Json], profile: Mapping[str, tuple[str, int, int | None]], where: str
) -> Iterator[str]:
    for name, (value, least, most) in profile.items():
        found = [one for one in given if one.get("name") == name]
        if len(found) < least or (most is not None and len(found) > most):
            yield f"{where}: {name} stands {len(found)} times"
        for one in found:
            if value not in one:
                yield f"{where}: {name} has no {value}"
    unknown = sorted({str(one.get("name")) for one in given} - profile.keys())
    if unknown:
        yield f"{where}: no such parameter: {', '.join(unknown)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def bundle_faults(bundle: Any, subscription: str, content: str) -> list[str]:
    """Return what is wrong with a notification of `subscription` (its id) at a `content` level.

    Holds for every kind of notification; [] when nothing is wrong.
    """
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        return ["not a Bundle"]
    entries = bundle.get("entry") or []
    if not entries:
        return ["a Bundle without entries"]
    faults = [] if bundle.get("type") == "history" else [f"Bundle.type is {bundle.get('type')!r}"]
    faults += _instant_fault(bundle.get("timestamp"))
    for position, entry in enumerate(entries):
        faults += _entry_faults(position, entry)
    asked = str(entries[0].get("request", {}).get("url", ""))
    if not asked.endswith(f"Subscription/{subscription}/$status"):
        faults.append(
            f"the first entry's request is {asked!r}, not the $status of the Subscription"
        )
    if entries[0].get("request", {}).get("method") != "GET":
        faults.append("the first entry's request is not a GET")
    status_resource = entries[0].get("resource")
    faults += status_faults(status_resource)
    if not faults:
        faults += _content_faults(read_status(status_resource), entries[1:], subscription, content)
    return faults


def _instant_fault(value: Any) -> list[str]:
    if value is None:
        return []
    try:
        aware = datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        aware = False
    return [] if aware else [f"Bundle.timestamp {value!r} is not an instant"]


def _entry_faults(position: int, entry: Json) -> Iterator[str]:
    where = f"entry {position}"
    if "fullUrl" not in entry:
        yield f"{where} has no fullUrl"
    request, response = entry.get("request", {}), entry.get("response", {})
    if not request.get("method") or not request.get("url"):
        yield f"{where} has no request with method and url"
    if not re.match(r"[1-5][0-9][0-9]", str(response.get("status", ""))):
        yield f"{where} has no response with a status"


def _content_faults(
    status: Status, others: Sequence[Json], subscription: str, content: str
) -> Iterator[str]:
    if status.subscription != f"Subscription/{subscription}":
        yield f"the status is about {status.subscription}"
    if status.kind == "event-notification" and not status.events:
        yield "an event-notification without an event"
    if list(status.numbers) != list(
        range(min(status.numbers, default=1), 1 + max(status.numbers, default=0))
    ):
        yield f"event numbers {list(status.numbers)} are not consecutive"
    if status.since_start is not None and max(status.numbers, default=0) > status.since_start:
        yield f"event {max(status.numbers)} of only {status.since_start}"
    if content == "empty":
        yield from _empty_faults(status, others)
    elif content == "id-only":
        if any("resource" in entry for entry in others):
            yield "id-only, but an entry has a resource"
        yield from _focus_missing(status)
    else:
        yield from _focus_missing(status)
        yield from _not_carried(status, others)


def _empty_faults(status: Status, others: Sequence[Json]) -> Iterator[str]:
    if others:
        yield f"empty, but {len(others)} entries beside the status"
    if any(event.focus is not None or event.context for event in status.events):
        yield "empty, but an event names a focus or a context"
    if status.topic is not None:
        yield "empty, but the topic is named"


def _focus_missing(status: Status) -> Iterator[str]:
    for event in status.events:
        if event.focus is None:
            yield f"event {event.number} has no focus"


def _not_carried(status: Status, others: Sequence[Json]) -> Iterator[str]:
    carried = {local(str(entry.get("fullUrl", ""))) for entry in others}
    for event in status.events:
        for named in (event.focus, *event.context):
            if named is not None and named not in carried:
                yield f"event {event.number} names {named}, which is in no entry"
    for entry in others:
        resource = entry.get("resource")
        url = local(str(entry.get("fullUrl", "")))
        if resource is None:
            if entry.get("request", {}).get("method") != "DELETE":
                yield f"{url} is carried without a resource"
        elif url != f"{resource.get('resourceType')}/{resource.get('id')}":
            yield f"{url} carries {resource.get('resourceType')}/{resource.get('id')}"


def included(bundle: Json) -> list[Json]:
    """Return the resources a notification carries beside its status."""
    return [entry["resource"] for entry in bundle.get("entry", [])[1:] if "resource" in entry]
