"""A search request: the query as data, and the parser that makes it or refuses.

Nothing is ignored: an unknown parameter, modifier or prefix, or a value that cannot be read, is
refused and named. (The specification lets servers ignore what they do not know; then a misspelt
parameter returns everything, which is no answer in a clinic.)

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fhirserver.definitions.model import SearchParameter
from fhirserver.kernel.errors import BadRequest
from fhirserver.search.condition import AnsweredBy, Condition, IdValue, Modifier, Value
from fhirserver.search.escape import split, unescape
from fhirserver.search.extract import SearchDefinitions
from fhirserver.search.protected import PROTECTED
from fhirserver.search.ranges import PRIMARY
from fhirserver.search.value import (
    ID,
    RefusedError,
    parse_date,
    parse_number,
    parse_quantity,
    parse_reference_value,
    parse_string,
    parse_token,
    parse_uri,
)

DEFAULT_COUNT: Final = 20
MAX_COUNT: Final = 1000
MAX_PAIRS: Final = 100
# All names and values of a request together, in characters.
MAX_LENGTH: Final = 200_000
MAX_VALUES: Final = 1000
MAX_VALUE_LENGTH: Final = 2048
MAX_CURSOR_LENGTH: Final = 2048
# One value can stand for many targets or calendar units: these bound a whole request.
MAX_TARGETS: Final = 5000
MAX_PROTECTED_DATES: Final = 50

_SEARCHABLE = frozenset({"token", "reference", "string", "date", "uri", "number", "quantity"})
_RESULT_PARAMETERS: Final = ("_count", "_sort", "_cursor")


@dataclass(frozen=True, slots=True)
class SortKey:
    """One level of the order: by the row's `time`, its last update or its id."""

    by: Literal["time", "last-updated", "id"]
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """Resources of `type` that meet all `conditions`, `count` (0..1000) a page.

    `sort` is empty when the caller does not mind. `cursor_key` is the opaque text of the `next`
    link (`_cursor`), which only the store can read.
    """

    type: str
    conditions: tuple[Condition, ...]
    sort: tuple[SortKey, ...]
    count: int
    cursor_key: str | None


def parse(
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    definitions: SearchDefinitions,
    *,
    base: str = "",
) -> Query:
    """Return the query of the decoded name/value `pairs` of a URL or form.

    `base` is the server's FHIR base URL: a reference given below it also means the relative one.
    Transport parameters (`_format`, `_pretty`) must have been taken out. Raises `BadRequest` naming
    the parameter, for everything that is not supported, not readable or over a bound.
    """
    if len(pairs) > MAX_PAIRS:
        raise BadRequest(f"more than {MAX_PAIRS} search parameters")
    if sum(len(name) + len(text) for name, text in pairs) > MAX_LENGTH:
        raise BadRequest(f"the search parameters are longer than {MAX_LENGTH} characters")
    parser = _Parser(resource_type, definitions, base.rstrip("/"))
    conditions: list[Condition] = []
    results: dict[str, str] = {}
    for name, text in pairs:
        if name in _RESULT_PARAMETERS:
            if name in results:
                raise BadRequest(f"parameter {name} may be given once only")
            results[name] = text
        else:
            conditions.append(parser.condition(name, text))
    return Query(
        type=resource_type,
        conditions=tuple(conditions),
        sort=parser.sort(results.get("_sort", "")),
        count=_count(results.get("_count")),
        cursor_key=_cursor(results.get("_cursor")),
    )


def supported_parameters(
    resource_type: str, definitions: SearchDefinitions
) -> Mapping[str, SearchParameter]:
    """Return the search parameters of a type that `parse` accepts, by code."""
    return {
        code: parameter
        for code, parameter in definitions.search_parameters(resource_type).items()
        if parameter.type in _SEARCHABLE and parameter.expression is not None
    }


