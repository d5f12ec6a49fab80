"""What items mean to operators: their plain value, equality, order, truth.

Spec: https://hl7.org/fhirpath/N1/#equality, https://hl7.org/fhirpath/N1/#comparison,
https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
"""

from collections.abc import Hashable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fhirserver.fhirpath import quantity as quantities
from fhirserver.fhirpath import temporal as temporals
from fhirserver.fhirpath.errors import EvaluationError
from fhirserver.fhirpath.node import Node
from fhirserver.fhirpath.quantity import QUANTITY_TYPES, Quantity
from fhirserver.fhirpath.scope import Items, Run
from fhirserver.fhirpath.temporal import Temporal, parse_calendar, parse_clock

_CALENDAR: Final[dict[str, temporals.Kind]] = {
    "date": "date",
    "dateTime": "dateTime",
    "instant": "dateTime",
}

_SYSTEM_TYPES: Final[dict[type, str]] = {
    bool: "Boolean",
    int: "Integer",
    Decimal: "Decimal",
    str: "String",
    Quantity: "Quantity",
}

_KINDS: Final = {"date": "Date", "dateTime": "DateTime", "time": "Time"}


class TypeInfo(NamedTuple):
    """What type() gives."""

    namespace: str
    name: str


def plain(item: Any) -> Any:
    """Return the System value of an item.

    A Node of a primitive type becomes its value (None if it has none), a Quantity a `Quantity`
    where it states a number; any other Node, and every System value, is returned as it is.
    """
    if type(item) is not Node:
        return item
    value, type_ = item.value, item.type
    if type(value) is dict:
        if type_ in QUANTITY_TYPES:
            found = quantities.from_json(value)
            return item if found is None else found
        return item
    if type(value) is str:
        if type_ in _CALENDAR:
            return parse_calendar(value, _CALENDAR[type_]) or value
        if type_ == "time":
            return parse_clock(value) or value
    elif type_ == "decimal" and type(value) is int:
        return Decimal(value)
    return value


def single(items: Items, what: str) -> Any:
    """Return the plain value of the one item, None when there is none.

    Raises `EvaluationError` for several.
    """
    if not items:
        return None
    if len(items) > 1:
        raise EvaluationError(f"{what} takes one item, there are {len(items)}")
    return plain(items[0])


def text(items: Items, what: str) -> str | None:
    """The one string. `EvaluationError` for anything else but nothing."""
    value = single(items, what)
    if value is not None and type(value) is not str:
        raise EvaluationError(f"{what} takes a string")
    return value


def integer(items: Items, what: str) -> int | None:
    """The one whole number. `EvaluationError` for anything else but nothing."""
    value = single(items, what)
    if value is not None and type(value) is not int:
        raise EvaluationError(f"{what} takes an integer")
    return value


def truth(items: Items, what: str = "a logical operator") -> bool | None:
    """The items as a logical operand: nothing is None, a single item that is no boolean True."""
    if not items:
        return None
    if len(items) > 1:
        raise EvaluationError(f"{what} takes one item, there are {len(items)}")
    value = items[0]
    if type(value) is Node:
        value = value.value
    return value if type(value) is bool else True


def type_of(item: Any) -> TypeInfo:
    """The type of an item: of FHIR for what stands in a resource, else of System."""
    if type(item) is Node:
        return TypeInfo("FHIR", item.type)
    if type(item) is Temporal:
        return TypeInfo("System", _KINDS[item.kind])
    return TypeInfo("System", _SYSTEM_TYPES.get(type(item), "Any"))


def to_json(item: Any) -> Any:
    """Return the item as JSON; None for an element without a value."""
    if type(item) is Node:
        return item.value
    if type(item) is Temporal:
        return item.text
    if type(item) is Quantity:
        return item.to_json()
    if type(item) is TypeInfo:
        return {"namespace": item.namespace, "name": item.name}
    return item


def equal(left: Any, right: Any) -> bool | None:
    """Whether two items are equal; None where precision or unit leaves it open."""
    one, other = plain(left), plain(right)
    if type(one) is Temporal and type(other) is Temporal:
        if (one.kind == "time") is not (other.kind == "time"):
            return False
        found = temporals.order(one, other)
        return None if found is None else found == 0
    if type(one) is Quantity or type(other) is Quantity:
        first, second = as_quantity(one), as_quantity(other)
        if first is None or second is None:
            return False
        found = quantities.order(first, second)
        return None if found is None else found == 0
    if type(one) is Node:
        one = one.value
    if type(other) is Node:
        other = other.value
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other)


def equal_collections(left: Items, right: Items) -> bool | None:
    """The operator ``=``: None where either side is empty or a pair cannot be compared."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    unknown = False
    for one, other in zip(left, right, strict=True):
        same = equal(one, other)
        if same is False:
            return False
        unknown = unknown or same is None
    return None if unknown else True


def as_quantity(value: Any) -> Quantity | None:
    """A quantity, or a number as one without unit."""
    if type(value) is Quantity:
        return value
    return Quantity(Decimal(value)) if type(value) in (int, Decimal) else None


def compare(left: Any, right: Any) -> int | None:
    """Return the order of two plain values as -1, 0 or 1, None where it is open.

    Raises `EvaluationError` for values that have no order, or not among each other.
    """
    kinds = type(left), type(right)
    if kinds == (Temporal, Temporal) and (left.kind == "time") is (right.kind == "time"):
        return temporals.order(left, right)
    if kinds == (str, str) or (kinds[0] in (int, Decimal) and kinds[1] in (int, Decimal)):
        return int(left > right) - int(left < right)
    if Quantity in kinds:
        one, other = as_quantity(left), as_quantity(right)
        if one is not None and other is not None:
            return quantities.order(one, other)
    raise EvaluationError("these values have no order")


def key(item: Any, run: Run) -> Hashable:
    """A key that equal items share, for sets of them; costs as much as the item is large."""
    value = plain(item)
    if type(value) is Node:
        return "json", _frozen(value.value, run)
    if type(value) is Temporal:
        return "temporal", temporals.identity(value)
    if type(value) is Quantity:
        return "quantity", quantities.measure(value)
    run.spend(1)
    if type(value) in (int, Decimal):
        return "number", value
    if type(value) is dict or type(value) is list:
        return "json", _frozen(value, run)
    return type(value).__name__, value


def _frozen(value: Any, run: Run) -> Hashable:
    run.spend(1)
    if type(value) is dict:
        return frozenset((name, _frozen(inner, run)) for name, inner in value.items())
    if type(value) is list:
        return tuple(_frozen(inner, run) for inner in value)
    if type(value) is bool:
        return "boolean", value
    return value if isinstance(value, Hashable) else repr(value)


def distinct(items: Items, run: Run) -> Items:
    """The items without repetition, the first of each kept."""
    seen: set[Hashable] = set()
    found: Items = []
    for item in items:
        mark = key(item, run)
        if mark not in seen:
            seen.add(mark)
            found.append(item)
    return found
