"""The operators, on collections.

Spec: https://hl7.org/fhirpath/N1/#operations
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any, Final

from fhirserver.fhirpath import quantity as quantities
from fhirserver.fhirpath import temporal as temporals
from fhirserver.fhirpath.equivalence import equivalent_collections
from fhirserver.fhirpath.errors import EvaluationError
from fhirserver.fhirpath.quantity import Quantity
from fhirserver.fhirpath.scope import Eval, Items, Run, Scope
from fhirserver.fhirpath.syntax import MAX_INTEGER
from fhirserver.fhirpath.temporal import Temporal
from fhirserver.fhirpath.values import (
    as_quantity,
    compare,
    distinct,
    equal,
    equal_collections,
    single,
    text,
    truth,
)

NUMBERS: Final = Context(prec=60, rounding=ROUND_HALF_UP)
"""Every product of two FHIR decimals is exact within this many digits."""

QUOTIENT_DIGITS: Final = Decimal("0.00000001")
"""Quotients that do not end are rounded to the precision the specification asks for."""

LARGEST: Final = Decimal("1E28")

Operator = Callable[[Items, Items, Run], Items]


Truth = bool | None


def _wrapped(value: Truth, /) -> Items:
    return [] if value is None else [value]


def _negated(value: Truth, /) -> Truth:
    return None if value is None else not value


def _ordering(holds: Callable[[int], bool]) -> Operator:
    def run(left: Items, right: Items, _run: Run) -> Items:
        one, other = single(left, "a comparison"), single(right, "a comparison")
        if one is None or other is None:
            return []
        found = compare(one, other)
        return [] if found is None else [holds(found)]

    return run


def _membership(left: Items, right: Items, what: str) -> Items:
    if len(left) > 1:
        raise EvaluationError(f"{what} takes one item, there are {len(left)}")
    if not left:
        return []
    return [any(equal(left[0], one) is True for one in right)]


def _contains(left: Items, right: Items, run: Run) -> Items:
    run.spend(len(left))
    return _membership(right, left, "contains")


def _in(left: Items, right: Items, run: Run) -> Items:
    run.spend(len(right))
    return _membership(left, right, "in")


def _union(left: Items, right: Items, run: Run) -> Items:
    return run.bounded(distinct([*left, *right], run))


def number(value: Decimal) -> Items:
    """A computed number, nothing where it overflows."""
    return [value] if value.is_finite() and abs(value) < LARGEST else []


def whole(value: int) -> Items:
    """A computed integer, nothing where it overflows."""
    return [value] if -MAX_INTEGER - 1 <= value <= MAX_INTEGER else []


def _are_numbers(*values: Any) -> bool:
    return all(type(one) in (int, Decimal) for one in values)


def _arithmetic(sign: str, calculate: Callable[[Any, Any, Run], Items]) -> Operator:
    def run(left: Items, right: Items, at: Run) -> Items:
        one, other = single(left, sign), single(right, sign)
        if one is None or other is None:
            return []
        try:
            return calculate(one, other, at)
        except DecimalException:
            return []

    return run


def _plus(one: Any, other: Any, run: Run) -> Items:
    if type(one) is int and type(other) is int:
        return whole(one + other)
    if _are_numbers(one, other):
        return number(NUMBERS.add(Decimal(one), Decimal(other)))
    if type(one) is str and type(other) is str:
        return [run.text(one + other)]
    return _moved("+", one, other, 1)


def _minus(one: Any, other: Any, _run: Run) -> Items:
    if type(one) is int and type(other) is int:
        return whole(one - other)
    if _are_numbers(one, other):
        return number(NUMBERS.subtract(Decimal(one), Decimal(other)))
    return _moved("-", one, other, -1)


def _moved(sign: str, one: Any, other: Any, direction: int) -> Items:
    """Dates and quantities plus or minus a quantity."""
    if type(one) is Temporal and type(other) is Quantity:
        unit = quantities.calendar_unit(other) or quantities.CALENDAR.get(other.unit)
        if unit is None:
            raise EvaluationError(f"a date or time is moved by calendar units, not by {other.unit}")
        if not abs(other.value) < LARGEST:
            return []
        found = temporals.plus(one, direction * other.value, unit)
        return [] if found is None else [found]
    first, second = as_quantity(one), as_quantity(other)
    if first is None or second is None:
        raise EvaluationError(f"these values cannot be calculated with {sign}")
    if direction < 0:
        second = Quantity(-second.value, second.unit, second.is_calendar, second.system)
    total = quantities.plus(first, second)
    return [] if total is None else [total]


def _times(one: Any, other: Any, _run: Run) -> Items:
    if type(one) is int and type(other) is int:
        return whole(one * other)
    if _are_numbers(one, other):
        return number(NUMBERS.multiply(Decimal(one), Decimal(other)))
    first, second = _units("*", one, other)
    value = number(NUMBERS.multiply(first.value, second.value))
    return [Quantity(value[0], quantities.product_unit(first.unit, second.unit))] if value else []


def _divided(one: Any, other: Any, _run: Run) -> Items:
    if _are_numbers(one, other):
        return number(quotient(Decimal(one), Decimal(other)))
    first, second = _units("/", one, other)
    value = number(quotient(first.value, second.value))
    return [Quantity(value[0], quantities.quotient_unit(first.unit, second.unit))] if value else []


def _units(sign: str, one: Any, other: Any) -> tuple[Quantity, Quantity]:
    first, second = as_quantity(one), as_quantity(other)
    if first is None or second is None or first.system is None or second.system is None:
        raise EvaluationError(f"these values cannot be calculated with {sign}")
    return first, second


def quotient(one: Decimal, other: Decimal) -> Decimal:
    """One divided by the other, exactly where eight digits after the point suffice."""
    found = NUMBERS.divide(one, other)
    exponent = found.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -8:
        found = found.quantize(QUOTIENT_DIGITS, ROUND_HALF_UP, NUMBERS).normalize(NUMBERS)
    return found


def _div(one: Any, other: Any, _run: Run) -> Items:
    if not _are_numbers(one, other):
        raise EvaluationError("div takes numbers")
    return whole(int(NUMBERS.divide_int(Decimal(one), Decimal(other))))


def _mod(one: Any, other: Any, _run: Run) -> Items:
    if not _are_numbers(one, other):
        raise EvaluationError("mod takes numbers")
    found = NUMBERS.remainder(Decimal(one), Decimal(other))
    return whole(int(found)) if type(one) is int and type(other) is int else number(found)


def _concatenated(left: Items, right: Items, run: Run) -> Items:
    return [run.text((text(left, "&") or "") + (text(right, "&") or ""))]


def _or(one: Truth, other: Truth) -> Truth:
    if one is True or other is True:
        return True
    return None if one is None or other is None else False


def _and(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


OPERATORS: Final[dict[str, Operator]] = {
    "=": lambda left, right, _run: _wrapped(equal_collections(left, right)),
    "!=": lambda left, right, _run: _wrapped(_negated(equal_collections(left, right))),
    "~": lambda left, right, run: [equivalent_collections(left, right, run)],
    "!~": lambda left, right, run: [not equivalent_collections(left, right, run)],
    "<": _ordering(lambda found: found < 0),
    "<=": _ordering(lambda found: found <= 0),
    ">": _ordering(lambda found: found > 0),
    ">=": _ordering(lambda found: found >= 0),
    "in": _in,
    "contains": _contains,
    "|": _union,
    "+": _arithmetic("+", _plus),
    "-": _arithmetic("-", _minus),
    "*": _arithmetic("*", _times),
    "/": _arithmetic("/", _divided),
    "div": _arithmetic("div", _div),
    "mod": _arithmetic("mod", _mod),
    "&": _concatenated,
}
"""The operators whose operands are both needed; the logical ones are in `logical`."""


def logical(word: str, left: Eval, right: Eval) -> Eval:
    """Return ``and``, ``or``, ``xor`` or ``implies``.

    The right operand is not evaluated where the left one decides.
    """

    def run_and(scope: Scope) -> Items:
        one = truth(left(scope))
        return [False] if one is False else _wrapped(_and(one, truth(right(scope))))

    def run_or(scope: Scope) -> Items:
        one = truth(left(scope))
        return [True] if one is True else _wrapped(_or(one, truth(right(scope))))

    def run_xor(scope: Scope) -> Items:
        one, other = truth(left(scope)), truth(right(scope))
        return [] if one is None or other is None else [one is not other]

    def run_implies(scope: Scope) -> Items:
        one = truth(left(scope))
        return [True] if one is False else _wrapped(_or(_negated(one), truth(right(scope))))

    return {"and": run_and, "or": run_or, "xor": run_xor, "implies": run_implies}[word]


def negative(items: Items) -> Items:
    """The operator ``-`` before its operand."""
    value = single(items, "-")
    if value is None:
        return []
    if type(value) is Quantity:
        return [Quantity(-value.value, value.unit, value.is_calendar, value.system)]
    if not _are_numbers(value):
        raise EvaluationError("only a number or quantity can be negative")
    return whole(-value) if type(value) is int else [value.copy_negate()]


def positive(items: Items) -> Items:
    """The operator ``+`` before its operand."""
    value = single(items, "+")
    if value is not None and type(value) is not Quantity and not _are_numbers(value):
        raise EvaluationError("only a number or quantity can have a sign")
    return items