class _Parser:
    def __init__(self, type_: str, definitions: SearchDefinitions, base: str) -> None:
        self._type = type_
        self._parameters = supported_parameters(type_, definitions)
        self._definitions = definitions
        self._base = base
        self._targets = 0
        self._protected = 0

    def condition(self, name: str, text: str) -> Condition:
        code, colon, modifier = name.partition(":")
        parameter = self._parameters.get(code)
        if parameter is None:
            raise BadRequest(self._unknown(name))
        if colon and not self._takes(parameter, modifier):
            raise BadRequest(self._unknown_modifier(parameter, name))
        answered_by = self._answered_by(parameter)
        if modifier == "missing":
            if text not in ("true", "false"):
                raise BadRequest(f"parameter {name}: the value must be true or false")
            return Condition(code, parameter.type, "missing", (), "terms", text == "true")
        parts = split(text, ",")
        if len(parts) > MAX_VALUES:
            raise BadRequest(f"parameter {name}: more than {MAX_VALUES} values")
        values = tuple(self._value(parameter, name, modifier, part) for part in parts)
        kept: Modifier | None = None
        if modifier == "exact":
            kept = "exact"
        elif modifier == "not":
            kept = "not"
        return Condition(code, parameter.type, kept, values, answered_by)

    def sort(self, text: str) -> tuple[SortKey, ...]:
        if not text:
            return ()
        primary = PRIMARY.get(self._type)
        known: dict[str, Literal["time", "last-updated", "id"]] = {
            "_lastUpdated": "last-updated",
            "_id": "id",
        }
        if primary is not None:
            known[primary] = "time"
        keys: dict[str, SortKey] = {}
        for part in text.split(","):
            code = part.removeprefix("-")
            by = known.get(code)
            if by is None:
                raise BadRequest(
                    f"parameter _sort: cannot sort {self._type} by {_shown(code)}; "
                    f"supported: {', '.join(sorted(known))}, each with - for descending"
                )
            if code in keys:
                raise BadRequest(f"parameter _sort: {code} is given twice")
            keys[code] = SortKey(by, part.startswith("-"))
        return tuple(keys.values())

    def _value(self, parameter: SearchParameter, name: str, modifier: str, text: str) -> Value:
        if len(text) > MAX_VALUE_LENGTH:
            raise BadRequest(f"parameter {name}: a value is longer than {MAX_VALUE_LENGTH}")
        try:
            # A lone surrogate is no character: it could be neither hashed nor stored.
            text.encode()
            value = self._read(parameter, modifier, text)
        except UnicodeEncodeError:
            raise BadRequest(f"parameter {name}: a value is not Unicode text") from None
        except RefusedError as refusal:
            raise BadRequest(f"parameter {name}: {refusal}") from None
        return value

    def _read(self, parameter: SearchParameter, modifier: str, text: str) -> Value:
        if not text:
            raise RefusedError("a value is empty")
        if parameter.code == "_id":
            id_ = unescape(text)
            if ID.fullmatch(id_) is None:
                raise RefusedError("not a resource id")
            return IdValue(id_)
        match parameter.type:
            case "token":
                return parse_token(text)
            case "string":
                return parse_string(text)
            case "uri":
                return parse_uri(text)
            case "date":
                self._protected += (self._type, parameter.code) in PROTECTED
                if self._protected > MAX_PROTECTED_DATES:
                    raise RefusedError(f"more than {MAX_PROTECTED_DATES} dates")
                return parse_date(text)
            case "number":
                return parse_number(text)
            case "quantity":
                return parse_quantity(text)
        targets = (modifier,) if modifier else self._target_types(parameter)
        value = parse_reference_value(text, targets, self._definitions, self._base)
        self._targets += len(value.targets)
        if self._targets > MAX_TARGETS:
            raise RefusedError("too many possible targets; write Type/id instead of id")
        return value

    def _target_types(self, parameter: SearchParameter) -> tuple[str, ...]:
        """The types the parameter can point at; `where(resolve() is X)` leaves only X."""
        expression = parameter.expression or ""
        if " | " not in expression:
            _, restricted, rest = expression.partition(".where(resolve() is ")
            if restricted:
                return (rest.removesuffix(")"),)
        return parameter.target

    def _answered_by(self, parameter: SearchParameter) -> AnsweredBy:
        if parameter.code == "_id":
            return "id"
        if parameter.code == "_lastUpdated":
            return "last-updated"
        if parameter.type in ("number", "quantity"):
            return "range"
        if parameter.type != "date" or (self._type, parameter.code) in PROTECTED:
            return "terms"
        return "time" if PRIMARY.get(self._type) == parameter.code else "range"

    def _modifiers(self, parameter: SearchParameter) -> tuple[str, ...]:
        if parameter.code in ("_id", "_lastUpdated"):
            return ()
        match parameter.type:
            case "string":
                return ("exact", "missing")
            case "token":
                return ("missing", "not")
            case _:
                return ("missing",)

    def _takes(self, parameter: SearchParameter, modifier: str) -> bool:
        if parameter.type == "reference" and modifier in parameter.target:
            return True
        return modifier in self._modifiers(parameter)

    def _unknown(self, name: str) -> str:
        known = [*sorted(self._parameters), *_RESULT_PARAMETERS]
        return (
            f"search parameter {_shown(name)} is not supported for {self._type}; "
            f"supported: {', '.join(known)}"
        )

    def _unknown_modifier(self, parameter: SearchParameter, name: str) -> str:
        known = [f":{modifier}" for modifier in self._modifiers(parameter)]
        if parameter.type == "reference":
            known.append(":Type (one of " + ", ".join(parameter.target) + ")")
        return (
            f"search parameter {_shown(name)}: this modifier is not supported; "
            f"supported: {', '.join(known) or 'none'}"
        )


def _count(text: str | None) -> int:
    if text is None:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadRequest(f"parameter _count: expected a whole number from 0 to {MAX_COUNT}")
    # The specification lets a page be smaller than asked for, never larger.
    return min(int(text), MAX_COUNT)


def _cursor(text: str | None) -> str | None:
    if text is not None and not 0 < len(text) <= MAX_CURSOR_LENGTH:
        raise BadRequest("parameter _cursor: not a cursor of this server")
    return text


def _shown(text: str) -> str:
    """Return a caller's own text for an error message, bounded."""
    return repr(text if len(text) <= 64 else text[:64] + "...")
