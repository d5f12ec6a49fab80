"""The parameters of an operation: declared, read from a query or a body, and handed over as one view.

Spec: https://hl7.org/fhir/R4/parameters.html, https://hl7.org/fhir/R4/operations.html#request
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json

# Values that travel in a query: everything else needs a Parameters resource.
_TEXTS: Final = frozenset(
    {
        "string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid",
        "date", "dateTime", "instant", "time", "base64Binary",
    }
)  # fmt: skip
_WHOLE: Final = frozenset({"integer", "positiveInt", "unsignedInt"})
_PRIMITIVES: Final = _TEXTS | _WHOLE | {"boolean", "decimal"}
_LONGEST_NUMBER: Final = 64
_LARGEST: Final = 2**31 - 1

Row = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter an operation takes.

    `type` is a FHIR data type (``code``, ``Coding``), ``Resource`` or the name of a resource type, or
    ``part`` with `parts`. At least `least`, at most `most` (None: any number). `whole_body`: the body
    may be this resource instead of a Parameters resource.
    """

    name: str
    type: str = "string"
    least: int = 0
    most: int | None = 1
    parts: tuple["Input", ...] = ()
    whole_body: bool = False

    @property
    def is_primitive(self) -> bool:
        """Whether a value can stand in a query."""
        return self.type in _PRIMITIVES

    @property
    def is_resource(self) -> bool:
        """Whether it is handed over as a resource."""
        return self.type == "Resource" or self.whole_body


@dataclass(frozen=True, slots=True)
class Parameters:
    """The values handed over, by name, in order. Every accessor returns None or () for what is missing."""

    values: Mapping[str, tuple[Any, ...]]

    @classmethod
    def of(cls, rows: Iterable[Row], declared: Sequence[Input], place: str = "") -> "Parameters":
        """Return the view. Raises `BadRequest` when one is missing or given too often."""
        found: dict[str, list[Any]] = {}
        for name, value in rows:
            found.setdefault(name, []).append(value)
        for one in declared:
            given = len(found.get(one.name, ()))
            if given < one.least:
                message = f"The parameter {place}{one.name} is needed."
                raise BadRequest(message)
            if one.most is not None and given > one.most:
                message = f"The parameter {place}{one.name} may be given {one.most} time(s)."
                raise BadRequest(message)
        return cls({name: tuple(values) for name, values in found.items()})

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def all(self, name: str) -> tuple[Any, ...]:
        """Return every value of `name`."""
        return self.values.get(name, ())

    def one(self, name: str) -> Any:
        """Return the first value of `name` as it is in JSON, None without one."""
        found = self.values.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str | None:
        """Return the value of a code, uri, string, date and the like."""
        value = self.one(name)
        return None if value is None else str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return every value of a code, uri, string, date and the like."""
        return tuple(str(value) for value in self.all(name))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean, `default` without one."""
        value = self.one(name)
        return default if value is None else bool(value)

    def number(self, name: str) -> int | None:
        """Return a whole number."""
        value = self.one(name)
        return None if value is None else int(value)

    def decimal(self, name: str) -> Decimal | None:
        """Return a decimal with its digits."""
        value = self.one(name)
        return None if value is None else Decimal(value)

    def structure(self, name: str) -> Json | None:
        """Return a Coding, CodeableConcept, Quantity, ... or a resource."""
        value = self.one(name)
        return value if isinstance(value, dict) else None

    def resource(self, name: str) -> Json | None:
        """Return a resource."""
        return self.structure(name)

    def parts(self, name: str) -> tuple["Parameters", ...]:
        """Return the groups called `name`."""
        return tuple(one for one in self.all(name) if isinstance(one, Parameters))


def read_pairs(pairs: Iterable[tuple[str, str]], declared: Mapping[str, Input]) -> list[Row]:
    """Return the rows of a query, whose names are all declared. Raises `BadRequest`."""
    rows: list[Row] = []
    for name, text in pairs:
        one = declared[name]
        if not one.is_primitive:
            message = (
                f"The parameter {name} is a {one.type}: send it in a Parameters resource by POST."
            )
            raise BadRequest(message)
        rows.append((name, _of_text(one, text)))
    return rows


