"""Which concepts of a code system a filter of a value set selects.

Spec: https://hl7.org/fhir/R4/valueset.html#filters, https://hl7.org/fhir/R4/codesystem.html#filters
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import re2

from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.terminology.code_system import CodeSystem, Concept

MAX_PATTERN: Final = 1000  # characters of a regular expression
_MEMORY: Final = 1 << 20  # bytes RE2 may use for one; beyond it refuses instead of slowing down

_HIERARCHY: Final = frozenset({"is-a", "descendent-of", "is-not-a", "generalizes"})
_CODE: Final = frozenset({"concept", "code"})
_BUILT_IN: Final = frozenset({"display", "definition", "parent", "child", "inactive", "status"})


def select(system: CodeSystem, row: Json) -> frozenset[str]:
    """Return the codes that the filter `row` (property, op, value) selects.

    Raises `Unprocessable` for a filter the code system does not define, an operator that does not
    exist, and a bad regular expression.
    """
    name, operator, value = (str(row.get(key, "")) for key in ("property", "op", "value"))
    if operator in _HIERARCHY:
        if name not in _CODE:
            raise _refused(system, name, operator)
        return _by_hierarchy(system, operator, value)
    accepts = _test(operator, value)
    if accepts is None or not (name in _CODE or name in _BUILT_IN or _known(system, name)):
        raise _refused(system, name, operator)
    return frozenset(
        concept.code
        for concept in system.concepts.values()
        if accepts(list(_values(concept, name)))
    )


def _by_hierarchy(system: CodeSystem, operator: str, value: str) -> frozenset[str]:
    match operator:
        case "is-a":
            return system.descendants(value)
        case "descendent-of":
            return system.descendants(value) - {value}
        case "is-not-a":
            return frozenset(system.concepts) - system.descendants(value)
        case _:
            return system.ancestors(value)


def _test(operator: str, value: str) -> Callable[[list[str]], bool] | None:
    """Return what decides about the values of one concept, None for an unknown operator."""
    match operator:
        case "=":
            return lambda values: value in values
        case "in":
            wanted = {one.strip() for one in value.split(",")}
            return lambda values: not wanted.isdisjoint(values)
        case "not-in":
            unwanted = {one.strip() for one in value.split(",")}
            return unwanted.isdisjoint
        case "exists":
            return lambda values: bool(values) == (value == "true")
        case "regex":
            pattern = _pattern(value)
            return lambda values: any(pattern.fullmatch(one) is not None for one in values)
        case _:
            return None


@lru_cache(maxsize=256)
def _pattern(text: str) -> Any:
    """Compile with RE2: whatever the pattern, matching takes linear time."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    message = "A filter's regular expression is malformed, too long or not RE2 syntax."
    refusal = Unprocessable(message, expression="ValueSet.compose.include.filter.value")
    if len(text) > MAX_PATTERN:
        raise refusal
    try:
        return re2.compile(text, options)
    except re2.error:
        raise refusal from None


def _values(concept: Concept, name: str) -> Iterator[str]:
    if name in _CODE:
        yield concept.code
    elif name == "display":
        yield from () if concept.display is None else (concept.display,)
    elif name == "definition":
        yield from () if concept.definition is None else (concept.definition,)
    elif name == "parent":
        yield from concept.parents
    elif name == "child":
        yield from concept.children
    elif name == "inactive":
        yield "true" if concept.inactive else "false"
    else:
        for one in concept.properties:
            if one.code == name:
                yield _text(one.value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _known(system: CodeSystem, name: str) -> bool:
    return name in system.declared or any(
        one.code == name for concept in system.concepts.values() for one in concept.properties
    )


def _refused(system: CodeSystem, name: str, operator: str) -> Unprocessable:
    message = f"{system.url} has no filter {name[:60]!r} with the operator {operator[:20]!r}."
    return Unprocessable(message, expression="ValueSet.compose.include.filter")
