"""A Subscription in R4 with the Backport extensions, read into plain values.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
"""

from dataclasses import dataclass
from typing import Any, Final, cast

from fhirserver.kernel.canonical import BACKPORT, BASE
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from subscriptions.core.notification import Content

# Who last wrote a client's Subscription, and whose rights therefore decide what it is sent. Set by
# the server on every client write; what a client sends here is dropped.
OWNER: Final = BASE + "StructureDefinition/subscription-owner"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a Subscription asks for. Times in seconds; None where it does not say."""

    topic: str
    filters: tuple[str, ...]
    channel: str
    custom_channel: str | None
    endpoint: str | None
    payload: str | None
    content: Content | None
    headers: tuple[str, ...]
    heartbeat: int | None
    timeout: int | None
    max_count: int | None


def wishes(resource: Json) -> Wishes:
    """Return what `resource` (a structurally valid Subscription) asks for."""
    channel: Json = resource.get("channel", {})
    content = _extension(channel.get("_payload"), "backport-payload-content", "valueCode")
    custom = _extension(channel.get("_type"), "backport-channel-type", "valueCoding")
    return Wishes(
        topic=str(resource.get("criteria", "")),
        filters=tuple(
            str(e.get("valueString", ""))
            for e in _extensions(resource.get("_criteria"), "backport-filter-criteria")
        ),
        channel=str(channel.get("type", "")),
        custom_channel=None if custom is None else str(custom.get("code", "")),
        endpoint=channel.get("endpoint"),
        payload=channel.get("payload"),
        content=cast("Content | None", content),
        headers=tuple(channel.get("header", ())),
        heartbeat=_number(channel, "backport-heartbeat-period", "valueUnsignedInt"),
        timeout=_number(channel, "backport-timeout", "valueUnsignedInt"),
        max_count=_number(channel, "backport-max-count", "valuePositiveInt"),
    )


def with_owner(resource: Json, principal: Principal) -> Json:
    """Return `resource` saying that `principal` owns it, whatever it said before."""
    kept = [e for e in resource.get("extension", []) if e.get("url") != OWNER]
    text = f"{principal.kind} {principal.reference}".strip()
    return {**resource, "extension": [*kept, {"url": OWNER, "valueString": text}]}


def owner_of(resource: Json, tenant: int) -> Principal | None:
    """Return who owns a Subscription; None for one the server made itself."""
    text = next((e.get("valueString") for e in _owner_extensions(resource)), None)
    if text is None:
        return None
    kind, _, reference = text.partition(" ")
    return Principal(tenant, cast("PrincipalKind", kind), reference)


def _owner_extensions(resource: Json) -> list[Json]:
    return [e for e in resource.get("extension", []) if e.get("url") == OWNER]


def _extensions(element: Any, name: str) -> list[Json]:
    if not isinstance(element, dict):
        return []
    return [e for e in element.get("extension", []) if e.get("url") == BACKPORT + name]


def _extension(element: Any, name: str, value: str) -> Any:
    return next((e.get(value) for e in _extensions(element, name)), None)


def _number(element: Any, name: str, value: str) -> int | None:
    found = _extension(element, name, value)
    return found if isinstance(found, int) else None
