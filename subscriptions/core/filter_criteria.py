"""The filters of a topic Subscription (Backport extension ``backport-filter-criteria``).

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-filter-criteria.html.
One string holds ``Type?param=value&param=value``, or the same without the type, or
``Type.param=value``; commas are alternatives, several conditions and several strings must all hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from subscriptions.core.topic import Topic


@dataclass(frozen=True, slots=True)
class Condition:
    """One parameter and the values of which any suffices, normalized as the topic writes them."""

    parameter: str
    values: tuple[str, ...]


class BadFilter(ValueError):
    """A filter this topic cannot apply; the message says which and why."""


def conditions(topic: Topic, criteria: Sequence[str]) -> tuple[Condition, ...]:
    """Return what must hold. Raises `BadFilter` for anything the topic does not offer."""
    return tuple(
        _condition(topic, part)
        for text in criteria
        for part in _without_type(topic, text).split("&")
    )


def _without_type(topic: Topic, text: str) -> str:
    head, mark, rest = text.partition("?")
    if not mark:
        return text
    if head and head not in topic.types:
        raise BadFilter(f"the topic does not watch {head}")
    return rest


def _condition(topic: Topic, part: str) -> Condition:
    name, mark, raw = part.partition("=")
    if not mark or not raw:
        raise BadFilter(f"{part!r} is not parameter=value")
    prefix, dot, bare = name.partition(".")
    if dot and prefix in topic.types:
        name = bare
    if ":" in name:
        raise BadFilter(f"modifier in {name!r} is not supported by this topic")
    offered = topic.filters.get(name)
    if offered is None:
        raise BadFilter(f"the topic cannot be filtered by {name!r}")
    values = tuple(offered.wanted(unquote_plus(value)) for value in raw.split(",") if value)
    if not values:
        raise BadFilter(f"{part!r} is not parameter=value")
    return Condition(name, values)
