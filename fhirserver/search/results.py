"""The parameters that do not say which resources are wanted, but how they are returned.

Spec: https://hl7.org/fhir/R4/search.html#return
"""

from collections.abc import Mapping, Sequence
from typing import Final, get_args

from fhirserver.kernel.errors import BadRequest
from fhirserver.search.asked import (
    DEFAULT_COUNT,
    MAX_COUNT,
    ContainedMode,
    ContainedType,
    Include,
    Shape,
    SortBy,
    SortKey,
    Summary,
    Total,
)
from fhirserver.search.emitters import SearchDefinitions
from fhirserver.search.extract import is_extracted
from fhirserver.search.leaf import supported_parameter, supported_parameters
from fhirserver.search.protected import PROTECTED
from fhirserver.search.ranges import PRIMARY
from fhirserver.search.refusal import shown

MAX_CURSOR_LENGTH: Final = 2048
MAX_SORT_KEYS: Final = 8
MAX_INCLUDES: Final = 50
MAX_ELEMENTS: Final = 100

INCLUDES: Final = ("_include", "_revinclude")
ONCE: Final = (
    "_count",
    "_sort",
    "_cursor",
    "_total",
    "_summary",
    "_elements",
    "_contained",
    "_containedType",
    "_explain",
)
RESULT_PARAMETERS: Final = (*ONCE, *INCLUDES)
_ITERATE: Final = ("iterate", "recurse")


def count(text: str | None) -> int:
    """Return the page size, at most `MAX_COUNT`: a page may be smaller than asked for."""
    if text is None:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadRequest(f"parameter _count: expected a whole number from 0 to {MAX_COUNT}")
    return min(int(text), MAX_COUNT)


def cursor(text: str | None) -> str | None:
    """Return the opaque text of a `next` link."""
    if text is not None and not 0 < len(text) <= MAX_CURSOR_LENGTH:
        raise BadRequest("parameter _cursor: not a cursor of this server")
    return text


def total(text: str | None) -> Total:
    """Return how the total is counted: not at all when nothing is said."""
    return _TOTALS[_known("_total", text or "none", _TOTALS)]


def explain(text: str | None) -> bool:
    """Return whether the plan is wanted."""
    return _known("_explain", text or "false", {"true": True, "false": False}) == "true"


def shape(
    results: Mapping[str, str], types: Sequence[str], definitions: SearchDefinitions
) -> Shape:
    """Return how much of each resource is wanted. Raises `BadRequest`."""
    summary = _known("_summary", results.get("_summary", "false"), _SUMMARIES)
    contained = _known("_contained", results.get("_contained", "false"), _CONTAINED)
    kind = _known("_containedType", results.get("_containedType", "container"), _CONTAINED_TYPES)
    if contained != "false" and kind != "container":
        message = (
            "parameter _containedType: a match inside of a resource is returned as its container"
        )
        raise BadRequest(message)
    elements = tuple(one for one in results.get("_elements", "").split(",") if one)
    if len(elements) > MAX_ELEMENTS or any(len(one) > 64 for one in elements):
        raise BadRequest(f"parameter _elements: expected up to {MAX_ELEMENTS} element names")
    if "_elements" in results and not elements:
        raise BadRequest("parameter _elements: expected element names")
    for one in elements:
        _require_element(one, types, definitions)
    return Shape(_SUMMARIES[summary], elements, _CONTAINED[contained], _CONTAINED_TYPES[kind])


def _require_element(name: str, types: Sequence[str], definitions: SearchDefinitions) -> None:
    """Raise `BadRequest` for an element, with or without type before it, that no type has."""
    type_, dot, element = name.rpartition(".")
    if not dot:
        wanted: Sequence[str] = types
    else:
        wanted = [type_] if type_ in definitions.resource_types else []
    for one in wanted:
        if any(element == known.name for known in definitions.structure(one).elements):
            return
    raise BadRequest(f"parameter _elements: no such element: {shown(name)}")


