"""Which resources a message becomes: the mappings whose messages include it, together.

All mappings of a message share their names, so that one refers to the resources of another. A mapping says ``messages``
(``ADT^A01``, ``ADT^*``), ``needs`` (fields a message must have; of a list among them one is enough), ``ignores`` (fields
that mean nothing here), ``resources`` and ``merges``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping.errors import MappingError, MappingRefuses
from adapters.hl7v2.mapping.mapped import BY_NAME, Mapped, MappedResource, Merge, Mode
from adapters.hl7v2.mapping.outcome import NULL, is_value
from adapters.hl7v2.mapping.paths import Path
from adapters.hl7v2.mapping.rules import Compiler, Rule
from adapters.hl7v2.mapping.scope import Occurrence, Reading, Scope
from adapters.hl7v2.mapping.steps import escaped
from adapters.hl7v2.mapping.tables import Table, read_table
from adapters.hl7v2.report import Report
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.acknowledgement import REQUIRED_FIELD, Fault, Place
from fhirserver.wire.hl7v2.message import Message, Segment

_MAPPING: Final = frozenset(("messages", "needs", "ignores", "resources", "merges"))
_RESOURCE: Final = frozenset(
    ("type", "each", "with", "before", "when", "mode", "match", "set", "initially", "need")
)
_CHOSEN: Final = "$merge"
_SEARCH: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
# These never mean anything by themselves: MSH is read by its own rules, field 1 only counts segments.
_HEADER: Final = "MSH"


@dataclass(frozen=True, slots=True)
class _Resource:
    """A rule for resources, compiled."""

    name: str
    type: str
    each: str
    own: frozenset[str] | None
    before: frozenset[str]
    when: Callable[[Scope], bool] | None
    mode: Mode
    match: tuple[tuple[str, Rule], ...]
    need: tuple[str, ...]
    elements: Mapping[str, Rule]
    touched: frozenset[str]
    initially: Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class _Merging:
    survivor: str
    each: str
    retired: tuple[tuple[str, Rule], ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A mapping, compiled. `read` are the fields its rules speak of or ignore."""

    messages: tuple[str, ...]
    needs: tuple[tuple[Path, ...], ...]
    resources: tuple[_Resource, ...]
    merges: tuple[_Merging, ...]
    read: frozenset[tuple[str, int]]
    named: frozenset[str]


class Plans:
    """Every mapping there is, compiled. Raises `MappingError` with everything that is wrong."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Compile ``maps``, ``tables`` and ``datatypes`` of what `source.together` returned."""
        problems: list[str] = []
        self._tables: dict[str, Table] = {}
        for name, table in given.get("tables", {}).items():
            try:
                self._tables[name] = read_table(name, table)
            except MappingError as error:
                problems += [f"tables.{name}: {one}" for one in error.problems]
        plans = {
            name: _compiled(name, one, given, problems)
            for name, one in given.get("maps", {}).items()
        }
        named = [one.name for plan in plans.values() for one in plan.resources]
        problems += [
            f"maps.{name}: no mapping makes a resource {one}"
            for name, plan in plans.items()
            for one in sorted(plan.named - {*named})
        ]
        problems += [f"two resources are called {one}" for one in {*named} if named.count(one) > 1]
        if problems:
            raise MappingError(problems)
        self._plans = plans

    def of(self, kind: str) -> list[str]:
        """Return the names of the mappings that are about messages of `kind` (``ADT^A01``)."""
        return [name for name, plan in self._plans.items() if _about(plan, kind)]

    def knows(self, message: str) -> bool:
        """Return whether any mapping is about messages of this type (``ADT``), whatever their event."""
        return any(
            one.startswith(f"{message}^") for plan in self._plans.values() for one in plan.messages
        )

    def run(self, message: Message, kind: str, sender: Sender, report: Report) -> Mapped:
        """Return what the mappings of `kind` make of `message`. Raises `MappingRefuses`."""
        plans = [self._plans[name] for name in self.of(kind)]
        reading = Reading(message, sender, self._tables, report)
        everywhere = Scope(reading, _occurrence("", message.segments, 0, None, frozenset(), {}))
        for plan in plans:
            for one_of in plan.needs:
                if not any(path.find(everywhere) for path in one_of):
                    place = Place(one_of[0].segment or _HEADER, 1, one_of[0].field)
                    raise MappingRefuses(
                        Fault(REQUIRED_FIELD, "a required field is missing", place)
                    )
        resources = [one for plan in plans for one in plan.resources]
        for one in resources:
            reading.occurrences[one.name] = _occurrences(one, reading)
        made = [
            _made(one, Scope(reading, at))
            for one in resources
            for at in reading.occurrences[one.name]
        ]
        merges = [one for plan in plans for rule in plan.merges for one in _merges(rule, reading)]
        _tell_unread(message, plans, report)
        found = tuple(one for one in made if one is not None)
        return Mapped(_without_dangling(found), tuple(merges), _recorded(message, sender))