def read_body(body: Json | None, declared: Sequence[Input], operation: str) -> list[Row]:
    """Return the rows of a body: a Parameters resource, or the one resource the operation takes.

    Raises `BadRequest`.
    """
    if body is None:
        return []
    whole = next((one for one in declared if one.whole_body), None)
    if body.get("resourceType") != "Parameters":
        if whole is None or not isinstance(body.get("resourceType"), str):
            message = f"{operation} takes a Parameters resource."
            raise BadRequest(message, expression="resourceType")
        return [(whole.name, _resource(whole, body, "resourceType"))]
    return _rows(body.get("parameter", []), declared, "Parameters.parameter")


def _rows(parameters: object, declared: Sequence[Input], place: str) -> list[Row]:
    if not isinstance(parameters, list):
        message = f"{place} is a list."
        raise BadRequest(message, expression=place)
    known = {one.name: one for one in declared}
    rows: list[Row] = []
    for index, parameter in enumerate(parameters):
        here = f"{place}[{index}]"
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if not isinstance(name, str) or name not in known:
            message = f"Known parameters are: {', '.join(sorted(known)) or 'none'}."
            raise BadRequest(message, expression=here)
        rows.append((name, _value(known[name], parameter, here)))
    return rows


def _value(one: Input, parameter: Json, place: str) -> Any:
    given = [key for key in parameter if key not in ("name", "id", "extension")]
    if len(given) != 1:
        message = f"The parameter {one.name} takes one value."
        raise BadRequest(message, expression=place)
    element = given[0]
    content = parameter[element]
    if one.type == "part":
        if element != "part":
            message = f"The parameter {one.name} has parts."
            raise BadRequest(message, expression=place)
        return Parameters.of(_rows(content, one.parts, f"{place}.part"), one.parts, f"{one.name}.")
    if element == "resource":
        return _resource(one, content, place)
    if element == "valueReference" and one.type == "string" and isinstance(content, dict):
        # Where a string names a resource, a Reference says the same.
        element, content = "valueString", content.get("reference")
    if not element.startswith("value") or not _fits(one.type, element[5:], content):
        message = f"The parameter {one.name} is a {one.type}."
        raise BadRequest(message, expression=place)
    return content


def _resource(one: Input, content: object, place: str) -> Json:
    """Return a resource handed over; `one.type` is checked where it names a resource type."""
    if (
        not isinstance(content, dict)
        or one.is_primitive
        or (one.type != "Resource" and content.get("resourceType") != one.type)
    ):
        message = f"The parameter {one.name} is a {one.type}."
        raise BadRequest(message, expression=place)
    return content


def _fits(wanted: str, stated: str, content: object) -> bool:
    stated = stated[:1].lower() + stated[1:]
    if wanted in _TEXTS:
        # A code sent as a string means the same code; the kinds of text are not told apart.
        return stated in _TEXTS and isinstance(content, str) and bool(content)
    if wanted in _WHOLE:
        return stated in _WHOLE and type(content) is int and _in_range(wanted, content)
    if wanted == "boolean":
        return stated == "boolean" and isinstance(content, bool)
    if wanted == "decimal":
        return stated in ("decimal", *_WHOLE) and type(content) in (int, Decimal)
    return stated == wanted[:1].lower() + wanted[1:] and isinstance(content, dict)


def _in_range(wanted: str, number: int) -> bool:
    least = {"positiveInt": 1, "unsignedInt": 0}.get(wanted, -_LARGEST - 1)
    return least <= number <= _LARGEST


def _of_text(one: Input, text: str) -> Any:
    if one.type in _TEXTS:
        if text:
            return text
    elif one.type == "boolean":
        if text in ("true", "false"):
            return text == "true"
    elif len(text) <= _LONGEST_NUMBER and text.isascii():
        digits = text.removeprefix("-")
        if one.type in _WHOLE:
            if digits.isdigit() and len(digits) <= 10 and _in_range(one.type, int(text)):
                return int(text)
        else:
            whole, _, fraction = digits.partition(".")
            if whole.isdigit() and (fraction.isdigit() or "." not in digits):
                return Decimal(text)
    message = f"The parameter {one.name} is a {one.type}."
    raise BadRequest(message)
