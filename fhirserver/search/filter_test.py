"""One test of a `_filter`: a parameter, an operation and a value.

Spec: https://hl7.org/fhir/R4/search_filter.html
"""

from dataclasses import replace
from typing import Final

from fhirserver.definitions.model import SearchParameter
from fhirserver.kernel.errors import BadRequest
from fhirserver.search.condition import Condition, DateValue, Modifier, StringValue, UriValue, Value
from fhirserver.search.criterion import Criterion, Not
from fhirserver.search.leaf import MAX_VALUE_LENGTH, WORDS
from fhirserver.search.names import LIST, Names
from fhirserver.search.normalize import normalize
from fhirserver.search.refusal import shown

OPERATIONS: Final = (
    "eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb",
    "pr", "po", "ss", "sb", "in", "ni", "re",
)  # fmt: skip
_PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")
_TEXTUAL: Final[dict[str, Modifier]] = {
    "eq": "equals",
    "ne": "unequal",
    "co": "contains",
    "sw": "begins",
    "ew": "ends",
}
# What each operation of tokens is as a modifier: the value subsumes what is above, and so on.
_CODED: Final = {"eq": "", "ss": "below", "sb": "above", "in": "in", "ni": "not-in"}


def filter_test(type_: str, name: str, operation: str, value: str, names: Names) -> Criterion:
    """Return the criterion for ``name operation value``. Raises `BadRequest`."""
    code, colon, modifier = name.partition(":")
    if (name == LIST and operation in ("eq", "in")) or (name in WORDS and operation == "co"):
        return names.criterion(type_, name, value)
    parameter = names.parameter(type_, "_id" if code == "id" else code)
    if colon and (parameter.type != "reference" or modifier not in parameter.target):
        raise BadRequest(f"parameter _filter: {shown(name)}: a filter takes no modifiers")
    if operation == "pr":
        if parameter.type == "composite" or parameter.code in ("_id", "_lastUpdated"):
            raise _unfit(parameter, operation)
        if value not in ("true", "false"):
            raise BadRequest("parameter _filter: the value of pr is true or false")
        missing = "false" if value == "true" else "true"
        return names.pair(type_, parameter.code, "missing", [missing], "_filter")
    match parameter.type:
        case "date" | "number" | "quantity":
            return _ranged(type_, parameter, operation, value, names)
        case "string" | "uri":
            return _textual(parameter, operation, value)
        case "token":
            return _coded(type_, parameter, operation, value, names)
        case "reference" if operation in ("eq", "re", "ne"):
            found = names.pair(type_, parameter.code, modifier, [value], "_filter")
            return _unequal(found) if operation == "ne" else found
        case "composite" | "special" if operation == "eq":
            return names.pair(type_, parameter.code, "", [value], "_filter")
    raise _unfit(parameter, operation)


def _ranged(
    type_: str, parameter: SearchParameter, operation: str, value: str, names: Names
) -> Criterion:
    if operation == "po" and parameter.type == "date":
        found = names.pair(type_, parameter.code, "", ["eq" + value], "_filter")
        if isinstance(found, Condition):
            return replace(found, values=tuple(_overlapping(one) for one in found.values))
    if operation not in _PREFIXES:
        raise _unfit(parameter, operation)
    return names.pair(type_, parameter.code, "", [operation + value], "_filter")


def _overlapping(value: Value) -> Value:
    return replace(value, prefix="po") if isinstance(value, DateValue) else value


def _textual(parameter: SearchParameter, operation: str, value: str) -> Criterion:
    modifier = _TEXTUAL.get(operation)
    if modifier is None:
        raise _unfit(parameter, operation)
    folded = normalize(value)
    if not folded or len(value) > MAX_VALUE_LENGTH:
        raise BadRequest(
            f"parameter _filter: a text has 1 to {MAX_VALUE_LENGTH} characters, not only blanks"
        )
    asked = UriValue(value) if parameter.type == "uri" else StringValue(value, folded)
    return Condition(parameter.code, parameter.type, modifier, (asked,), "terms")


def _coded(
    type_: str, parameter: SearchParameter, operation: str, value: str, names: Names
) -> Criterion:
    modifier = "" if operation == "ne" else _CODED.get(operation)
    if modifier is None or (modifier and parameter.code == "_id"):
        raise _unfit(parameter, operation)
    found = names.pair(type_, parameter.code, modifier, [value], "_filter")
    return _unequal(found) if operation == "ne" else found


def _unequal(found: Criterion) -> Criterion:
    """Return what some other value meets; a resource has one id only, so that is not this one."""
    if isinstance(found, Condition) and found.answered_by != "id":
        return replace(found, modifier="unequal")
    return Not(found)


def _unfit(parameter: SearchParameter, operation: str) -> BadRequest:
    return BadRequest(
        f"parameter _filter: {operation} cannot be used with {parameter.code}, "
        f"which is a {parameter.type}"
    )
