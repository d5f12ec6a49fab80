"""Mathematics. Results that are no numbers, or too large, are nothing.

Spec: https://hl7.org/fhirpath/N1/#math
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Decimal,
    DecimalException,
)
from typing import Final

from fhirserver.fhirpath.errors import EvaluationError
from fhirserver.fhirpath.functions.signature import Signature, on_values
from fhirserver.fhirpath.operators import NUMBERS, QUOTIENT_DIGITS, number, whole
from fhirserver.fhirpath.quantity import Quantity
from fhirserver.fhirpath.scope import Items, Scope
from fhirserver.fhirpath.values import integer, single

LARGEST_WHOLE: Final = 2**32
MAX_EXPONENT: Final = 1_000
MAX_DIGITS: Final = 28

STEPS: Final = 50
"""What a function counts that is calculated by series."""


def _number(items: Items, name: str) -> int | Decimal | None:
    value = single(items, name)
    if value is None:
        return None
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise EvaluationError(f"{name} takes a number")
    return value


def _abs(_scope: Scope, items: Items) -> Items:
    value = single(items, "abs()")
    if type(value) is Quantity:
        return [Quantity(abs(value.value), value.unit, value.is_calendar, value.system)]
    found = _number(items, "abs()")
    if found is None:
        return []
    return whole(abs(found)) if type(found) is int else [abs(found)]


def _rounded(name: str, rounding: str) -> Signature:
    def call(_scope: Scope, items: Items) -> Items:
        value = _number(items, name)
        if value is None or abs(Decimal(value)) >= LARGEST_WHOLE:
            return []
        return whole(int(Decimal(value).to_integral_value(rounding, NUMBERS)))

    return on_values(call)


def _round(_scope: Scope, items: Items, precision: Items | None = None) -> Items:
    value = _number(items, "round()")
    if value is None:
        return []
    digits = (integer(precision, "round()") if precision is not None else 0) or 0
    if not 0 <= digits <= MAX_DIGITS:
        raise EvaluationError(f"round() takes 0 to {MAX_DIGITS} digits")
    step = Decimal(1).scaleb(-digits)
    try:
        return number(Decimal(value).quantize(step, ROUND_HALF_UP, NUMBERS))
    except DecimalException:
        return []


def _calculated(name: str, calculate: Callable[[Decimal], Decimal]) -> Signature:
    def call(scope: Scope, items: Items) -> Items:
        value = _number(items, name)
        scope.run.spend(STEPS)
        return [] if value is None else _result(lambda: calculate(Decimal(value)))

    return on_values(call)


def _result(calculate: Callable[[], Decimal]) -> Items:
    """A number that may not end, to the specification's precision."""
    try:
        found = calculate()
        exponent = found.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -8:
            found = found.quantize(QUOTIENT_DIGITS, ROUND_HALF_UP, NUMBERS)
        return number(found)
    except (DecimalException, ValueError):
        return []


def _exp(value: Decimal) -> Decimal:
    if abs(value) > MAX_EXPONENT:
        raise ValueError
    return NUMBERS.exp(value)


def _log(scope: Scope, items: Items, base: Items) -> Items:
    scope.run.spend(STEPS)
    value, root = _number(items, "log()"), _number(base, "log()")
    if value is None or root is None:
        return []
    return _result(lambda: NUMBERS.divide(NUMBERS.ln(Decimal(value)), NUMBERS.ln(Decimal(root))))


def _power(scope: Scope, items: Items, exponent: Items) -> Items:
    scope.run.spend(STEPS)
    value, power = _number(items, "power()"), _number(exponent, "power()")
    if value is None or power is None or abs(Decimal(power)) > MAX_EXPONENT:
        return []
    found = _result(lambda: NUMBERS.power(Decimal(value), Decimal(power)))
    if found and type(value) is int and type(power) is int and power >= 0:
        return whole(int(found[0]))
    return found


FUNCTIONS: Final[dict[str, Signature]] = {
    "abs": on_values(_abs),
    "ceiling": _rounded("ceiling()", ROUND_CEILING),
    "exp": _calculated("exp()", _exp),
    "floor": _rounded("floor()", ROUND_FLOOR),
    "ln": _calculated("ln()", NUMBERS.ln),
    "log": on_values(_log, 1),
    "power": on_values(_power, 1),
    "round": on_values(_round, 0, 1),
    "sqrt": _calculated("sqrt()", NUMBERS.sqrt),
    "truncate": _rounded("truncate()", ROUND_DOWN),
}