def _compiled(name: str, given: Any, everything: Mapping[str, Any], problems: list[str]) -> _Plan:
    compiler = Compiler(everything.get("tables", {}), everything.get("datatypes", {}))
    if not isinstance(given, dict) or given.keys() - _MAPPING or not given.get("messages"):
        problems.append(f"maps.{name}: a mapping has {', '.join(sorted(_MAPPING))}")
        return _Plan((), (), (), (), frozenset(), frozenset())
    needs = tuple(
        tuple(
            compiler.path(path, f"maps.{name}.needs")
            for path in (one if isinstance(one, list) and one else [one])
        )
        for one in given.get("needs", ())
    )
    for one in given.get("ignores", ()):
        if len(one) == 3:
            compiler.read.add((one, 0))
        else:
            compiler.path(one, f"maps.{name}.ignores")
    resources = [
        _resource(key, one, compiler, f"maps.{name}.resources.{key}")
        for key, one in given.get("resources", {}).items()
    ]
    merges = [_merging(one, compiler, f"maps.{name}.merges") for one in given.get("merges", ())]
    problems += compiler.problems
    return _Plan(
        tuple(given["messages"]), needs, tuple(one for one in resources if one is not None),
        tuple(one for one in merges if one is not None), frozenset(compiler.read),
        frozenset(compiler.named | {one.survivor for one in merges if one is not None}),
    )  # fmt: skip


def _resource(name: str, given: Any, compiler: Compiler, place: str) -> _Resource | None:
    if not isinstance(given, dict) or given.keys() - _RESOURCE or not given.get("type"):
        compiler.problems.append(f"{place}: a resource has {', '.join(sorted(_RESOURCE))}")
        return None
    mode = given.get("mode", "create")
    if mode not in get_args(Mode):
        compiler.problems.append(f"{place}: mode is one of {', '.join(get_args(Mode))}")
        return None
    own = given.get("with", ())
    need = given.get("need", ())
    return _Resource(
        name,
        given["type"],
        given.get("each", _HEADER),
        None if own == "*" else frozenset(own),
        frozenset(given.get("before", ())),
        compiler.condition(given["when"], f"{place}.when") if "when" in given else None,
        mode,
        _searches(given.get("match", ()), compiler, f"{place}.match"),
        (need,) if isinstance(need, str) else tuple(need),
        _elements(given.get("set", {}), compiler, f"{place}.set"),
        _touched(given.get("set", {})),
        _elements(given.get("initially", {}), compiler, f"{place}.initially"),
    )


def _elements(given: Any, compiler: Compiler, place: str) -> dict[str, Rule]:
    """Compile the rules of elements. ``$merge`` stands for several, of which the message decides: value[x]."""
    return {
        key: compiler.rule({key: value} if key == _CHOSEN else value, f"{place}.{key}")
        for key, value in given.items()
    }


def _touched(given: Mapping[str, Any]) -> frozenset[str]:
    chosen = given.get(_CHOSEN, ())
    return frozenset(
        one
        for names in (given, *(one for one in chosen if isinstance(one, dict)))
        for one in names
        if not one.startswith("$")
    )


def _merging(given: Any, compiler: Compiler, place: str) -> _Merging | None:
    if not isinstance(given, dict) or given.keys() != {"survivor", "each", "retired"}:
        compiler.problems.append(f"{place}: a merge has survivor, each and retired")
        return None
    return _Merging(
        given["survivor"], given["each"], _searches(given["retired"], compiler, f"{place}.retired")
    )


def _searches(given: Any, compiler: Compiler, place: str) -> tuple[tuple[str, Rule], ...]:
    """Compile ``[{identifier: rule}, ...]``: each value is a search of its own."""
    if not isinstance(given, list | tuple) or any(
        not isinstance(one, dict) or len(one) != 1 for one in given
    ):
        compiler.problems.append(f"{place}: a list of search parameters, each with its rule")
        return ()
    return tuple(
        (parameter, compiler.rule(rule, f"{place}.{parameter}"))
        for one in given
        for parameter, rule in one.items()
    )


def _about(plan: _Plan, kind: str) -> bool:
    return any(
        one == kind or (one.endswith("*") and kind.startswith(one[:-1])) for one in plan.messages
    )


