"""Arguments of lists: search parameters of resources, conditions on elements.

A search parameter is spelled with "_" for "-", as GraphQL has no hyphens in names. A list of values
means that all of them must match, as repeating a parameter does in a URL.

Spec: https://hl7.org/fhir/R4/graphql.html#searching, https://hl7.org/fhir/R4/graphql.html#lists
"""

from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
)

from fhirserver.definitions import Definitions, Element
from fhirserver.fhirpath import FhirPathError, compile_path
from fhirserver.interactions.graphql.values import FILTER_VALUE, SEARCH_VALUE
from fhirserver.kernel.errors import BadRequest

Arguments = dict[str, GraphQLArgument]
Pairs = list[tuple[str, str]]

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 200

REFERENCE: Final = "_reference"
_CURSOR: Final = "_cursor"
_SPECIAL: Final = frozenset({"_text", "_content", "_query", "_list", "_has", "_type"})


def search_arguments(definitions: Definitions, resource_type: str) -> Arguments:
    """Return the arguments of a list of resources: its search parameters, _count, _sort, _filter."""
    value = GraphQLArgument(GraphQLList(GraphQLNonNull(SEARCH_VALUE)))
    found = {
        code.replace("-", "_"): value
        for code in definitions.search_parameters(resource_type)
        if code not in _SPECIAL
    }
    found["_filter"] = found["_sort"] = GraphQLArgument(GraphQLString)
    found["_count"] = GraphQLArgument(GraphQLInt)
    return found


def search_pairs(
    definitions: Definitions, resource_type: str, given: dict[str, Any], *, referrer: str = ""
) -> Pairs:
    """Return the search URL parameters that the arguments `given` mean.

    `referrer` is the resource that `_reference` is about. Raises `BadRequest`.
    """
    names = {code.replace("-", "_"): code for code in definitions.search_parameters(resource_type)}
    count = given.get("_count")
    if count is None:
        count = DEFAULT_COUNT
    if not 1 <= count <= MAX_COUNT:
        message = f"_count is a number from 1 to {MAX_COUNT}."
        raise BadRequest(message)
    pairs: Pairs = [("_count", str(count))]
    for name, value in given.items():
        if name == "_count" or value is None:
            continue
        if name == REFERENCE:
            code = names.get(value.replace("-", "_"))
            if (
                code is None
                or definitions.search_parameters(resource_type)[code].type != "reference"
            ):
                message = f"{resource_type} has no reference parameter {value[:60]!r}."
                raise BadRequest(message)
            pairs.append((code, referrer))
        elif name in ("_sort", "_filter", _CURSOR):
            pairs.append((name, value))
        else:
            pairs += [(names[name], one) for one in value]
    return pairs


def list_arguments(children: tuple[Element, ...], primitives: frozenset[str]) -> Arguments:
    """Return the arguments of a list of elements: conditions on its children, a part of the list.

    `primitives` are the names of the primitive types.
    """
    condition = GraphQLArgument(FILTER_VALUE)
    found = {
        child.name: condition
        for child in children
        if not child.is_choice and child.types and child.types[0].code in primitives
    }
    found["fhirpath"] = GraphQLArgument(GraphQLString)
    found["_offset"] = found["_count"] = GraphQLArgument(GraphQLInt)
    return found


def selected(
    items: list[Any], given: dict[str, Any], fhir_type: str, definitions: Definitions
) -> list[Any]:
    """Return the elements of a list that the arguments `given` ask for. Raises `BadRequest`."""
    for name, value in given.items():
        if value is None or name in ("_offset", "_count"):
            continue
        if name == "fhirpath":
            items = _by_path(items, value, fhir_type, definitions)
        else:
            items = [item for item in items if _has(item, name, value)]
    offset, count = given.get("_offset") or 0, given.get("_count")
    if offset < 0 or (count is not None and count < 0):
        message = "_offset and _count are not negative."
        raise BadRequest(message)
    return items[offset:] if count is None else items[offset : offset + count]


def _by_path(
    items: list[Any], expression: str, fhir_type: str, definitions: Definitions
) -> list[Any]:
    try:
        path = compile_path(expression)
        return [
            item
            for item in items
            if path.evaluate(item, type=fhir_type, definitions=definitions) == [True]
        ]
    except FhirPathError as error:
        message = f"The fhirpath argument cannot be evaluated: {error}"
        raise BadRequest(message) from None


def _has(item: Any, name: str, value: str) -> bool:
    found = item.get(name) if isinstance(item, dict) else None
    values = found if isinstance(found, list) else [found]
    return any(_written(one) == value for one in values if one is not None)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
