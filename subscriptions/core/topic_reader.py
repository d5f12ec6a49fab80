"""From the content of a SubscriptionTopic to a topic, or a refusal that says what is wrong.

Three extensions of our own say what R4B has no element for: ``topic-change-path`` on a trigger (an
update fires only when the value there changed), ``topic-filter-path`` on ``canFilterBy`` (a search
parameter that only this topic has), ``topic-filter-fact`` on ``canFilterBy`` (a fact about the
patient). ``topic-open-filters`` on the topic itself offers every search parameter as a filter.

Spec: https://hl7.org/fhir/R4B/subscriptiontopic.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, cast, get_args
from urllib.parse import unquote_plus, urlsplit

from fhirserver.definitions import Definitions, SearchParameter, SearchType
from fhirserver.fhirpath import Compiled, FhirPathError, UnsupportedError, compile_expression
from fhirserver.kernel.canonical import BASE
from fhirserver.search.criterion import Criterion
from fhirserver.search.parameter_check import check_parameter
from subscriptions.core.topic import BadTopic, Topic
from subscriptions.core.topic_content import (
    FilterContent,
    QueryContent,
    ShapeContent,
    TopicContent,
    TriggerContent,
    read,
)
from subscriptions.core.topic_filter import FACTS, Fact, Filter, fact_filter, filter_of
from subscriptions.core.topic_search import TopicParameters, TopicSearch, is_askable
from subscriptions.core.topic_shape import Shape, shape_of
from subscriptions.core.topic_trigger import ANY_TYPE, PathCriteria, QueryCriteria, Trigger

CHANGE_PATH: Final = BASE + "StructureDefinition/topic-change-path"
FILTER_PATH: Final = BASE + "StructureDefinition/topic-filter-path"
FILTER_FACT: Final = BASE + "StructureDefinition/topic-filter-fact"
OPEN_FILTERS: Final = BASE + "StructureDefinition/topic-open-filters"
_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
_ACTIONS: Final = frozenset({"create", "update", "delete"})
_FILTER_KINDS: Final = frozenset(get_args(SearchType)) - {"composite", "special"}
MAX_PARTS: Final = 100

Own = dict[str, dict[str, SearchParameter]]
Row = TypeVar("Row")
Made = TypeVar("Made")


def topic_of(content: Mapping[str, Any], definitions: Definitions, base: str = "") -> Topic:
    """Return the topic in a SubscriptionTopic's content, compiled against `definitions`.

    `base` is the server's FHIR base URL. Raises `BadTopic` naming the topic and what is wrong.
    """
    try:
        return _Reader(read(content), definitions, base).topic()
    except ValueError as problem:
        raise BadTopic(f"{content.get('url', 'a topic without url')}: {problem}") from problem


def is_retired(content: Mapping[str, Any]) -> bool:
    """Return whether a SubscriptionTopic is there for the record only."""
    return content.get("status") == "retired"


class _Reader:
    def __init__(self, content: TopicContent, definitions: Definitions, base: str) -> None:
        self._content = content
        self._definitions = definitions
        self._base = base
        self._plain = TopicSearch(definitions, base)

    def topic(self) -> Topic:
        content = self._content
        _require_form(content)
        triggers = [
            _placed(f"resourceTrigger[{place}]", self._trigger, one)
            for place, one in enumerate(content.resourceTrigger)
        ]
        types = list(dict.fromkeys(one.type for one in triggers))
        own: Own = {}
        filters: dict[str, dict[str, Filter]] = {}
        for place, one in enumerate(content.canFilterBy):
            _placed(
                f"canFilterBy[{place}]", lambda row: self._declare(row, types, own, filters), one
            )
        search = TopicSearch(self._definitions, self._base, own)
        shapes = {}
        for place, row in enumerate(content.notificationShape):
            shape = _placed(f"notificationShape[{place}]", self._shape, row)
            shapes[shape.type] = shape
        return Topic(
            content,
            triggers=triggers,
            filters=filters,
            open_filters=any(one.valueBoolean for one in content.own_extensions(OPEN_FILTERS)),
            shapes=shapes,
            search=search,
        )

    def _type(self, resource: str, *, or_any: bool = False) -> str:
        name = resource.removeprefix(_CORE)
        if or_any and name == ANY_TYPE:
            return name
        if not self._definitions.is_resource_type(name):
            raise ValueError(f"{resource[:80]!r} is no resource type of R4")
        return name

    def _trigger(self, row: TriggerContent) -> Trigger:
        type_ = self._type(row.resource, or_any=True)
        watched = tuple(
            self._watched(one.valueString, type_) for one in row.own_extensions(CHANGE_PATH)
        )
        query = None if row.queryCriteria is None else self._query(row.queryCriteria, type_)
        expression = row.fhirPathCriteria
        path = None if expression is None else PathCriteria(expression, type_, self._definitions)
        return Trigger(type_, frozenset(row.supportedInteraction) or _ACTIONS, query, path, watched)

    def _watched(self, path: str | None, type_: str) -> Compiled:
        if path is None:
            raise ValueError(f"{CHANGE_PATH} has no valueString")
        try:
            return compile_expression(path, type_, self._definitions)
        except UnsupportedError as problem:
            raise ValueError(f"{CHANGE_PATH} {path[:80]!r}: {problem}") from problem

    def _query(self, row: QueryContent, type_: str) -> QueryCriteria:
        if row.previous is None and row.current is None:
            raise ValueError("queryCriteria has neither previous nor current")
        if row.requireBoth and (row.previous is None or row.current is None):
            raise ValueError("queryCriteria.requireBoth needs previous and current")
        return QueryCriteria(
            previous=self._criterion("previous", row.previous, type_),
            current=self._criterion("current", row.current, type_),
            on_create=row.resultForCreate == "test-passes",
            on_delete=row.resultForDelete == "test-passes",
            require_both=row.requireBoth,
        )

    def _criterion(self, name: str, text: str | None, type_: str) -> Criterion | None:
        if text is None:
            return None
        named, mark, rest = text.partition("?")
        if mark and named and named != type_:
            raise ValueError(
                f"queryCriteria.{name} is about {named[:80]}, the trigger about {type_}"
            )
        if type_ == ANY_TYPE:
            raise ValueError(f"queryCriteria.{name} needs a trigger about one resource type")
        pairs = []
        for part in (rest if mark else text).split("&"):
            key, equals, value = part.partition("=")
            if not equals or not key:
                raise ValueError(f"queryCriteria.{name}: {part[:80]!r} is not parameter=value")
            pairs.append((unquote_plus(key), unquote_plus(value)))
        return self._plain.criterion(type_, pairs)

    def _declare(
        self,
        row: FilterContent,
        types: Sequence[str],
        own: Own,
        filters: dict[str, dict[str, Filter]],
    ) -> None:
        """Add the filter to those of each type it is about."""
        about = [self._type(row.resource)] if row.resource is not None else list(types)
        for type_ in about:
            if type_ not in types and ANY_TYPE not in types:
                raise ValueError(f"no trigger watches {type_}")
            if type_ == ANY_TYPE:
                raise ValueError("a filter of a topic about every type must name a type")
            made = self._filter(row, type_, own)
            if made.name in filters.setdefault(type_, {}):
                raise ValueError(f"{type_}.{made.name} is offered twice")
            filters[type_][made.name] = made

    def _filter(self, row: FilterContent, type_: str, own: Own) -> Filter:
        facts = row.own_extensions(FILTER_FACT)
        allowed = (*row.modifier, *row.comparator)
        if facts:
            return self._fact(row, type_, facts[0].valueCode)
        is_own = bool(row.own_extensions(FILTER_PATH))
        find = self._own_parameter if is_own else self._known_parameter
        parameter = find(row, type_)
        if self._plain.parameter(type_, parameter.code) != parameter:
            own.setdefault(type_, {})[parameter.code] = parameter
        search = TopicSearch(self._definitions, self._base, {type_: {parameter.code: parameter}})
        return filter_of(type_, parameter, search.parameters, allowed)

    def _fact(self, row: FilterContent, type_: str, code: str | None) -> Filter:
        fact: Fact | None = FACTS.get(code or "")
        if fact is None:
            raise ValueError(f"{FILTER_FACT}: {code!r} is none of {', '.join(FACTS)}")
        if row.modifier or row.comparator or row.filterDefinition is not None:
            raise ValueError(f"a filter by {fact} takes no modifier and has no definition")
        return fact_filter(_name(row), type_, fact)

    def _own_parameter(self, row: FilterContent, type_: str) -> SearchParameter:
        parts = row.own_extensions(FILTER_PATH)[0].extension
        kinds = [one.valueCode for one in parts if one.url == "kind"]
        paths = [one.valueString for one in parts if one.url == "path"]
        targets = [one.valueCode for one in parts if one.url == "target"]
        if len(kinds) != 1 or not paths or None in (*paths, *targets):
            raise ValueError(f"{FILTER_PATH} needs one kind and at least one path")
        kind = str(kinds[0])
        if kind not in _FILTER_KINDS:
            raise ValueError(f"{FILTER_PATH}: {kind[:80]!r} is no kind of filter")
        if kind == "reference" and not targets:
            raise ValueError(f"{FILTER_PATH}: a reference needs the types it may point at")
        made = SearchParameter(
            code=_name(row),
            type=cast("SearchType", kind),
            expression=" | ".join(str(one) for one in paths),
            target=tuple(self._type(str(one)) for one in targets),
            components=(),
            url=f"{self._content.url}#{_name(row)}",
        )
        self._require_usable(made, type_)
        return made

    def _require_usable(self, made: SearchParameter, type_: str) -> None:
        """Refuse a parameter of the topic's own by the rules that hold for a stored one.

        It may hide one of a package or of a tenant, whose authors must not be able to break a topic
        with it, and none of R4.
        """
        if made.code in self._definitions.base_parameters(type_):
            raise ValueError(f"{type_} already has a search parameter {made.code[:80]!r}")
        resource = {
            "resourceType": "SearchParameter",
            "url": made.url,
            "status": "active",
            "code": made.code,
            "base": [type_],
            "type": made.type,
            "expression": made.expression,
        }
        faults = check_parameter(
            resource, TopicParameters(self._definitions, {type_: {made.code: made}})
        )
        messages = [one.message for one in faults if one.severity == "error"]
        if messages:
            raise ValueError("; ".join(messages))

    def _known_parameter(self, row: FilterContent, type_: str) -> SearchParameter:
        known = self._plain.parameters.search_parameters(type_)
        if row.filterDefinition is None:
            found = known.get(_name(row))
            if found is None or not is_askable(found):
                raise ValueError(f"{type_} has no search parameter {_name(row)[:80]!r}")
            return found
        url = row.filterDefinition.partition("|")[0]
        r4_first = (self._definitions.base_parameters(type_), known)
        every = (one for some in r4_first for one in some.values())
        found = next((one for one in every if one.url == url), None)
        if found is None or not is_askable(found):
            raise ValueError(f"{url[:200]} is no search parameter of {type_}")
        if row.filterParameter is None or row.filterParameter == found.code:
            return found
        return replace(found, code=_free_name(row.filterParameter, type_, known))

    def _shape(self, row: ShapeContent) -> Shape:
        return shape_of(self._type(row.resource), row.include, row.revInclude, self._plain)


def _require_form(content: TopicContent) -> None:
    parts = urlsplit(content.url)
    if not parts.scheme or "|" in content.url or any(c.isspace() for c in content.url):
        raise ValueError("url is not an absolute URL")
    if not content.version or not content.title or "|" in content.version:
        raise ValueError("a version and a title are needed")
    if content.eventTrigger:
        raise ValueError("event triggers are not supported")
    if not content.resourceTrigger:
        raise ValueError("there is no resourceTrigger, so it could never fire")
    rows = (*content.resourceTrigger, *content.canFilterBy, *content.notificationShape)
    if len(rows) > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS} triggers, filters and shapes")
    shaped = [one.resource.removeprefix(_CORE) for one in content.notificationShape]
    if len(set(shaped)) != len(shaped):
        raise ValueError("two shapes are about one type")


def _placed(place: str, make: Callable[[Row], Made], row: Row) -> Made:
    try:
        return make(row)
    except FhirPathError as problem:
        raise ValueError(f"{place}: FHIRPath: {problem}") from problem
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from problem


def _name(row: FilterContent) -> str:
    if row.filterParameter is None:
        raise ValueError("filterParameter is missing")
    return row.filterParameter


def _free_name(name: str, type_: str, known: Mapping[str, SearchParameter]) -> str:
    if name in known:
        raise ValueError(f"{type_} has another search parameter called {name[:80]!r}")
    if not name[:1].isalpha() or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name[:80]!r} is no name of a parameter")
    return name
