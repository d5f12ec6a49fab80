"""A notification Bundle taken apart: its events with what they are about, and what was brought along.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html. Events whose resource the subscriber may not
see, or that tell of a deletion, have nothing that HL7 v2 could carry: they are left out, their numbers pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.resource import Json
from subscriptions.core.hl7v2.control_id import ControlId
from subscriptions.core.notification import Action

_ACTIONS: Final[Mapping[str, Action]] = {"201": "create", "200": "update", "204": "delete"}


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event: its number, when it was (an instant), what was done, and the resource as it was then."""

    number: int
    at: str
    action: Action
    resource: Json


def control_id_of(
    subscription: str, first: ToldEvent, last: ToldEvent, again: datetime | None = None
) -> str:
    """Return MSH-10 of the message that tells of the events `first` to `last` of `subscription`.

    `again`: when they are told once more.
    """
    at = datetime.fromisoformat(first.at)
    return str(ControlId(subscription, first.number, last.number, at, again))


@dataclass(frozen=True, slots=True)
class Told:
    """The events of a Bundle in their order; `topic` is the canonical it names."""

    topic: str
    events: tuple[ToldEvent, ...]
    _around: Mapping[str, Json]

    def find(self, reference: Any) -> Json | None:
        """Return the resource that a Reference leads to, where the Bundle has it."""
        name = reference.get("reference") if isinstance(reference, Mapping) else None
        return None if name is None else self._around.get(name)


def told(bundle: Json) -> Told:
    """Return what `bundle` (one that this server made) tells."""
    status, *entries = bundle["entry"]
    parameters: list[Json] = status["resource"]["parameter"]
    topic = next((str(p["valueCanonical"]) for p in parameters if p["name"] == "topic"), "")
    changed: dict[str, list[Json]] = {}
    around: dict[str, Json] = {}
    for entry in entries:
        resource = entry.get("resource")
        if entry["request"]["method"] != "GET":
            changed.setdefault(entry["fullUrl"], []).append(entry)
        if resource is not None:
            around[f"{resource['resourceType']}/{resource['id']}"] = resource
    return Told(topic, tuple(_events(parameters, changed)), around)


def _events(parameters: list[Json], changed: Mapping[str, list[Json]]) -> Iterator[ToldEvent]:
    seen: dict[str, int] = {}
    for parameter in parameters:
        if parameter["name"] != "notification-event":
            continue
        parts = {part["name"]: part for part in reversed(parameter["part"])}
        url = parts.get("focus", {}).get("valueReference", {}).get("reference")
        entries = changed.get(url, [])
        if not entries:
            continue
        # Versions of one resource stand in the order of their events; one that is told twice stands once.
        place = min(seen.get(url, 0), len(entries) - 1)
        seen[url] = place + 1
        entry = entries[place]
        if "resource" not in entry:
            continue
        yield ToldEvent(
            int(parts["event-number"]["valueString"]),
            str(parts["timestamp"]["valueInstant"]),
            _ACTIONS.get(entry["response"]["status"], "update"),
            entry["resource"],
        )
