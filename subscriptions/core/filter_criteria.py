"""What a Subscription demands of the events it wants: its filters, checked and taken apart.

Several filters must all hold, commas are alternatives. A filter that names a resource type speaks
of events about that type only, and a Subscription whose filters name types wants no others; so one
Subscription can want some Observations and some Encounters. ``_type=A,B`` names types as well.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-filter-criteria.html
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fhirserver.search.condition import (
    Condition,
    DateValue,
    NumberValue,
    QuantityValue,
)
from fhirserver.search.criterion import AllOf, Criterion
from fhirserver.search.escape import split
from fhirserver.search.value import RefusedError, parse_reference_value
from subscriptions.core.criteria_text import BadText, Piece, pieces
from subscriptions.core.topic import Topic
from subscriptions.core.topic_filter import FACT_TARGETS, Filter, Source, wanted_values
from subscriptions.core.topic_search import BadCriteria

# A Subscription is filed under every value of one condition, and tested for the others.
MAX_CONDITIONS: Final = 50
MAX_VALUES: Final = 200
_TYPE: Final = "_type"


@dataclass(frozen=True, slots=True)
class Equality:
    """A parameter and the values of which any suffices, written as `Filter.values` writes them."""

    parameter: str
    values: frozenset[str]
    selectivity: int
    source: Source


@dataclass(frozen=True, slots=True)
class Demand:
    """What an event about a resource of `type` (None: of any) must meet, all of it.

    `residual` are conditions that are no equality, as texts for `Topic.test`.
    """

    type: str | None
    equal: tuple[Equality, ...]
    residual: tuple[str, ...]


class BadFilter(ValueError):
    """Filters this topic cannot apply; `problems` are all of them, each says which and why."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Carry `problems`, at least one."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def demands(topic: Topic, criteria: Sequence[str]) -> tuple[Demand, ...]:
    """Return what is demanded, one for each resource type. Raises `BadFilter`."""
    return _demands(topic, criteria, ())


def search_demand(topic: Topic, criteria: str) -> Demand:
    """Return what the criteria of a plain R4 Subscription demand: ``Observation?code=x``.

    The type alone is a demand too. Raises `BadFilter`.
    """
    type_, _, rest = criteria.partition("?")
    (demand,) = _demands(topic, [criteria] if rest else [], (type_,))
    return demand


def _demands(topic: Topic, criteria: Sequence[str], types: Sequence[str]) -> tuple[Demand, ...]:
    found, problems = _read(criteria)
    if len(found) > MAX_CONDITIONS:
        problems.append(f"more than {MAX_CONDITIONS} conditions")
    named = list(dict.fromkeys((*types, *_named(found))))
    problems += [f"the topic does not watch {one[:80]}" for one in named if not _known(topic, one)]
    if problems:
        raise BadFilter(problems)
    conditions = [one for one in found if one.name != _TYPE]
    problems += [
        f"{one.alone[:80]!r} is about a type that _type leaves out"
        for one in conditions
        if one.type is not None and one.type not in named
    ]
    wanted: Sequence[str | None] = (
        named or (None if topic.types is None else sorted(topic.types)) or [None]
    )
    made = [_demand(topic, type_, conditions, problems) for type_ in wanted]
    if problems:
        raise BadFilter(list(dict.fromkeys(problems)))
    return tuple(made)


def _read(criteria: Iterable[str]) -> tuple[list[Piece], list[str]]:
    found: list[Piece] = []
    problems: list[str] = []
    for text in criteria:
        try:
            found += pieces(text)
        except BadText as problem:
            problems.append(str(problem))
    return found, problems


def _named(found: Iterable[Piece]) -> Iterator[str]:
    """Go through the types that are named; where ``_type`` is given, it alone says which."""
    by_type = [one for one in found if one.name == _TYPE]
    if by_type:
        for one in by_type:
            yield from one.value.split(",")
        return
    for one in found:
        if one.type is not None:
            yield one.type


def _known(topic: Topic, type_: str) -> bool:
    return type_ in topic.search.parameters.resource_types and topic.watches(type_)


def _demand(
    topic: Topic, type_: str | None, conditions: Sequence[Piece], problems: list[str]
) -> Demand:
    equal: list[Equality] = []
    residual: list[str] = []
    for piece in conditions:
        if piece.type not in (None, type_):
            continue
        if type_ is None:
            problems.append(f"{piece.text[:80]!r} must say of which resource type")
            continue
        try:
            made = _condition(topic, type_, piece)
        except BadFilter as problem:
            problems += problem.problems
            continue
        if made is None:
            residual.append(piece.about(type_).alone)
        else:
            equal.append(made)
    return Demand(type_, tuple(equal), tuple(residual))


def _condition(topic: Topic, type_: str, piece: Piece) -> Equality | None:
    """Return the equality that a condition is, None when it is to be tested. Raises `BadFilter`."""
    offered = topic.filters(type_).get(piece.name)
    if offered is None:
        raise BadFilter([f"the topic cannot be filtered by {type_}.{piece.name[:80]}"])
    if offered.source != "focus":
        return _fact(topic, offered, piece)
    try:
        criterion = topic.search.criterion(type_, [(piece.written_name, piece.value)])
    except BadCriteria as problem:
        raise BadFilter([str(problem)]) from problem
    condition = _only(criterion)
    is_plain = condition is not None and condition.modifier is None and condition.missing is None
    if condition is None or not is_plain:
        _require_modifier(offered, piece)
        return None
    _require_comparators(offered, condition)
    values = wanted_values(condition.values) if offered.is_indexed else None
    if values is None:
        return None
    if len(values) > MAX_VALUES:
        raise BadFilter([f"{piece.name} has more than {MAX_VALUES} alternatives"])
    return Equality(offered.name, values, offered.selectivity, "focus")


def _only(criterion: Criterion) -> Condition | None:
    if isinstance(criterion, AllOf) and len(criterion.parts) == 1:
        (criterion,) = criterion.parts
    return criterion if isinstance(criterion, Condition) else None


def _require_modifier(offered: Filter, piece: Piece) -> None:
    if piece.modifier and piece.modifier not in offered.modifiers:
        raise BadFilter([f"the topic's filter {offered.name} takes no :{piece.modifier[:80]}"])


def _require_comparators(offered: Filter, condition: Condition) -> None:
    for value in condition.values:
        match value:
            case DateValue(prefix=prefix) | NumberValue(prefix=prefix):
                used = prefix
            case QuantityValue(number=number):
                used = number.prefix
            case _:
                continue
        if used not in offered.comparators:
            raise BadFilter([f"the topic's filter {offered.name} takes no {used}"])


def _fact(topic: Topic, offered: Filter, piece: Piece) -> Equality:
    if piece.modifier:
        raise BadFilter([f"the topic's filter {offered.name} takes no modifier"])
    target = next(target for fact, target in FACT_TARGETS.items() if fact == offered.source)
    values: set[str] = set()
    for text in split(piece.value, ","):
        try:
            found = parse_reference_value(
                text, (target,), topic.search.parameters, topic.search.base
            )
        except RefusedError as problem:
            raise BadFilter([f"{offered.name}: {problem}"]) from problem
        if not any(one.startswith(f"{target}/") for one in found.targets):
            raise BadFilter([f"{offered.name}: expected {target}/id"])
        values.update(found.targets)
    if len(values) > MAX_VALUES:
        raise BadFilter([f"{offered.name} has more than {MAX_VALUES} alternatives"])
    return Equality(offered.name, frozenset(values), offered.selectivity, offered.source)