def _occurrences(resource: _Resource, reading: Reading) -> list[Occurrence]:
    """Return where `resource` is to be made, in the order of the message."""
    segments = reading.message.segments
    starts = [position for position, one in enumerate(segments) if one.id == resource.each]
    found: list[Occurrence] = []
    floor = 0
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(segments)
        name = resource.name if len(starts) == 1 else f"{resource.name}.{number + 1}"
        at = _occurrence(
            name, segments, start, resource.own, resource.before, {"end": end, "floor": floor}
        )
        floor = start + 1
        if resource.when is None or resource.when(Scope(reading, at)):
            found.append(at)
    return found


def _occurrence(
    name: str,
    segments: Sequence[Segment],
    start: int,
    own: frozenset[str] | None,
    before: frozenset[str],
    bounds: Mapping[str, int],
) -> Occurrence:
    end = bounds.get("end", len(segments))
    mine = [segments[start]]
    for one in segments[start + 1 : end]:
        if own is not None and one.id not in own:
            if one.id.startswith("Z"):
                continue
            break
        mine.append(one)
    return Occurrence(name, start, end, mine, before, bounds.get("floor", 0))


def _made(resource: _Resource, scope: Scope) -> MappedResource | None:
    found, cleared = _evaluated(resource.elements, scope)
    missing = [one for one in resource.need if one not in found]
    if missing:
        scope.reading.report.leave(f"no {resource.type}: {missing[0]} is missing")
    if missing or not found:
        return None
    return MappedResource(
        scope.at.name, resource.type, {"resourceType": resource.type, **found},
        _found(resource.match, scope), resource.mode, resource.touched, frozenset(cleared),
        _evaluated(resource.initially, scope)[0],
    )  # fmt: skip


def _evaluated(rules: Mapping[str, Rule], scope: Scope) -> tuple[Json, set[str]]:
    found: Json = {}
    cleared: set[str] = set()
    for element, rule in rules.items():
        value = rule(scope)
        if value is NULL:
            cleared.add(element)
        elif is_value(value):
            found.update(value if element == _CHOSEN else {element: value})
    return found, cleared


def _recorded(message: Message, sender: Sender) -> datetime | None:
    """Return when what `message` says was recorded by its sender."""
    event = message.first("EVN")
    recorded = None if event is None else sender.moment(event, 2)
    return recorded or sender.moment(message.header, 7)


def _found(rules: Sequence[tuple[str, Rule]], scope: Scope) -> tuple[str, ...]:
    searches: dict[str, None] = {}
    for parameter, rule in rules:
        value = rule(scope)
        for one in value if isinstance(value, list) else [value]:
            found = one
            if isinstance(one, dict) and one.keys() >= {"system", "value"}:
                found = f"{one['system']}|{escaped(one['value'])}"
            if isinstance(found, str):
                searches[f"{parameter}={_encoded(found)}"] = None
    return tuple(searches)


def _encoded(text: str) -> str:
    return "".join(
        one if one in _SEARCH else "".join(f"%{b:02X}" for b in one.encode()) for one in text
    )


def _merges(rule: _Merging, reading: Reading) -> list[Merge]:
    segments = reading.message.segments
    found = []
    for position, one in enumerate(segments):
        if one.id == rule.each:
            at = _occurrence("", segments, position, frozenset(), frozenset(), {})
            scope = Scope(reading, at)
            survivor, retired = scope.named(rule.survivor), _found(rule.retired, scope)
            if survivor is not None and retired:
                found.append(Merge(survivor, retired))
    return found


def _without_dangling(resources: Sequence[MappedResource]) -> tuple[MappedResource, ...]:
    """Leave out references to resources that were not made after all."""
    names = {BY_NAME + one.name for one in resources}
    return tuple(
        MappedResource(
            one.name, one.type, _kept(one.content, names), one.match, one.mode, one.touched,
            one.cleared, _kept(one.initially, names),
        )
        for one in resources
    )  # fmt: skip


def _kept(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: kept for key, one in value.items() if (kept := _kept(one, names)) not in ({}, [])
        }
    if isinstance(value, list):
        return [kept for one in value if (kept := _kept(one, names)) not in ({}, [])]
    if isinstance(value, str) and value.startswith(BY_NAME) and value not in names:
        return {}
    return value


def _tell_unread(message: Message, plans: Sequence[_Plan], report: Report) -> None:
    """Report segments and fields with content that no rule speaks of."""
    read = {one for plan in plans for one in plan.read}
    known = {segment for segment, _ in read}
    for one in message.segments:
        if one.id == _HEADER or (one.id, 0) in read:
            continue
        if one.id not in known:
            report.leave(one.id)
            continue
        for number in range(2, one.count + 1):
            if one.raw(number) and (one.id, number) not in read:
                report.leave(f"{one.id}-{number}")
