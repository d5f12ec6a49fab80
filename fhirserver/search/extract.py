"""What a resource can be found by, read off its JSON in one walk.

All search parameters of a type are compiled into one tree of JSON property names: a property that
is absent costs nothing, and a value that several parameters share is read once. `_id` and
`_lastUpdated` are not extracted, because every stored row has them as columns.

Spec: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from fhirserver.definitions.model import Binding, SearchParameter, SearchType
from fhirserver.fhirpath import (
    Compute,
    EvaluationError,
    Hop,
    Keep,
    Path,
    Route,
    Typed,
    UnsupportedError,
    compile_expression,
    compile_path,
)
from fhirserver.kernel.resource import Json
from fhirserver.search import emit
from fhirserver.search.emitters import EmitterOf, Emitters, SearchDefinitions, has_meaning
from fhirserver.search.entry import Entry, StringEntry, WordEntry
from fhirserver.search.full_text import WORDLESS_TYPES, indexed_words

COLUMNS = frozenset({"_id", "_lastUpdated"})
# The parameter under which a resource is found by the types of what it contains.
CONTAINED: Final = "_contained"


def extract(resource: Json, definitions: SearchDefinitions) -> tuple[Entry, ...]:
    """Return what `resource` is indexed by, in the order of its JSON; duplicates are possible.

    `resource` is JSON with Decimal numbers. Raises KeyError for an unknown `resourceType`.
    """
    entries: list[Entry] = []
    type_ = resource["resourceType"]
    _run(
        _plan(definitions, type_, None, texts=type_ not in WORDLESS_TYPES), resource, entries.append
    )
    if type_ not in WORDLESS_TYPES or "text" in resource:
        others = [entry.value for entry in entries if type(entry) is StringEntry]
        param, words = indexed_words(resource, others)
        entries += [WordEntry(param, word) for word in sorted(words)]
    for inner in resource.get("contained", ()):
        inner_type = inner.get("resourceType")
        if inner_type is not None:
            entries.append(WordEntry(CONTAINED, inner_type))
    return tuple(entries)


def entries_of(
    resource: Json, definitions: SearchDefinitions, param: str | None = None
) -> list[Entry]:
    """Return what `match` compares with: as `extract`, with every text and without the words.

    Only the properties that `param` reads are looked at, all where it is None. A parameter that the
    type is not indexed by has no entries.
    """
    entries: list[Entry] = []
    plan = _plan(definitions, resource["resourceType"], param, texts=True)
    _run(plan, resource, entries.append)
    return entries


Walk = Callable[[Any, emit.Append], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """`walk` for what lies on plain paths, `computed` for the rest, `engine` for the full language."""

    walk: Walk
    computed: tuple[tuple[Route, emit.Emitter], ...]
    engine: tuple[tuple[Path, EmitterOf], ...]


_NOTHING: Final = _Plan(lambda _value, _append: None, (), ())


class _Plans(dict[tuple[str, bool, str | None], _Plan]):
    """The plans of one set of definitions, by type, with or without texts, and parameter or None.

    The plan of None reads every parameter in one walk.
    """

    def __init__(self, _definitions: SearchDefinitions) -> None:
        super().__init__()


def _run(plan: _Plan, resource: Json, append: emit.Append) -> None:
    plan.walk(resource, append)
    for route, emitter in plan.computed:
        for value in route.values(resource):
            emitter(value, append)
    for path, emitter_of in plan.engine:
        for value, type_ in _evaluated(path, resource):
            engine_emitter = emitter_of(type_)
            if engine_emitter is not None:
                engine_emitter(value, append)


def _evaluated(path: Path, resource: Json) -> list[Typed]:
    try:
        return path.typed(resource)
    except EvaluationError:
        # An expression that fails on this resource finds nothing in it: a write must not fail
        # because of somebody's search parameter.
        return []


def _plan(definitions: SearchDefinitions, type_: str, param: str | None, *, texts: bool) -> _Plan:
    of_definitions = definitions.derived(_Plans)
    plan = of_definitions.get((type_, texts, param))
    if plan is None:
        known = definitions.indexed_parameters(type_)
        if param is None:
            parameters = tuple(known.values())
        elif param in known:
            parameters = (known[param],)
        else:
            return _NOTHING
        plan = _compile(definitions, type_, parameters, texts=texts)
        of_definitions[type_, texts, param] = plan
    return plan


@dataclass(slots=True)
class _Node:
    """One place in the tree.

    `leaves` are the values that parameters want here, `branches` the properties below, `filtered`
    the same again for values that pass a filter.
    """

    is_list: bool = True
    leaves: dict[tuple[SearchType, str], "_Leaf"] = field(default_factory=dict)
    branches: dict[str, "_Node"] = field(default_factory=dict)
    filtered: dict[tuple[int | None, tuple[str, ...]], tuple[tuple[Keep, ...], "_Node"]] = field(
        default_factory=dict
    )


@dataclass(slots=True)
class _Leaf:
    binding: Binding | None
    params: list[tuple[str, str | None]] = field(default_factory=list)


def _compile(
    definitions: SearchDefinitions,
    type_: str,
    parameters: Iterable[SearchParameter],
    *,
    texts: bool,
) -> _Plan:
    root = _Node()
    computed: list[tuple[Route, emit.Emitter]] = []
    engine: list[tuple[Path, EmitterOf]] = []
    make = Emitters(definitions, texts=texts)
    for parameter in parameters:
        if not is_extracted(parameter):
            continue
        try:
            compiled = compile_expression(str(parameter.expression), type_, definitions)
        except UnsupportedError:
            path = compile_path(str(parameter.expression))
            engine.append((path, make.by_type(parameter.type, parameter.code)))
            continue
        for route in compiled.routes:
            if not has_meaning(parameter.type, route.type):
                continue
            if any(isinstance(step, Compute) for step in route.steps):
                emitter = make(parameter.type, route.type, route.binding, [(parameter.code, None)])
                computed.append((route, emitter))
            else:
                _plant(root, parameter, route)
    return _Plan(_walk_properties(make, root), tuple(computed), tuple(engine))


def is_extracted(parameter: SearchParameter) -> bool:
    """Whether values of the parameter are read off resources: not columns, composites, words."""
    return (
        parameter.expression is not None
        and parameter.code not in COLUMNS
        and parameter.type != "composite"
    )


def _plant(root: _Node, parameter: SearchParameter, route: Route) -> None:
    node, only = root, None
    hops = cast(tuple[Hop, ...], route.steps)
    for hop in hops:
        node = node.branches.setdefault(hop.key, _Node(hop.is_list))
        keeps = hop.keeps
        if hop is hops[-1] and parameter.type == "reference" and route.type == "Reference":
            # "resolve() is X" on a reference is decided where the reference is parsed anyway.
            only = next((keep.reference_type for keep in keeps if keep.reference_type), None)
            keeps = tuple(keep for keep in keeps if keep.reference_type is None)
        if keeps or hop.index is not None:
            key = (hop.index, tuple(keep.text for keep in keeps))
            node = node.filtered.setdefault(key, (keeps, _Node(hop.is_list)))[1]
    leaf = node.leaves.setdefault((parameter.type, route.type), _Leaf(route.binding))
    if (parameter.code, only) not in leaf.params:
        leaf.params.append((parameter.code, only))


def _walk_properties(make: Emitters, node: _Node) -> Walk:
    """Return a closure that visits the properties of one JSON object that anybody wants."""
    wanted = {key: _walk_values(make, child) for key, child in node.branches.items()}
    if len(wanted) == 1:
        ((only_key, only_step),) = wanted.items()

        def walk_one_property(value: Any, append: emit.Append) -> None:
            inner = value.get(only_key)
            if inner is not None:
                only_step(inner, append)

        return walk_one_property
    get = wanted.get

    def walk(value: Any, append: emit.Append) -> None:
        for key, inner in value.items():
            step = get(key)
            if step is not None:
                step(inner, append)

    return walk


def _walk_values(make: Emitters, node: _Node) -> Walk:
    """Return a closure for the value of one property: one value or a list of them."""
    one = _walk_one(make, node)

    def walk_plain(value: Any, append: emit.Append) -> None:
        if type(value) is list:
            for item in value:
                if item is not None:
                    one(item, append)
        elif value is not None:
            one(value, append)

    if not node.filtered:
        return walk_plain
    filters = [
        (Hop("", is_list=True, index=index, keeps=keeps), _walk_one(make, child))
        for (index, _), (keeps, child) in node.filtered.items()
    ]

    def walk_filtered(value: Any, append: emit.Append) -> None:
        walk_plain(value, append)
        for hop, inner in filters:
            for item in hop.values({"": value}):
                if item is not None:
                    inner(item, append)

    return walk_filtered


def _walk_one(make: Emitters, node: _Node) -> Walk:
    steps: list[Walk] = [
        make(kind, type_, leaf.binding, leaf.params) for (kind, type_), leaf in node.leaves.items()
    ]
    if node.branches:
        steps.append(_walk_properties(make, node))
    if len(steps) == 1:
        return steps[0]

    def walk(value: Any, append: emit.Append) -> None:
        for step in steps:
            step(value, append)

    return walk
