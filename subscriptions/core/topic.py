"""Subscription topics: which changes they speak of, and what a Subscription may filter by.

A topic is data: the content of a SubscriptionTopic (https://hl7.org/fhir/R4B/subscriptiontopic.html);
R4 knows only its canonical URL. `topic_reader` makes one from content, compiled against the
definitions of a tenant; what is here is asked inside write transactions and reads nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fhirserver.kernel.canonical import TOPIC_READING
from fhirserver.kernel.changes import Change
from fhirserver.kernel.resource import Json
from fhirserver.search.criterion import Criterion
from subscriptions.core.criteria_text import piece_of
from subscriptions.core.topic_content import TopicContent
from subscriptions.core.topic_filter import (
    FACT_TARGETS,
    FACTS,
    NO_FACTS,
    Facts,
    Filter,
    fact_filter,
    filter_of,
)
from subscriptions.core.topic_search import BadCriteria, TopicSearch, is_askable
from subscriptions.core.topic_shape import Beside, Shape
from subscriptions.core.topic_trigger import ANY_TYPE, Trigger

__all__ = ["NO_FACTS", "BadTopic", "Facts", "Filter", "Shape", "Test", "Topic", "Trigger"]

_INTERNAL: Final = frozenset({TOPIC_READING})
# Conditions that are not equality, compiled; as many as Subscriptions of one topic may well have.
_KEPT_TESTS: Final = 4096


class BadTopic(ValueError):
    """A SubscriptionTopic that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Test:
    """One condition of a Subscription, compiled.

    `criterion` is None for one that could be read when the Subscription was made and cannot now:
    its value set or search parameter is gone. It counts as met: a receiver can dismiss an event too
    many, and can never ask for one it was not told of.
    """

    type: str
    criterion: Criterion | None
    search: TopicSearch

    def holds(self, resource: Json) -> bool:
        """Return whether `resource` meets the condition; one of another type does not."""
        if resource.get("resourceType") != self.type:
            return False
        return self.criterion is None or self.search.meets(resource, self.criterion)


class Topic:
    """One topic: `triggers` of which any suffices, filters and notification shapes by type."""

    def __init__(
        self,
        content: TopicContent,
        *,
        triggers: Sequence[Trigger],
        filters: Mapping[str, Mapping[str, Filter]],
        open_filters: bool,
        shapes: Mapping[str, Shape],
        search: TopicSearch,
    ) -> None:
        """`filters` by type and name; with `open_filters` every search parameter is one as well."""
        self.url: Final = content.url
        self.version: Final = content.version
        self.title: Final = content.title
        self.description: Final = content.description or ""
        self.triggers: Final = tuple(triggers)
        self.search: Final = search
        self._filters = filters
        self._open = open_filters
        self._shapes = shapes
        self._made: dict[str, Mapping[str, Filter]] = {}
        self.beside: Beside | None = None
        self.test = lru_cache(maxsize=_KEPT_TESTS)(self._compile_test)

    @property
    def is_internal(self) -> bool:
        """Whether only the server itself subscribes to it."""
        return self.url in _INTERNAL

    @property
    def types(self) -> frozenset[str] | None:
        """The resource types this topic watches, None for all there are."""
        found = frozenset(one.type for one in self.triggers)
        return None if ANY_TYPE in found else found

    def watches(self, type_: str) -> bool:
        """Return whether changes of this resource type can be events of this topic."""
        return any(one.watches(type_) for one in self.triggers)

    def fires(self, change: Change) -> bool:
        """Return whether `change` is an event of this topic."""
        return any(one.fires(change, self.search) for one in self.triggers)

    def filters(self, type_: str) -> Mapping[str, Filter]:
        """Return what a Subscription may filter events about this type by."""
        found = self._made.get(type_)
        if found is None:
            found = self._made[type_] = MappingProxyType(
                {**self._open_filters(type_), **self._filters.get(type_, {})}
            )
        return found

    def values(
        self, resource: Json, names: Iterable[str], facts: Facts = NO_FACTS
    ) -> Mapping[str, frozenset[str]]:
        """Return the normalized values that `resource` has of those of its filters among `names`."""
        known = self.filters(resource["resourceType"])
        return {
            name: known[name].values(resource, self.search, facts)
            for name in names
            if name in known
        }

    def shape(self, type_: str) -> Shape:
        """Return what goes with a focus of this type beside itself."""
        found = self._shapes.get(type_)
        shape = found if found is not None else Shape(type_, (), (), self.search)
        return shape if self.beside is None else replace(shape, beside=self.beside)

    def with_beside(self, beside: Beside) -> "Topic":
        """Return this topic with shapes that bring along what `beside` names as well."""
        other = copy(self)
        other.beside = beside
        return other

    def _compile_test(self, text: str) -> Test:
        piece = piece_of(text)
        type_ = str(piece.type)
        criterion: Criterion | None
        try:
            criterion = self.search.criterion(type_, [(piece.written_name, piece.value)])
        except BadCriteria:
            criterion = None
        return Test(type_, criterion, self.search)

    def _open_filters(self, type_: str) -> dict[str, Filter]:
        if not self._open or type_ not in self.search.parameters.resource_types:
            return {}
        parameters = self.search.parameters
        found = {
            code: filter_of(type_, one, parameters)
            for code, one in parameters.search_parameters(type_).items()
            if is_askable(one)
        }
        facts = {
            name: fact_filter(name, type_, fact)
            for name, fact in FACTS.items()
            if FACT_TARGETS[fact] != type_
        }
        return {**facts, **found}