_TOTALS: Final[dict[str, Total]] = {one: one for one in get_args(Total)}
_SUMMARIES: Final[dict[str, Summary]] = {one: one for one in get_args(Summary)}
_CONTAINED: Final[dict[str, ContainedMode]] = {one: one for one in get_args(ContainedMode)}
_CONTAINED_TYPES: Final[dict[str, ContainedType]] = {one: one for one in get_args(ContainedType)}


def _known(name: str, text: str, known: Mapping[str, object]) -> str:
    if text not in known:
        raise BadRequest(f"parameter {name}: expected one of {', '.join(known)}")
    return text


def sort(types: Sequence[str], text: str, definitions: SearchDefinitions) -> tuple[SortKey, ...]:
    """Return the order asked for; several types must all have the parameters. `BadRequest`."""
    if not text:
        return ()
    keys: dict[str, SortKey] = {}
    for part in text.split(","):
        code = part.removeprefix("-")
        if code in keys:
            raise BadRequest(f"parameter _sort: {shown(code)} is given twice")
        if len(keys) == MAX_SORT_KEYS:
            raise BadRequest(f"parameter _sort: more than {MAX_SORT_KEYS} parameters")
        ways = {_sorted_by(type_, code, definitions) for type_ in types}
        by = ways.pop() if len(ways) == 1 else "text"
        keys[code] = SortKey(by, part.startswith("-"), code)
    return tuple(keys.values())


def _sorted_by(type_: str, code: str, definitions: SearchDefinitions) -> SortBy:
    if code in _COLUMNS:
        return _COLUMNS[code]
    parameter = supported_parameter(type_, code, definitions)
    if parameter is None or not is_extracted(parameter) or parameter.type == "special":
        known = sorted(
            one.code
            for one in supported_parameters(type_, definitions).values()
            if one.type not in ("composite", "special")
        )
        raise BadRequest(
            f"parameter _sort: cannot sort {type_} by {shown(code)}; "
            f"supported: {', '.join(known)}, each with - for descending"
        )
    if parameter.type in ("number", "quantity"):
        return "range"
    if parameter.type == "date" and (type_, code) not in PROTECTED:
        return "time" if PRIMARY.get(type_) == code else "range"
    return "text"


_COLUMNS: Final[dict[str, SortBy]] = {"_lastUpdated": "last-updated", "_id": "id"}


def include(name: str, text: str, types: Sequence[str], definitions: SearchDefinitions) -> Include:
    """Return what ``_include``, ``_revinclude`` and their ``:iterate`` ask for. `BadRequest`."""
    code, colon, modifier = name.partition(":")
    if colon and modifier not in _ITERATE:
        raise BadRequest(f"parameter {shown(name)}: expected :iterate")
    reverse, iterate = code == "_revinclude", bool(colon)
    if text == "*":
        return Include(None, None, None, iterate, reverse)
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise BadRequest(f"parameter {name}: expected Type:parameter, Type:parameter:Type or *")
    source, param = parts[:2]
    target = parts[2] if len(parts) == 3 else None
    for one in (source, target):
        if one is not None:
            require_type(one, name, definitions)
    if not reverse and not iterate and source not in types:
        raise BadRequest(f"parameter {name}: {source} is not a type that is searched for")
    if param == "*":
        return Include(source, None, target, iterate, reverse)
    parameter = supported_parameter(source, param, definitions)
    if parameter is None or parameter.type != "reference":
        raise BadRequest(f"parameter {name}: {source} has no reference parameter {shown(param)}")
    if target is not None and target not in parameter.target:
        raise BadRequest(f"parameter {name}: {source}.{param} does not refer to {target}")
    return Include(source, param, target, iterate, reverse)


def require_type(name: str, parameter: str, definitions: SearchDefinitions) -> None:
    """Raise `BadRequest` when `name` is no resource type."""
    try:
        definitions.search_parameters(name)
    except KeyError:
        raise BadRequest(f"parameter {parameter}: {shown(name)} is no resource type") from None
