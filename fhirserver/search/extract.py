"""What a resource can be found by, read off its JSON in one walk.

All search parameters of a type are compiled into one tree of JSON property names: a property that
is absent costs nothing, and a value that several parameters share is read once. `_id` and
`_lastUpdated` are not extracted, because every stored row has them as columns.

Spec: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

from fhirserver.definitions.model import Binding, SearchParameter, SearchType, Structure, ValueSet
from fhirserver.fhirpath import Compute, Hop, Keep, Route, compile_expression
from fhirserver.kernel.resource import Json
from fhirserver.search import emit
from fhirserver.search.entry import Entry

COLUMNS = frozenset({"_id", "_lastUpdated"})
NOT_EXTRACTED: frozenset[SearchType] = frozenset({"composite", "special"})

# Pairs that the specification's expressions reach although the datatype has no meaning for the
# kind of parameter: a date written as free text, an age or a range of ages, and a consent's
# attached document.
NO_MEANING: frozenset[tuple[str, str]] = frozenset(
    {("date", "string"), ("date", "Age"), ("date", "Range"), ("reference", "Attachment")}
)


class SearchDefinitions(Protocol):
    """The part of `fhirserver.definitions.Definitions` that search needs."""

    def structure(self, name: str) -> Structure:
        """Return a resource type or datatype. KeyError for an unknown name."""
        ...

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return the parameters of a type by code. KeyError for an unknown type."""
        ...

    def value_set(self, url: str) -> ValueSet | None:
        """Return the codes behind a required binding, None for another canonical."""
        ...


def extract(resource: Json, definitions: SearchDefinitions) -> tuple[Entry, ...]:
    """Return all entries of `resource`, in the order of its JSON; duplicates are possible.

    `resource` is JSON with Decimal numbers. Raises KeyError for an unknown `resourceType`.
    """
    entries: list[Entry] = []
    append = entries.append
    walk, computed = _plan(definitions, resource["resourceType"])
    walk(resource, append)
    for route, emitter in computed:
        for value in route.values(resource):
            emitter(value, append)
    return tuple(entries)


Walk = Callable[[Any, emit.Append], None]
_Plan = tuple[Walk, tuple[tuple[Route, emit.Emitter], ...]]
_plans: WeakKeyDictionary[SearchDefinitions, dict[str, _Plan]] = WeakKeyDictionary()


def _plan(definitions: SearchDefinitions, type_: str) -> _Plan:
    of_definitions = _plans.get(definitions)
    if of_definitions is None:
        of_definitions = _plans[definitions] = {}
    plan = of_definitions.get(type_)
    if plan is None:
        plan = of_definitions[type_] = _compile(definitions, type_)
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


def _compile(definitions: SearchDefinitions, type_: str) -> _Plan:
    root = _Node()
    computed: list[tuple[Route, emit.Emitter]] = []
    for parameter in definitions.search_parameters(type_).values():
        if (
            parameter.expression is None
            or parameter.code in COLUMNS
            or parameter.type in NOT_EXTRACTED
        ):
            continue
        for route in compile_expression(parameter.expression, type_, definitions).routes:
            if (parameter.type, route.type) in NO_MEANING:
                continue
            if any(isinstance(step, Compute) for step in route.steps):
                leaf = _Leaf(route.binding, [(parameter.code, None)])
                emitter = _emitter(definitions, parameter.type, route.type, leaf)
                computed.append((route, emitter))
            else:
                _plant(root, parameter, route)
    return _walk_properties(definitions, root), tuple(computed)


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


def _walk_properties(definitions: SearchDefinitions, node: _Node) -> Walk:
    """Return a closure that visits the properties of one JSON object that anybody wants."""
    wanted = {key: _walk_values(definitions, child) for key, child in node.branches.items()}
    get = wanted.get

    def walk(value: Any, append: emit.Append) -> None:
        for key, inner in value.items():
            step = get(key)
            if step is not None:
                step(inner, append)

    return walk


def _walk_values(definitions: SearchDefinitions, node: _Node) -> Walk:
    """Return a closure for the value of one property: one value or a list of them."""
    one = _walk_one(definitions, node)

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
        (Hop("", is_list=True, index=index, keeps=keeps), _walk_one(definitions, child))
        for (index, _), (keeps, child) in node.filtered.items()
    ]

    def walk_filtered(value: Any, append: emit.Append) -> None:
        walk_plain(value, append)
        for hop, inner in filters:
            for item in hop.values({"": value}):
                if item is not None:
                    inner(item, append)

    return walk_filtered


def _walk_one(definitions: SearchDefinitions, node: _Node) -> Walk:
    steps: list[Walk] = [
        _emitter(definitions, kind, type_, leaf) for (kind, type_), leaf in node.leaves.items()
    ]
    if node.branches:
        steps.append(_walk_properties(definitions, node))
    if len(steps) == 1:
        return steps[0]

    def walk(value: Any, append: emit.Append) -> None:
        for step in steps:
            step(value, append)

    return walk


_EMITTERS: dict[tuple[str, str], Callable[[emit.Params], emit.Emitter]] = {
    ("token", "CodeableConcept"): emit.codeable_concept,
    ("token", "Coding"): emit.coding,
    ("token", "Identifier"): emit.identifier,
    ("token", "ContactPoint"): emit.contact_point,
    ("token", "boolean"): emit.boolean,
    ("token", "string"): emit.plain_token,
    ("token", "id"): emit.plain_token,
    ("token", "uri"): emit.plain_token,
    ("reference", "canonical"): emit.canonical_reference,
    ("reference", "uri"): emit.canonical_reference,
    ("reference", "Resource"): emit.inline_resource,
    ("string", "string"): emit.string,
    ("string", "markdown"): emit.string,
    ("string", "HumanName"): emit.human_name,
    ("string", "Address"): emit.address,
    ("uri", "uri"): emit.uri,
    ("uri", "url"): emit.uri,
    ("uri", "canonical"): emit.uri,
    ("date", "date"): emit.date,
    ("date", "dateTime"): emit.date,
    ("date", "instant"): emit.date,
    ("date", "Period"): emit.period,
    ("date", "Timing"): emit.timing,
    ("number", "decimal"): emit.number,
    ("number", "integer"): emit.number,
    ("number", "Range"): emit.number_range,
    ("quantity", "Quantity"): emit.quantity,
    ("quantity", "Age"): emit.quantity,
    ("quantity", "Duration"): emit.quantity,
    ("quantity", "Money"): emit.money,
    ("quantity", "Range"): emit.quantity_range,
    ("quantity", "SampledData"): emit.sampled_data,
}


def _emitter(
    definitions: SearchDefinitions, kind: SearchType, type_: str, leaf: _Leaf
) -> emit.Emitter:
    params = tuple(param for param, _ in leaf.params)
    if (kind, type_) == ("reference", "Reference"):
        return emit.reference(tuple(leaf.params))
    if (kind, type_) == ("token", "code"):
        return emit.code(params, _systems(definitions, leaf.binding))
    return _EMITTERS[kind, type_](params)


def _systems(definitions: SearchDefinitions, binding: Binding | None) -> Mapping[str, str]:
    """Return the code system of each code of a required binding."""
    if binding is None or binding.strength != "required":
        return {}
    value_set = definitions.value_set(binding.value_set)
    if value_set is None:
        return {}
    return {code: system for system, codes in value_set.systems.items() for code in codes}
