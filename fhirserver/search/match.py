"""Whether one resource answers a query, decided from the resource itself.

This is the second, independent answer beside the index: it knows nothing of terms, hashes or
columns. The store verifies inexact hits with it, Subscriptions test their filters with it. What
other resources are needed for, it asks of a `Resolver`.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterable
from typing import Protocol

from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.search.asked import Query
from fhirserver.search.comparison import date_comparison, holds
from fhirserver.search.composite import composite_values
from fhirserver.search.condition import Condition, DateValue, IdValue
from fhirserver.search.criterion import (
    AllOf,
    AnyOf,
    Chain,
    Composite,
    Contained,
    Criterion,
    FullText,
    Has,
    InList,
    Near,
    Not,
    walk,
)
from fhirserver.search.emitters import SearchDefinitions
from fhirserver.search.entry import Entry, PositionEntry, ReferenceEntry
from fhirserver.search.extract import entries_of
from fhirserver.search.full_text import has_words
from fhirserver.search.match_value import values_meet
from fhirserver.search.period import parse_span
from fhirserver.search.position import distance


class Resolver(Protocol):
    """Fetches the other resources that a criterion speaks of, as far as the caller may see them."""

    def target(self, reference: str) -> Json | None:
        """Return what ``Type/id`` or a URL refers to here."""
        ...

    def referrers(self, type_: str, param: str, reference: str) -> Iterable[Json]:
        """Return the resources of a type that refer to ``Type/id`` through a parameter."""
        ...

    def list_items(self, id_: str) -> Iterable[str]:
        """Return the references (``Type/id``) that a List holds; none when it is not there."""
        ...


def matches(
    resource: Json,
    query: Query,
    definitions: SearchDefinitions,
    resolve: Resolver | None = None,
) -> bool:
    """Whether `resource` (with its id and meta) meets what `query` asks of its type.

    Sorting, count, includes and cursor have no say. A resource of another type never matches.
    Raises `BadRequest` when other resources are needed and there is no `resolve`.
    """
    type_ = resource.get("resourceType")
    return any(
        one.type == type_ and meets(resource, one.where, definitions, resolve)
        for one in query.wanted
    )


def meets(
    resource: Json,
    criterion: Criterion,
    definitions: SearchDefinitions,
    resolve: Resolver | None = None,
) -> bool:
    """Whether `resource` meets one criterion about its type. As `matches`."""
    return _Subject(resource, definitions, resolve).meets(criterion)


def require_self_contained(query: Query) -> None:
    """Raise `BadRequest` when other resources would have to be looked at to decide."""
    for wanted in query.wanted:
        for one in walk(wanted.where):
            if isinstance(one, Chain | Has | InList):
                raise BadRequest(
                    "chained parameters, _has and _list are not supported here: "
                    "only what a resource says itself can decide"
                )


class _Subject:
    """One resource, with the entries of each parameter that is asked for read once."""

    def __init__(
        self, resource: Json, definitions: SearchDefinitions, resolve: Resolver | None
    ) -> None:
        self._resource = resource
        self._definitions = definitions
        self._resolver = resolve
        self._read: dict[str, list[Entry]] = {}

    def meets(self, criterion: Criterion) -> bool:
        match criterion:
            case AllOf(parts=parts):
                return all(self.meets(part) for part in parts)
            case AnyOf(parts=parts):
                return any(self.meets(part) for part in parts)
            case Not(inner=inner):
                return not self.meets(inner)
            case Condition():
                return self._condition(criterion)
            case Composite():
                return self._composite(criterion)
            case Chain() | Has() | InList():
                return self._beyond(criterion)
            case _:
                return self._alone(criterion)

    def _alone(self, criterion: FullText | Near | Contained) -> bool:
        match criterion:
            case FullText(param=param, words=words):
                return has_words(self._resource, param, words)
            case Near(param=param, kilometres=kilometres):
                return any(
                    distance(entry.latitude, entry.longitude, criterion) <= kilometres
                    for entry in self._entries(param)
                    if isinstance(entry, PositionEntry)
                )
            case Contained(type=type_, inner=inner):
                return any(
                    one.get("resourceType") == type_
                    and meets(one, inner, self._definitions, self._resolver)
                    for one in self._resource.get("contained", ())
                )

    def _beyond(self, criterion: Chain | Has | InList) -> bool:
        if self._resolver is None:
            raise BadRequest("this search needs other resources than the one at hand")
        own = f"{self._resource['resourceType']}/{self._resource.get('id')}"
        match criterion:
            case Chain():
                return self._chain(criterion, self._resolver)
            case InList(id=id_):
                return own in self._resolver.list_items(id_)
            case Has(type=type_, param=param, inner=inner):
                return any(
                    _refers(one, param, own, self._definitions)
                    and meets(one, inner, self._definitions, self._resolver)
                    for one in self._resolver.referrers(type_, param, own)
                )

    def _chain(self, chain: Chain, resolver: Resolver) -> bool:
        branches = dict(chain.branches)
        for entry in self._entries(chain.param):
            target = resolver.target(entry.target) if isinstance(entry, ReferenceEntry) else None
            inner = branches.get(target["resourceType"]) if target is not None else None
            if target is None or inner is None:
                continue
            if meets(target, inner, self._definitions, resolver):
                return True
        return False

    def _composite(self, composite: Composite) -> bool:
        if composite.exact:
            return self.meets(composite.prefilter)
        for values in composite_values(self._resource, composite.param, self._definitions):
            for parts in composite.alternatives:
                if all(values_meet(part, found) for part, found in zip(parts, values, strict=True)):
                    return True
        return False

    def _condition(self, condition: Condition) -> bool:
        match condition.answered_by:
            case "id":
                return any(
                    isinstance(value, IdValue) and value.id == self._resource.get("id")
                    for value in condition.values
                )
            case "last-updated":
                updated = self._resource.get("meta", {}).get("lastUpdated")
                if updated is None:
                    return False
                span = parse_span(updated)
                return any(
                    isinstance(value, DateValue) and holds(date_comparison(value), span)
                    for value in condition.values
                )
        entries = self._entries(condition.param)
        if condition.missing is not None:
            return condition.missing is not bool(entries)
        return values_meet(condition, entries) is not condition.negated

    def _entries(self, param: str) -> list[Entry]:
        found = self._read.get(param)
        if found is None:
            found = self._read[param] = entries_of(self._resource, self._definitions, param)
        return found


def _refers(resource: Json, param: str, own: str, definitions: SearchDefinitions) -> bool:
    return any(
        isinstance(entry, ReferenceEntry) and entry.target == own
        for entry in entries_of(resource, definitions, param)
    )
