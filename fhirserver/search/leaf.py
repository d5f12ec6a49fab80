"""One parameter of a request, without chains: from its values to a condition.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fhirserver.definitions.model import SearchComponent, SearchParameter, SearchType
from fhirserver.kernel.errors import BadRequest
from fhirserver.search.composite import components, is_single
from fhirserver.search.condition import (
    AnsweredBy,
    Condition,
    IdValue,
    MembersValue,
    Modifier,
    Value,
)
from fhirserver.search.criterion import AnyOf, Composite, Criterion
from fhirserver.search.emitters import SearchDefinitions
from fhirserver.search.escape import split, unescape
from fhirserver.search.extract import is_extracted
from fhirserver.search.hierarchy import along_hierarchy
from fhirserver.search.modifiers import modifiers
from fhirserver.search.protected import PROTECTED
from fhirserver.search.ranges import PRIMARY
from fhirserver.search.refusal import OverBoundError
from fhirserver.search.terminology import Terminology, in_value_set, related_codes
from fhirserver.search.value import (
    ID,
    RefusedError,
    parse_date,
    parse_near,
    parse_number,
    parse_of_type,
    parse_quantity,
    parse_reference_value,
    parse_string,
    parse_token,
    parse_uri,
)

MAX_VALUES: Final = 1000
MAX_VALUE_LENGTH: Final = 2048
# One value can stand for many targets or calendar units: these bound a whole request.
MAX_TARGETS: Final = 5000
MAX_PROTECTED_DATES: Final = 50

WORDS: Final = ("_text", "_content")

# What `Condition.modifier` keeps; the others are dealt with here.
_KEPT: Final[dict[str, Modifier]] = {
    "exact": "exact",
    "not": "not",
    "contains": "contains",
    "text": "text",
    "in": "in",
    "not-in": "not-in",
    "above": "above",
    "below": "below",
    "of-type": "of-type",
    "identifier": "identifier",
    "equals": "equals",
    "unequal": "unequal",
    "ends": "ends",
    "begins": "begins",
}


def supported_parameters(
    resource_type: str, definitions: SearchDefinitions
) -> Mapping[str, SearchParameter]:
    """Return the search parameters of a type that `parse` accepts, by code; not `_query`."""
    return {
        code: parameter
        for code, parameter in definitions.search_parameters(resource_type).items()
        if parameter.expression is not None or code in WORDS
    }


def supported_parameter(
    resource_type: str, code: str, definitions: SearchDefinitions
) -> SearchParameter | None:
    """Return the search parameter of a type that `parse` accepts by this code, None without one."""
    parameter = definitions.search_parameters(resource_type).get(code)
    if parameter is None or (parameter.expression is None and code not in WORDS):
        return None
    return parameter


class Leaves:
    """Makes conditions, and counts what the whole request asks for."""

    def __init__(
        self, definitions: SearchDefinitions, terminology: Terminology | None, base: str
    ) -> None:
        self._definitions = definitions
        self._terminology = terminology
        self._base = base
        self._targets = 0
        self._protected = 0

    def criterion(
        self,
        type_: str,
        parameter: SearchParameter,
        modifier: str,
        texts: Sequence[str],
        name: str,
    ) -> Criterion:
        """Return the criterion for `texts`, still escaped, any of which is to be met.

        `modifier` is "" for none, and must be one the parameter takes; `name` is what the caller
        wrote. Raises `BadRequest`.
        """
        if modifier == "missing":
            return self._missing(parameter, texts, name)
        if len(texts) > MAX_VALUES:
            raise OverBoundError(f"parameter {name}: more than {MAX_VALUES} values")
        for text in texts:
            self._check_text(text, name)
        try:
            if parameter.type == "composite":
                return self._composite(type_, parameter, texts)
            if parameter.type == "special":
                return AnyOf(tuple(parse_near(parameter.code, text) for text in texts))
            if parameter.type == "reference" and modifier in ("above", "below"):
                return self._along_hierarchy(type_, parameter, modifier, texts)
            values = tuple(
                value
                for text in texts
                for value in self._values(type_, parameter, modifier, text, name)
            )
        except RefusedError as refusal:
            raise BadRequest(f"parameter {name}: {refusal}") from None
        return Condition(
            parameter.code,
            parameter.type,
            _KEPT.get(modifier),
            values,
            self._answered_by(type_, parameter, modifier, values),
        )

    def takes(self, type_: str, parameter: SearchParameter, modifier: str) -> bool:
        """Whether the parameter takes the modifier (or type of target)."""
        if parameter.type == "reference" and modifier in parameter.target:
            return True
        return modifier in modifiers(type_, parameter, self._definitions)

    def _missing(self, parameter: SearchParameter, texts: Sequence[str], name: str) -> Condition:
        if list(texts) not in (["true"], ["false"]):
            raise BadRequest(f"parameter {name}: the value must be true or false")
        wanted = texts[0] == "true"
        return Condition(parameter.code, parameter.type, "missing", (), "terms", wanted)

    def _check_text(self, text: str, name: str) -> None:
        if not text:
            raise BadRequest(f"parameter {name}: a value is empty")
        if len(text) > MAX_VALUE_LENGTH:
            raise BadRequest(f"parameter {name}: a value is longer than {MAX_VALUE_LENGTH}")
        try:
            # A lone surrogate is no character: it could be neither hashed nor stored.
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest(f"parameter {name}: a value is not Unicode text") from None

    def _values(
        self, type_: str, parameter: SearchParameter, modifier: str, text: str, name: str
    ) -> tuple[Value, ...]:
        if parameter.type == "token" and modifier in ("in", "not-in"):
            return in_value_set(text, name, self._terminology)
        if parameter.type == "token" and modifier in ("above", "below"):
            return related_codes(text, name, modifier, self._terminology)
        return (self._value(type_, parameter, modifier, text),)

    def _value(self, type_: str, parameter: SearchParameter, modifier: str, text: str) -> Value:
        if parameter.code == "_id":
            return _id_value(text)
        if parameter.type == "reference" and modifier != "identifier":
            return self._reference(parameter, modifier, text)
        if parameter.type == "date":
            self._count_protected(type_, parameter)
        read = _READERS_BY_MODIFIER.get(modifier) or _READERS[parameter.type]
        return read(text)

    def _reference(self, parameter: SearchParameter, modifier: str, text: str) -> Value:
        targets = (modifier,) if modifier in parameter.target else target_types(parameter)
        value = parse_reference_value(text, targets, self._definitions, self._base)
        self._targets += len(value.targets)
        if self._targets > MAX_TARGETS:
            raise RefusedError("too many possible targets; write Type/id instead of id")
        return value

    def _along_hierarchy(
        self, type_: str, parameter: SearchParameter, modifier: str, texts: Sequence[str]
    ) -> Criterion:
        return AnyOf(tuple(along_hierarchy(parameter, modifier, text) for text in texts))

    def _composite(self, type_: str, parameter: SearchParameter, texts: Sequence[str]) -> Composite:
        parts = components(type_, parameter)
        alternatives: list[tuple[Condition, ...]] = []
        for text in texts:
            values = split(text, "$")
            if len(values) != len(parts) or not all(values):
                codes = "$".join(part.code for part in parts)
                raise RefusedError(f"expected {len(parts)} values: {codes}")
            pairs = zip(parts, values, strict=True)
            alternatives.append(tuple(self._part(type_, part, value) for part, value in pairs))
        exact = is_single(type_, parameter, self._definitions)
        return Composite(parameter.code, tuple(alternatives), exact)

    def _part(self, type_: str, component: SearchComponent, text: str) -> Condition:
        known = self._definitions.indexed_parameters(type_).get(component.code)
        code, kind, url = component.code, component.type, component.url
        targets = () if known is None else known.target
        part = SearchParameter(code, kind, None, targets, (), url)
        value = self._value(type_, part, "", text)
        indexed = known is not None and is_extracted(known) and known.url == url
        answered_by = self._answered_by(type_, part, "", (value,)) if indexed else "scan"
        return Condition(code, kind, None, (value,), answered_by)

    def _count_protected(self, type_: str, parameter: SearchParameter) -> None:
        self._protected += (type_, parameter.code) in PROTECTED
        if self._protected > MAX_PROTECTED_DATES:
            raise RefusedError(f"more than {MAX_PROTECTED_DATES} dates")

    def _answered_by(
        self, type_: str, parameter: SearchParameter, modifier: str, values: tuple[Value, ...]
    ) -> AnsweredBy:
        if parameter.code == "_id":
            return "id"
        if parameter.code == "_lastUpdated":
            return "last-updated"
        if parameter.type in ("number", "quantity"):
            return "range"
        if parameter.type == "date" and (type_, parameter.code) not in PROTECTED:
            return "time" if PRIMARY.get(type_) == parameter.code else "range"
        unlisted = any(isinstance(value, MembersValue) for value in values)
        return "scan" if modifier == "not-in" and unlisted else "terms"


_READERS_BY_MODIFIER: Final[dict[str, Callable[[str], Value]]] = {
    "of-type": parse_of_type,
    "text": parse_string,
    "identifier": parse_token,
}
_READERS: Final[dict[SearchType, Callable[[str], Value]]] = {
    "token": parse_token,
    "string": parse_string,
    "uri": parse_uri,
    "date": parse_date,
    "number": parse_number,
    "quantity": parse_quantity,
}


def _id_value(text: str) -> IdValue:
    id_ = unescape(text)
    if ID.fullmatch(id_) is None:
        raise RefusedError("not a resource id")
    return IdValue(id_)


def target_types(parameter: SearchParameter) -> tuple[str, ...]:
    """The types the parameter can point at; `where(resolve() is X)` leaves only X."""
    expression = parameter.expression or ""
    if " | " not in expression:
        _, restricted, rest = expression.partition(".where(resolve() is ")
        if restricted:
            return (rest.removesuffix(")"),)
    return parameter.target
