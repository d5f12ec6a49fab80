"""Subscription topics: which changes they speak of, and what a Subscription may filter by.

A topic is data: the content of an R4B SubscriptionTopic (https://hl7.org/fhir/R4B/subscriptiontopic.html);
R4 knows only its canonical URL. Two extensions say in FHIRPath what the base resource leaves to
implementations: ``topic-change-path`` on a trigger (an update fires only when the value there
changed) and ``topic-filter-path`` on ``canFilterBy`` (where a filter's value is found).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.changes import Change
from subscriptions.core.navigate import Path, parse

CHANGE_PATH: Final = BASE + "StructureDefinition/topic-change-path"
FILTER_PATH: Final = BASE + "StructureDefinition/topic-filter-path"
FilterKind = Literal["reference", "token"]
_KINDS: Final[Mapping[str, FilterKind]] = {"reference": "reference", "token": "token"}
_ACTIONS: Final = ("create", "update", "delete")


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter a Subscription may filter by. `targets` are the types a bare id may mean."""

    name: str
    kind: FilterKind
    paths: tuple[Path, ...]
    targets: tuple[str, ...]

    def values(self, resource: Any) -> frozenset[str]:
        """Return the normalized values `resource` has for this parameter."""
        found: set[str] = set()
        for path in self.paths:
            for value in path.values(resource):
                found.update(_normalized(value, self.kind))
        return frozenset(found)

    def wanted(self, value: str) -> str:
        """Return a filter's value as `values` writes it: ``Patient/1`` also for ``1``."""
        if self.kind == "token":
            return value
        parts = value.rstrip("/").split("/")
        return "/".join(parts[-2:]) if len(parts) > 1 else f"{self.targets[0]}/{value}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes a topic fire: an action on a type; updates only when a watched value changed."""

    type: str
    actions: frozenset[str]
    watched: tuple[Path, ...]

    def fires(self, change: Change) -> bool:
        """Return whether `change` is of this kind."""
        if change.type != self.type or change.action not in self.actions:
            return False
        if change.action != "update" or not self.watched:
            return True
        return any(p.values(change.resource) != p.values(change.previous) for p in self.watched)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: `triggers` of which any suffices, `filters` by parameter name."""

    url: str
    version: str
    title: str
    triggers: tuple[Trigger, ...]
    filters: Mapping[str, Filter]

    @property
    def types(self) -> frozenset[str]:
        """Return the resource types this topic watches."""
        return frozenset(t.type for t in self.triggers)

    def fires(self, change: Change) -> bool:
        """Return whether `change` is an event of this topic."""
        return any(trigger.fires(change) for trigger in self.triggers)


class BadTopic(ValueError):
    """A SubscriptionTopic that cannot be used; the message says why."""


def topic_of(content: Mapping[str, Any]) -> Topic:
    """Return the topic in a SubscriptionTopic's content. Raises `BadTopic`."""
    try:
        return Topic(
            url=str(content["url"]),
            version=str(content["version"]),
            title=str(content["title"]),
            triggers=tuple(_trigger(t) for t in content["resourceTrigger"]),
            filters={f.name: f for f in map(_filter, content.get("canFilterBy", []))},
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise BadTopic(f"{content.get('url', 'a topic without url')}: {problem}") from problem


def _trigger(content: Mapping[str, Any]) -> Trigger:
    actions = frozenset(content.get("supportedInteraction", _ACTIONS))
    if not actions <= set(_ACTIONS):
        raise ValueError(f"supportedInteraction {sorted(actions)}")
    watched = tuple(parse(text) for text in _extension_strings(content, CHANGE_PATH))
    return Trigger(_type_name(content["resource"]), actions, watched)


def _filter(content: Mapping[str, Any]) -> Filter:
    name = str(content["filterParameter"])
    nested = [e for e in content.get("extension", []) if e.get("url") == FILTER_PATH]
    if not nested:
        raise ValueError(f"filter {name} has no {FILTER_PATH}")
    parts = nested[0]["extension"]
    kinds = [e["valueCode"] for e in parts if e["url"] == "kind"]
    targets = tuple(str(e["valueCode"]) for e in parts if e["url"] == "target")
    paths = tuple(parse(e["valueString"]) for e in parts if e["url"] == "path")
    kind = _KINDS[kinds[0]]
    if not paths or (kind == "reference" and not targets):
        raise ValueError(f"filter {name} needs a path, and a target when it is a reference")
    return Filter(name, kind, paths, targets)


def _extension_strings(content: Mapping[str, Any], url: str) -> Iterable[str]:
    return (e["valueString"] for e in content.get("extension", []) if e.get("url") == url)


def _type_name(resource: str) -> str:
    return resource.rsplit("/", 1)[-1]


def _normalized(value: Any, kind: FilterKind) -> Sequence[str]:
    if kind == "reference":
        reference = value.get("reference") if isinstance(value, dict) else value
        return ["/".join(str(reference).split("/")[-2:])] if reference else []
    if isinstance(value, str):
        return [value]
    codings = value.get("coding", [value]) if isinstance(value, dict) else []
    found = []
    for coding in codings:
        code, system = coding.get("code"), coding.get("system")
        if code is not None:
            found.append(str(code))
            found.append(f"{system or ''}|{code}")
    return found
