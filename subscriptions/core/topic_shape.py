"""What a notification of a topic may carry beside its focus: ``notificationShape``.

Includes are written as in a search: ``Flag:patient``, ``Flag:patient:Patient``, with
``_include:iterate=`` before one that also applies to what was included; ``revInclude`` the same the
other way round.

Spec: https://hl7.org/fhir/R4B/subscriptiontopic-definitions.html#SubscriptionTopic.notificationShape
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.search import results
from fhirserver.search.asked import Include
from fhirserver.search.entry import ReferenceEntry
from subscriptions.core.topic_search import TopicSearch

MAX_INCLUDES: Final = 20
Directive = Literal["_include", "_revinclude"]
# Returns what else goes with a resource, as ``Type/id``.
Beside = Callable[[Json], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What goes with a focus of `type`: its own `include`, and what refers to it (`rev_include`).

    `beside`: what goes with it and with whatever was led to, whatever the topic says.
    """

    type: str
    include: tuple[Include, ...]
    rev_include: tuple[Include, ...]
    search: TopicSearch
    beside: Beside | None = None

    @property
    def is_empty(self) -> bool:
        """Whether a focus comes alone."""
        return not self.include and not self.rev_include and self.beside is None

    def references(self, resource: Json, *, included: bool = False) -> tuple[str, ...]:
        """Return what `resource` leads to, as ``Type/id``, in the order it is written, each once.

        `included`: the resource is not the focus but was led to itself; only iterating includes
        apply to it.
        """
        type_ = resource["resourceType"]
        found: dict[str, None] = {}
        for one in self.include:
            if one.source != type_ or one.param is None or (included and not one.iterate):
                continue
            for entry in self.search.entries(resource, one.param):
                if isinstance(entry, ReferenceEntry) and _is_local(entry, one.target):
                    found[entry.target] = None
        if self.beside is not None:
            found |= dict.fromkeys(self.beside(resource))
        return tuple(found)

    def referrers(self) -> tuple[tuple[str, str], ...]:
        """Return (type, parameter) of the searches whose hits go with the focus."""
        return tuple(
            (one.source, one.param)
            for one in self.rev_include
            if one.source is not None and one.param is not None
        )


def _is_local(entry: ReferenceEntry, target: str | None) -> bool:
    if entry.type is None or entry.id is None or entry.target != f"{entry.type}/{entry.id}":
        return False
    return target is None or entry.type == target


def shape_of(
    type_: str, include: Iterable[str], rev_include: Iterable[str], search: TopicSearch
) -> Shape:
    """Return the shape of notifications about a `type_`. Raises `ValueError` naming a bad include."""
    forward = tuple(_directive("_include", text, type_, search) for text in include)
    backward = tuple(_directive("_revinclude", text, type_, search) for text in rev_include)
    if len(forward) + len(backward) > MAX_INCLUDES:
        raise ValueError(f"more than {MAX_INCLUDES} includes")
    return Shape(type_, forward, backward, search)


def _directive(name: Directive, text: str, type_: str, search: TopicSearch) -> Include:
    head, mark, rest = text.partition("=")
    if mark and head not in (name, f"{name}:iterate"):
        raise ValueError(f"{text[:80]!r} is not Type:parameter")
    directive, wanted = (head, rest) if mark else (name, text)
    try:
        found = results.include(directive, wanted, [type_], search.parameters)
    except BadRequest as refusal:
        raise ValueError(refusal.message) from refusal
    if found.source is None or found.param is None:
        raise ValueError(f"{text[:80]!r} would include everything")
    if found.reverse and not _points_at(found, type_, search):
        raise ValueError(f"{found.source}.{found.param} does not refer to {type_}")
    return found


def _points_at(include: Include, type_: str, search: TopicSearch) -> bool:
    if include.target is not None:
        return include.target == type_
    parameter = search.parameter(str(include.source), str(include.param))
    return parameter is not None and type_ in parameter.target
