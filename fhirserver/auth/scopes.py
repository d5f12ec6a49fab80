"""SMART scopes: read from what a client asks for, narrowed, and held against one interaction.

`patient/`, `user/` and `system/` scopes of both versions; what else a client may ask for (launch, identity, offline
access) is carried along by name. A scope only ever narrows what the relationship and the role allow. Its filter
(``?category=vital-signs``) is a search of this server on a single resource, so the same words mean the same in a
read, in a search and in what an include brings along.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, cast
from urllib.parse import parse_qsl

from fhirserver.definitions import load
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.kernel.scope import ANY_TYPE, LETTERS, Letter, Scope, ScopeContext
from fhirserver.search.criterion import Criterion
from fhirserver.search.match import matches, require_self_contained
from fhirserver.search.query import RESULT_PARAMETERS, Query, parse

__all__ = [
    "OTHERS",
    "Letter",
    "Scope",
    "Scopes",
    "UnknownScope",
    "criterion_of",
    "meets_filter",
    "narrow",
    "read_scopes",
]

# What may be asked for beside resources.
OTHERS: Final = (
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
)
_ON_RESOURCES: Final = re.compile(
    r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(\*|read|write|[cruds]{1,5})(?:\?(.{1,1000}))?"
)
_FIRST_VERSION: Final = {"read": "rs", "write": "cud", "*": LETTERS}
# Resources whose content is not narrowed by what says how results are returned.
_NO_FILTER: Final = frozenset({*RESULT_PARAMETERS, "_type", "_filter"})
_MOST: Final = 500


class UnknownScope(ValueError):
    """A scope that this server does not know, or a filter that it could not keep to."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a token may be used for: `resources`, and by name what else (`OTHERS`)."""

    resources: tuple[Scope, ...] = ()
    others: tuple[str, ...] = ()

    def texts(self) -> tuple[str, ...]:
        """Return every scope as clients write it."""
        return (*self.others, *(one.text for one in self.resources))

    def text(self) -> str:
        """Return them as one value of ``scope``."""
        return " ".join(self.texts())

    def has(self, name: str) -> bool:
        """Return whether `name` (``openid``, ``launch/patient``) is among what is not about resources."""
        return name in self.others

    def contexts(self) -> frozenset[ScopeContext]:
        """Return whose resources the scopes are about."""
        return frozenset(one.context for one in self.resources)

    def allows(
        self,
        letter: Letter,
        resource_type: str,
        patients: frozenset[str],
        launch_patient: str | None,
    ) -> bool:
        """Return whether some scope covers `letter` on a resource of the type that names `patients`.

        Filters have no say here: a scope with one may still refuse the resource at hand.
        """
        return bool(filters_for(self.resources, letter, resource_type, patients, launch_patient))


def read_scopes(text: str | Iterable[str], *, strict: bool = False) -> Scopes:
    """Return the scopes that `text` (separated by spaces, or one by one) asks for, each once, in their order.

    Unknown ones are left out; with `strict` the first of them raises `UnknownScope`.
    """
    words = text.split() if isinstance(text, str) else list(text)
    resources: dict[Scope, None] = {}
    others: dict[str, None] = {}
    for word in words[:_MOST]:
        if word in OTHERS:
            others[word] = None
            continue
        scope = _resource_scope(word)
        if scope is not None:
            resources[scope] = None
        elif strict:
            message = f"unknown scope: {word[:200]}"
            raise UnknownScope(message)
    return Scopes(tuple(resources), tuple(others))


def narrow(granted: Scopes, asked: Scopes) -> Scopes:
    """Return what `asked` and `granted` both allow: never more than either, in the order of `asked`."""
    kept = [
        both
        for wanted in asked.resources
        for given in granted.resources
        if (both := _both(given, wanted)) is not None
    ]
    # What another scope contains says nothing new.
    kept = [one for one in dict.fromkeys(kept) if not any(_contains(other, one) for other in kept)]
    return Scopes(tuple(kept), tuple(one for one in asked.others if one in granted.others))


def filters_for(
    scopes: Iterable[Scope],
    letter: Letter,
    resource_type: str,
    patients: frozenset[str],
    launch_patient: str | None,
) -> frozenset[str]:
    """Return the filters of the scopes that cover `letter` on such resources: one of them must be met.

    Empty: no scope covers it. A scope without filter covers them all: then nothing but "" is returned.
    ``patient/`` scopes cover what belongs to the launch patient alone, and what names nobody.
    """
    found = {
        scope.filter
        for scope in scopes
        if letter in scope.letters
        and scope.type in (ANY_TYPE, resource_type)
        and (
            scope.context != "patient"
            or (launch_patient is not None and patients <= {launch_patient})
        )
    }
    return frozenset({""}) if "" in found else frozenset(found)


@lru_cache(maxsize=1024)
def criterion_of(resource_type: str, filter_: str) -> Criterion:
    """Return what a resource of the type must meet. Raises `BadRequest` for a filter that cannot be kept to."""
    return _query_of(resource_type, filter_).where


def meets_filter(resource: Json, filter_: str) -> bool:
    """Return whether `resource` meets the filter of a scope, decided from the resource alone."""
    return not filter_ or matches(resource, _query_of(resource["resourceType"], filter_), load())


@lru_cache(maxsize=1024)
def _query_of(resource_type: str, filter_: str) -> Query:
    pairs = parse_qsl(filter_, keep_blank_values=True, strict_parsing=True, errors="strict")
    for name, _ in pairs:
        if name.partition(":")[0] in _NO_FILTER:
            message = f"the parameter {name!r} cannot narrow a scope"
            raise BadRequest(message)
    query = parse(resource_type, pairs, load())
    require_self_contained(query)
    return query


def _resource_scope(word: str) -> Scope | None:
    found = _ON_RESOURCES.fullmatch(word)
    if found is None:
        return None
    context, type_, letters, filter_ = found.groups()
    v1 = letters in _FIRST_VERSION
    letters = _FIRST_VERSION.get(letters, letters)
    if letters != "".join(one for one in LETTERS if one in letters):
        return None
    if type_ != ANY_TYPE and type_ not in load().resource_types:
        return None
    if filter_ is not None and (v1 or not _can_keep(type_, filter_)):
        return None
    return Scope(cast("ScopeContext", context), type_, letters, filter_ or "", v1)


def _can_keep(resource_type: str, filter_: str) -> bool:
    try:
        return resource_type != ANY_TYPE and bool(_query_of(resource_type, filter_))
    except (BadRequest, ValueError):
        return False


def _both(given: Scope, wanted: Scope) -> Scope | None:
    if given.context != wanted.context:
        return None
    if ANY_TYPE not in (given.type, wanted.type) and given.type != wanted.type:
        return None
    type_ = wanted.type if given.type == ANY_TYPE else given.type
    letters = "".join(one for one in wanted.letters if one in given.letters)
    if not letters:
        return None
    filters = [one for one in dict.fromkeys((given.filter, wanted.filter)) if one]
    v1 = wanted.v1 and letters == wanted.letters
    return replace(wanted, type=type_, letters=letters, filter="&".join(filters), v1=v1)


def _contains(outer: Scope, inner: Scope) -> bool:
    """Whether `outer` allows all that `inner` does, and something more."""
    if outer.context != inner.context or outer.type not in (ANY_TYPE, inner.type):
        return False
    if not set(inner.letters) <= set(outer.letters) or outer.filter not in ("", inner.filter):
        return False
    return (outer.type, outer.letters, outer.filter) != (inner.type, inner.letters, inner.filter)
