"""The operator ``~``: equal for practical purposes, whatever the order, case and white space.

Spec: https://hl7.org/fhirpath/N1/#equivalent
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fhirserver.fhirpath import quantity as quantities
from fhirserver.fhirpath import temporal as temporals
from fhirserver.fhirpath.node import Node
from fhirserver.fhirpath.quantity import EQUIVALENT, Quantity
from fhirserver.fhirpath.scope import Items, Run
from fhirserver.fhirpath.temporal import Temporal
from fhirserver.fhirpath.values import as_quantity, plain


def equivalent_collections(left: Items, right: Items, run: Run) -> bool:
    """Whether each item of one side has its own equivalent on the other."""
    if len(left) != len(right):
        return False
    remaining = list(right)
    for one in left:
        for position, other in enumerate(remaining):
            run.spend(1)
            if equivalent(one, other, run):
                del remaining[position]
                break
        else:
            return False
    return True


def equivalent(left: Any, right: Any, run: Run) -> bool:
    """Whether two items are equivalent."""
    one, other = plain(left), plain(right)
    if type(one) is Node or type(other) is Node:
        if type(one) is not Node or type(other) is not Node:
            return False
        return _json(one.value, other.value, run)
    if type(one) is Temporal and type(other) is Temporal:
        if (one.kind == "time") is not (other.kind == "time"):
            return False
        return temporals.order(one, other) == 0
    if type(one) is Quantity or type(other) is Quantity:
        first, second = as_quantity(one), as_quantity(other)
        return first is not None and second is not None and _quantities(first, second)
    return _values(one, other)


def _values(one: Any, other: Any) -> bool:
    if type(one) is str and type(other) is str:
        return " ".join(one.casefold().split()) == " ".join(other.casefold().split())
    if type(one) in (int, Decimal) and type(other) in (int, Decimal):
        return _numbers(Decimal(one), Decimal(other))
    return type(one) is type(other) and bool(one == other)


def _numbers(one: Decimal, other: Decimal) -> bool:
    """Equal once rounded to the digits after the point that the less precise one has."""
    digits = min(_digits(one), _digits(other))
    step = Decimal(1).scaleb(-digits)
    try:
        return one.quantize(step, ROUND_HALF_UP) == other.quantize(step, ROUND_HALF_UP)
    except ArithmeticError:
        return one == other


def _digits(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _quantities(one: Quantity, other: Quantity) -> bool:
    first, second = _definite(one), _definite(other)
    if first.unit == second.unit:
        return first.system == second.system and _numbers(first.value, second.value)
    (number, dimension), (against, against_dimension) = (
        quantities.measure(first),
        quantities.measure(second),
    )
    if dimension != against_dimension:
        return False
    # The less precise one decides; its last digit is worth this much in base units.
    coarse = max(_last_digit(first), _last_digit(second))
    return abs(number - against) <= coarse / 2


def _definite(quantity: Quantity) -> Quantity:
    if quantity.is_calendar and quantity.unit in EQUIVALENT:
        return Quantity(quantity.value, EQUIVALENT[quantity.unit])
    return quantity


def _last_digit(quantity: Quantity) -> Decimal:
    step = Decimal(1).scaleb(-_digits(quantity.value))
    one = quantities.measure(Quantity(step, quantity.unit, quantity.is_calendar, quantity.system))
    return abs(one[0])


def _json(one: Any, other: Any, run: Run) -> bool:
    """JSON by its content: ids do not count, arrays have no order."""
    run.spend(1)
    if type(one) is dict and type(other) is dict:
        names = (one.keys() | other.keys()) - {"id"}
        return all(
            name in one and name in other and _json(one[name], other[name], run) for name in names
        )
    if type(one) is list and type(other) is list:
        if len(one) != len(other):
            return False
        remaining = list(other)
        for value in one:
            for position, candidate in enumerate(remaining):
                if _json(value, candidate, run):
                    del remaining[position]
                    break
            else:
                return False
        return True
    return _values(one, other)
