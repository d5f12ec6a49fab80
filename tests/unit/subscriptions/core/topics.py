"""Topics and changes for the tests of topics."""

from typing import Any

from fhirserver.definitions import load
from fhirserver.kernel.changes import Change
from fhirserver.kernel.resource import Json
from subscriptions.core.topic import Topic
from subscriptions.core.topic_reader import topic_of
from subscriptions.response.shipped_topics import shipped

BASE = "https://fhir.example/fhir"
SHIPPED = shipped()

MINIMAL: Json = {
    "resourceType": "SubscriptionTopic",
    "url": "https://x.example/t",
    "version": "1",
    "title": "T",
    "status": "active",
    "resourceTrigger": [{"resource": "Encounter"}],
}


def made(**more: Any) -> Topic:
    """A topic like `MINIMAL` with `more`; what is None is left out."""
    content = {name: one for name, one in {**MINIMAL, **more}.items() if one is not None}
    return topic_of(content, load(), BASE)


def ours(url: str) -> Topic:
    found = SHIPPED.find(url)
    assert found is not None
    return found


def change(now: Json | None, before: Json | None = None) -> Change:
    action: Any = "delete" if now is None else "create" if before is None else "update"
    type_ = (now or before or {})["resourceType"]
    return Change(1, action, type_, "x", 1, 0, "ann", now, before)
