"""What the subscribers of a topic may filter by: ``canFilterBy`` of a SubscriptionTopic.

A filter is a search parameter: one of R4 or of a package, or one the topic defines itself. Two
kinds of filters ask not about the resource but about its patient: the managing organization, and
the care teams; whoever matches finds those facts out and hands them in.

Spec: https://hl7.org/fhir/R4B/subscriptiontopic-definitions.html#SubscriptionTopic.canFilterBy
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from fhirserver.definitions import SearchParameter, SearchType
from fhirserver.kernel.resource import Json
from fhirserver.search.condition import (
    IdValue,
    Prefix,
    ReferenceValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirserver.search.entry import Entry, ReferenceEntry, TokenEntry, UriEntry
from fhirserver.search.modifiers import datatypes, modifiers
from subscriptions.core.topic_search import TopicParameters, TopicSearch

Source = Literal["focus", "organization", "care-team"]
Fact = Literal["organization", "care-team"]
FACTS: Final[Mapping[str, Fact]] = {one: one for one in get_args(Fact)}
FACT_TARGETS: Final[Mapping[Fact, str]] = {"organization": "Organization", "care-team": "CareTeam"}

COMPARATORS: Final = frozenset(set(get_args(Prefix)) - {"po"})
_COMPARED: Final = frozenset({"date", "number", "quantity"})
_INDEXED: Final = frozenset({"token", "reference", "uri"})
_ID: Final = "_id"

# How finely equality splits resources: what a patient's id splits off is little, a status half.
_FINEST: Final = 0
_BY_PATIENT: Final = 1
_BY_REFERENCE: Final = 2
_BY_CONCEPT: Final = 3
_BY_FACT: Final = 4
_BY_CODE: Final = 5
_NOT_AT_ALL: Final = 9


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the focus's patient: references such as ``Organization/1``, ``CareTeam/7``."""

    organization: frozenset[str]
    care_team: frozenset[str]


NO_FACTS: Final = Facts(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter a Subscription may filter resources of `type` by.

    `source` says where its values come from, `kind` is the search type. Only `comparators`
    (prefixes such as ``ge``) and `modifiers` (such as ``in``) listed here may be used. The smaller
    `selectivity`, the finer equality with one value splits changes.
    """

    name: str
    type: str
    source: Source
    kind: SearchType
    comparators: frozenset[str]
    modifiers: frozenset[str]
    selectivity: int

    @property
    def is_indexed(self) -> bool:
        """Whether equality can be looked up by values that `values` gives."""
        return self.kind in _INDEXED

    def values(
        self, resource: Json, search: TopicSearch, facts: Facts = NO_FACTS
    ) -> frozenset[str]:
        """Return the normalized values by which equality with this filter is found."""
        match self.source:
            case "organization":
                return facts.organization
            case "care-team":
                return facts.care_team
        if self.name == _ID:
            return frozenset({str(resource.get("id"))})
        found: set[str] = set()
        for entry in search.entries(resource, self.name):
            found.update(_of_entry(entry))
        return frozenset(found)


def filter_of(
    type_: str,
    parameter: SearchParameter,
    parameters: TopicParameters,
    allowed: Iterable[str] | None = None,
) -> Filter:
    """Return the filter that a search parameter of `type_` is.

    `allowed` are the comparators and modifiers a topic lists; None for all that the parameter
    takes. Raises `ValueError` for one that it does not take.
    """
    compared = COMPARATORS if parameter.type in _COMPARED else frozenset()
    modified = frozenset(modifiers(type_, parameter, parameters))
    if allowed is not None:
        listed = frozenset(allowed) - {"=", "eq"}
        if unknown := sorted(listed - compared - modified):
            raise ValueError(f"a {parameter.type} takes no {', '.join(unknown)}")
        compared, modified = compared & listed, modified & listed
    return Filter(
        name=parameter.code,
        type=type_,
        source="focus",
        kind=parameter.type,
        comparators=compared | ({"eq"} if parameter.type in _COMPARED else frozenset()),
        modifiers=modified,
        selectivity=_selectivity(type_, parameter, parameters),
    )


def fact_filter(name: str, type_: str, fact: Fact) -> Filter:
    """Return the filter on a fact about the patient of a `type_`: equality only."""
    return Filter(name, type_, fact, "reference", frozenset(), frozenset(), _BY_FACT)


def _selectivity(type_: str, parameter: SearchParameter, parameters: TopicParameters) -> int:
    if parameter.code == _ID:
        return _FINEST
    match parameter.type:
        case "reference":
            is_patient = parameter.target == ("Patient",) or parameter.code == "patient"
            return _BY_PATIENT if is_patient else _BY_REFERENCE
        case "token":
            found = datatypes(type_, parameter, parameters)
            if "Identifier" in found:
                return _BY_REFERENCE
            return _BY_CODE if found <= {"code", "boolean"} else _BY_CONCEPT
        case "uri":
            return _BY_CONCEPT
        case _:
            return _NOT_AT_ALL


def wanted_values(values: Iterable[Value]) -> frozenset[str] | None:
    """Return the alternatives of an equality as `Filter.values` writes them, None if they are others."""
    found: set[str] = set()
    for value in values:
        match value:
            case TokenValue(system=system, code=code):
                found.add(_token(system, code))
            case ReferenceValue(targets=targets):
                found.update(targets)
            case UriValue(text=text) | IdValue(id=text):
                found.add(text)
            case _:
                return None
    return frozenset(found)


def _of_entry(entry: Entry) -> Iterator[str]:
    match entry:
        case TokenEntry(system=system, code=code, implied=implied):
            if code is not None:
                yield _token(None, code)
                yield _token(system or "", code)
                if implied:
                    yield _token("", code)
            if system:
                yield _token(system, None)
        case ReferenceEntry(target=target, version=version):
            yield target
            if version is not None:
                yield target[: -len(version) - 1]
        case UriEntry(value=value):
            yield value
            if "|" in value:
                yield value.partition("|")[0]
        case _:
            return


def _token(system: str | None, code: str | None) -> str:
    """``code`` in any system, ``system|code``, ``|code`` in none, ``system|`` for any code of it."""
    if system is None:
        return _escaped(code or "")
    return f"{_escaped(system)}|{_escaped(code or '')}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")
