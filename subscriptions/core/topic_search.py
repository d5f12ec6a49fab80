"""The search language as topics use it: in memory, on one resource, with what a topic adds to it.

A topic may filter by values for which R4 has no search parameter (the priority of a Flag). Such a
filter is a search parameter that only this topic knows; so there is one language for all filters
and criteria, and one implementation of it, `fhirserver.search`.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from fhirserver.definitions import Definitions, SearchParameter, Structure, ValueSet
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.resource import Json
from fhirserver.search.criterion import Criterion
from fhirserver.search.entry import Entry
from fhirserver.search.extract import entries_of
from fhirserver.search.leaf import WORDS
from fhirserver.search.match import meets, require_self_contained
from fhirserver.search.query import RESULT_PARAMETERS, parse
from fhirserver.terminology import terminology_of

Derived = TypeVar("Derived")

_NOT_CRITERIA = frozenset({*RESULT_PARAMETERS, "_type"})


class BadCriteria(ValueError):
    """Criteria that cannot be decided from one resource, or cannot be read; the message says why."""


class TopicParameters:
    """Definitions as one topic sees them: with its own parameters, and those still being indexed.

    Nothing here is looked up in an index, so a custom parameter counts as soon as it is loaded.
    Implements `fhirserver.search.emitters.SearchDefinitions`.
    """

    def __init__(
        self, definitions: Definitions, own: Mapping[str, Mapping[str, SearchParameter]]
    ) -> None:
        """`own` holds the topic's parameters by resource type and code."""
        self._definitions = definitions
        self._own = own
        self._derived: dict[Callable[[Any], Any], Any] = {}
        self.resource_types = definitions.resource_types
        self.structure: Callable[[str], Structure] = definitions.structure
        self.value_set: Callable[[str], ValueSet | None] = definitions.value_set
        self.compartment = definitions.compartment

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return the parameters of a type, by code. KeyError for an unknown type."""
        known = self._definitions.indexed_parameters(resource_type)
        own = self._own.get(resource_type)
        return known if own is None else MappingProxyType({**known, **own})

    def indexed_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return the same: what can be asked for is what is read off a resource."""
        return self.search_parameters(resource_type)

    def derived(self, make: Callable[[Any], Derived]) -> Derived:
        """Return what `make` makes of these definitions: made once, kept as long as they are."""
        found: Derived | None = self._derived.get(make)
        if found is None:
            found = self._derived[make] = make(self)
        return found


class TopicSearch:
    """Reads criteria and decides them on single resources."""

    def __init__(
        self,
        definitions: Definitions,
        base: str,
        own: Mapping[str, Mapping[str, SearchParameter]] | None = None,
    ) -> None:
        """`base` is the server's FHIR base URL, under which a reference also means a relative one."""
        self.parameters = TopicParameters(definitions, own or {})
        self.base = base.rstrip("/")
        self.terminology = terminology_of(definitions)

    def parameter(self, type_: str, name: str) -> SearchParameter | None:
        """Return the parameter of a resource type that criteria may name."""
        found = self.parameters.search_parameters(type_).get(name)
        return found if found is not None and is_askable(found) else None

    def criterion(self, type_: str, pairs: Sequence[tuple[str, str]]) -> Criterion:
        """Return what the decoded name/value `pairs` ask of a resource. Raises `BadCriteria`."""
        for name, _ in pairs:
            if name.partition(":")[0] in _NOT_CRITERIA:
                raise BadCriteria(f"{name} says nothing about a resource")
        try:
            query = parse(
                type_, pairs, self.parameters, base=self.base, terminology=self.terminology
            )
            require_self_contained(query)
        except FhirError as refusal:
            raise BadCriteria(refusal.message) from refusal
        return query.where

    def entries(self, resource: Json, name: str) -> list[Entry]:
        """Return what one parameter finds in `resource`."""
        return entries_of(resource, self.parameters, name)

    def meets(self, resource: Json, criterion: Criterion) -> bool:
        """Return whether `resource`, which is of the criterion's type, meets it."""
        return meets(resource, criterion, self.parameters)


def is_askable(parameter: SearchParameter) -> bool:
    """Return whether the search language takes the parameter."""
    return parameter.expression is not None or parameter.code in WORDS
