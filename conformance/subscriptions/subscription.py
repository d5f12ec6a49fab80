"""Subscription resources as a client of the R5 Subscriptions Backport writes them. Pure.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
"""

from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/"
PROFILE: Final = BACKPORT + "StructureDefinition/backport-subscription"
FILTER: Final = BACKPORT + "StructureDefinition/backport-filter-criteria"
CHANNEL_TYPE: Final = BACKPORT + "StructureDefinition/backport-channel-type"
HEARTBEAT: Final = BACKPORT + "StructureDefinition/backport-heartbeat-period"
TIMEOUT: Final = BACKPORT + "StructureDefinition/backport-timeout"
MAX_COUNT: Final = BACKPORT + "StructureDefinition/backport-max-count"
CONTENT: Final = BACKPORT + "StructureDefinition/backport-payload-content"
CROSS_VERSION: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.topic"
FHIR_JSON: Final = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Subscription asks for. Times in seconds; None leaves an element out."""

    topic: str
    endpoint: str | None
    filters: tuple[str, ...] = ()
    channel: str = "rest-hook"
    content: str | None = "id-only"
    payload: str | None = FHIR_JSON
    headers: tuple[str, ...] = ()
    heartbeat: int | None = None
    timeout: int | None = None
    max_count: int | None = None

    def resource(self, *, id_: str | None = None, status: str = "requested") -> Json:
        """Return the Subscription."""
        channel: Json = {"type": self.channel}
        if self.endpoint is not None:
            channel["endpoint"] = self.endpoint
        if self.payload is not None:
            channel["payload"] = self.payload
        if self.content is not None:
            channel["_payload"] = {"extension": [{"url": CONTENT, "valueCode": self.content}]}
        if self.headers:
            channel["header"] = list(self.headers)
        limits = self._limits()
        if limits:
            channel["extension"] = limits
        resource: Json = {
            "resourceType": "Subscription",
            "meta": {"profile": [PROFILE]},
            "status": status,
            "reason": "conformance",
            "criteria": self.topic,
            "channel": channel,
        }
        if id_ is not None:
            resource["id"] = id_
        if self.filters:
            resource["_criteria"] = {
                "extension": [{"url": FILTER, "valueString": text} for text in self.filters]
            }
        return resource

    def _limits(self) -> list[Json]:
        wanted: tuple[tuple[str, str, int | None], ...] = (
            (HEARTBEAT, "valueUnsignedInt", self.heartbeat),
            (TIMEOUT, "valueUnsignedInt", self.timeout),
            (MAX_COUNT, "valuePositiveInt", self.max_count),
        )
        return [{"url": url, name: value} for url, name, value in wanted if value is not None]
