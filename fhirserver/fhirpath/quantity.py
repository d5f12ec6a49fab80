"""Numbers with a unit, compared and calculated across units.

A unit is a UCUM code ("mg"), a calendar word ("month"), or a unit of a system that is not known
here, which then only compares with itself. Calendar years and months have no fixed length, so
they never equal UCUM's mean years "a" and months "mo".

Spec: https://hl7.org/fhirpath/N1/#quantity, https://hl7.org/fhir/R4/fhirpath.html#quantity
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fhirserver.fhirpath.temporal import MONTHS, SECONDS
from fhirserver.terminology import ucum

UCUM: Final = "http://unitsofmeasure.org"

CALENDAR: Final[dict[str, str]] = {
    word + ending: word for word in (*MONTHS, *SECONDS) for ending in ("", "s")
}
"""Calendar words, plural forms included, to the singular."""

EQUIVALENT: Final = {"year": "a", "month": "mo"}
"""What UCUM has nearest to the calendar units without fixed length; for `~` only."""

DEFINITE: Final = {
    "wk": "week",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
}
"""UCUM codes that are calendar units too."""

_TEXT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([a-z]+))?").fullmatch

QUANTITY_TYPES: Final = frozenset({"Quantity", "Age", "Count", "Distance", "Duration"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """`unit` is a calendar word where `is_calendar`, else a code of `system`."""

    value: Decimal
    unit: str = "1"
    is_calendar: bool = False
    system: str | None = UCUM

    def __str__(self) -> str:
        if self.is_calendar:
            return f"{self.value:f} {self.unit}"
        return f"{self.value:f} '{self.unit}'"

    def to_json(self) -> dict[str, Any]:
        """Return the FHIR Quantity; calendar words stand in `unit` alone."""
        if self.is_calendar:
            return {"value": self.value, "unit": self.unit}
        if self.system is None:
            return {"value": self.value, "unit": self.unit}
        return {"value": self.value, "unit": self.unit, "system": self.system, "code": self.unit}


def literal(value: Decimal, unit: str) -> Quantity:
    """The quantity of a literal, whose unit is a calendar word or a UCUM code."""
    word = CALENDAR.get(unit)
    return Quantity(value, word, is_calendar=True) if word is not None else Quantity(value, unit)


def from_json(value: Any) -> Quantity | None:
    """Return the quantity a FHIR Quantity states.

    None without a number, or with a comparator, which makes it no single number.
    """
    if not isinstance(value, dict) or "comparator" in value:
        return None
    number = value.get("value")
    if not isinstance(number, int | Decimal) or isinstance(number, bool):
        return None
    code, unit = value.get("code"), value.get("unit")
    system = value.get("system")
    if isinstance(code, str) and isinstance(system, str):
        return Quantity(Decimal(number), code, system=system)
    text = code if isinstance(code, str) else unit
    if not isinstance(text, str):
        return Quantity(Decimal(number))
    return Quantity(Decimal(number), text, system=None)


def from_text(text: str) -> Quantity | None:
    """Return the quantity written as in a literal: ``1``, ``1.5 'mg'``, ``2 days``."""
    match = _TEXT(text.strip())
    if match is None:
        return None
    number, code, word = Decimal(match[1]), match[2], match[3]
    if word is not None:
        found = CALENDAR.get(word)
        return Quantity(number, found, is_calendar=True) if found is not None else None
    return Quantity(number, code or "1")


def measure(quantity: Quantity) -> tuple[Decimal, str]:
    """Return the number in base units and the dimension; only the same dimension compares."""
    value, unit = quantity.value, quantity.unit
    if quantity.is_calendar:
        if unit in MONTHS:
            return value * MONTHS[unit], "calendar month"
        return value * SECONDS[unit], "s"
    if quantity.system == UCUM:
        found = ucum.canonical(value, unit)
        if found is not None:
            return found
    return value, f"{quantity.system} {unit}"


def order(left: Quantity, right: Quantity) -> int | None:
    """Return -1, 0 or 1; None where the dimensions differ."""
    if (left.unit, left.system, left.is_calendar) == (right.unit, right.system, right.is_calendar):
        one, other = left.value, right.value
    else:
        (one, dimension), (other, second) = measure(left), measure(right)
        if dimension != second:
            return None
    return (one > other) - (one < other)


def plus(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the sum in the unit of `left`; None where the units do not convert."""
    if left.is_calendar is right.is_calendar and left.unit == right.unit:
        return Quantity(left.value + right.value, left.unit, left.is_calendar, left.system)
    if left.is_calendar or right.is_calendar or left.system != UCUM or right.system != UCUM:
        return None
    moved = ucum.convert(right.value, right.unit, left.unit)
    return None if moved is None else Quantity(left.value + moved, left.unit)


def calendar_unit(quantity: Quantity) -> str | None:
    """The calendar word by which dates may be moved, None if it is none."""
    if quantity.is_calendar:
        return quantity.unit
    return DEFINITE.get(quantity.unit) if quantity.system == UCUM else None


def product_unit(left: str, right: str) -> str:
    """The UCUM code of the product of two units."""
    if left == "1":
        return right
    return left if right == "1" else f"{_factor(left)}.{_factor(right)}"


def quotient_unit(left: str, right: str) -> str:
    """The UCUM code of the quotient of two units."""
    if right == "1":
        return left
    return "1" if left == right else f"{_factor(left)}/{_factor(right)}"


def _factor(unit: str) -> str:
    return f"({unit})" if "/" in unit or "." in unit else unit
