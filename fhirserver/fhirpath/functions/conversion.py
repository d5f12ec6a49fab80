"""Conversion between the System types: toX() and convertsToX().

Spec: https://hl7.org/fhirpath/N1/#conversion
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhirserver.fhirpath import quantity as quantities
from fhirserver.fhirpath.functions.signature import Signature, on_values
from fhirserver.fhirpath.quantity import Quantity
from fhirserver.fhirpath.scope import Items, Scope
from fhirserver.fhirpath.syntax import MAX_INTEGER
from fhirserver.fhirpath.temporal import (
    DAY,
    Temporal,
    parse_calendar,
    parse_clock,
    temporal,
)
from fhirserver.fhirpath.values import single

MAX_NUMBER: Final = 60
"""Characters of a number in a string."""

TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})

_INTEGER = re.compile(r"[+-]?\d+").fullmatch
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?").fullmatch


def to_boolean(value: Any) -> bool | None:
    """Return a boolean for what names one."""
    if type(value) is bool:
        return value
    if type(value) is str:
        word = value.lower()
        return True if word in TRUE else False if word in FALSE else None
    if type(value) in (int, Decimal):
        return True if value == 1 else False if value == 0 else None
    return None


def to_integer(value: Any) -> int | None:
    """Return an integer for an integer, a boolean, or a string of digits."""
    if type(value) is int:
        return value
    if type(value) is bool:
        return int(value)
    if type(value) is str and len(value) <= MAX_NUMBER and _INTEGER(value) is not None:
        found = int(value)
        return found if -MAX_INTEGER - 1 <= found <= MAX_INTEGER else None
    return None


def to_decimal(value: Any) -> Decimal | None:
    """Return a decimal for a number, a boolean, or a string that is one."""
    if type(value) in (int, bool, Decimal):
        return Decimal(value)
    if type(value) is str and len(value) <= MAX_NUMBER and _DECIMAL(value) is not None:
        return Decimal(value)
    return None


def to_string(value: Any) -> str | None:
    """Return any System value as text."""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return f"{value:f}"
    return str(value) if type(value) in (int, Temporal, Quantity) else None


def to_date(value: Any) -> Temporal | None:
    """Return the date of a date, a dateTime or a string."""
    if type(value) is str:
        value = parse_calendar(value) if len(value) <= MAX_NUMBER else None
    if type(value) is not Temporal or value.kind == "time":
        return None
    return value if value.kind == "date" else temporal("date", value.fields[:DAY])


def to_date_time(value: Any) -> Temporal | None:
    """Return the dateTime of a dateTime, a date or a string."""
    if type(value) is str:
        return parse_calendar(value, "dateTime") if len(value) <= MAX_NUMBER else None
    if type(value) is not Temporal or value.kind == "time":
        return None
    return Temporal("dateTime", value.fields, value.offset, value.text)


def to_time(value: Any) -> Temporal | None:
    """Return the time of a time or a string."""
    if type(value) is str:
        return parse_clock(value.removeprefix("T")) if len(value) <= MAX_NUMBER else None
    return value if type(value) is Temporal and value.kind == "time" else None


def to_quantity(value: Any) -> Quantity | None:
    """Return the quantity of a quantity, a number, a boolean or a string."""
    if type(value) is Quantity:
        return value
    if type(value) is str:
        return quantities.from_text(value) if len(value) <= MAX_NUMBER else None
    number = to_decimal(value)
    return None if number is None else Quantity(number)


def _conversion(name: str, convert: Callable[[Any], Any]) -> Signature:
    def call(_scope: Scope, items: Items) -> Items:
        value = single(items, name)
        found = None if value is None else convert(value)
        return [] if found is None else [found]

    return on_values(call)


def _test(name: str, convert: Callable[[Any], Any]) -> Signature:
    def call(_scope: Scope, items: Items) -> Items:
        value = single(items, name)
        return [] if value is None else [convert(value) is not None]

    return on_values(call)


def _to_quantity(_scope: Scope, items: Items, unit: Items | None = None) -> Items:
    value = single(items, "toQuantity()")
    found = None if value is None else to_quantity(value)
    return _in_unit(found, unit)


def _converts_to_quantity(_scope: Scope, items: Items, unit: Items | None = None) -> Items:
    value = single(items, "convertsToQuantity()")
    return [] if value is None else [bool(_in_unit(to_quantity(value), unit))]


def _in_unit(found: Quantity | None, unit: Items | None) -> Items:
    """The quantity in the unit asked for, nothing where it does not convert."""
    if found is None:
        return []
    wanted = single(unit, "toQuantity()") if unit is not None else None
    if wanted is None:
        return [found]
    made = quantities.plus(quantities.literal(Decimal(0), str(wanted)), found)
    return [] if made is None else [made]


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "String": to_string,
    "Date": to_date,
    "DateTime": to_date_time,
    "Time": to_time,
}

FUNCTIONS: Final[dict[str, Signature]] = {
    **{f"to{name}": _conversion(f"to{name}()", one) for name, one in _CONVERSIONS.items()},
    **{
        f"convertsTo{name}": _test(f"convertsTo{name}()", one) for name, one in _CONVERSIONS.items()
    },
    "toQuantity": on_values(_to_quantity, 0, 1),
    "convertsToQuantity": on_values(_converts_to_quantity, 0, 1),
}
