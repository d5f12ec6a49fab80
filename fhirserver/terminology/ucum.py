"""Units of measure: every UCUM code to base units, exactly.

A quantity in canonical form is a number of base units (m, s, g, rad, K, C, cd, and one for each
procedure-defined unit such as [iU]), so that 120 mm[Hg] and 16 kPa can be compared. All factors are
fractions; numbers are rounded (half to even) only beyond 40 significant digits.

Temperatures convert with their zero points. The other special units (pH, bel, neper, homeopathic
potencies, ...) are logarithms and the like: their numbers cannot be converted exactly and some run
backwards, so each counts as a base unit of its own, which keeps every comparison right.

Spec: https://ucum.org/ucum
"""

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Final

from fhirserver.terminology.ucum_grammar import Factor, InvalidUnitError, parse
from fhirserver.terminology.ucum_units import ZERO_POINTS, Atom, table

SYSTEM: Final = "http://unitsofmeasure.org"
PRECISION: Final = 40  # significant digits of a result; a FHIR decimal has at most 18 or so
MAX_BITS: Final = 4000  # of a factor's numerator or denominator: Ym99.Ym99... ends here

_CACHED: Final = 4096  # codes kept; a clinic uses some hundred
_ARITHMETIC: Final = Context(
    prec=PRECISION, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[]
)


@dataclass(frozen=True, slots=True)
class Unit:
    """What one of a unit is: `factor` x + `offset` of the base units in `dimension`.

    `dimension` holds base unit and exponent, sorted by base unit, without zero exponents.
    """

    factor: Fraction
    offset: Fraction
    dimension: tuple[tuple[str, int], ...]


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """Return the number of base units and their canonical code, None when `code` is not UCUM.

    120 "mm[Hg]" is 15998640 "g.m-1.s-2"; "1" is the code of a dimensionless unit. The result
    keeps order: a larger value in the same unit gives a larger number. Its trailing zeros mean
    nothing.
    """
    scale = _scale(code)
    if scale is None:
        return None
    result = _apply(scale, value)
    return (result, scale.code) if result.is_finite() else None


def canonical_code(code: str) -> str | None:
    """Return the canonical code of the base units behind `code`, None when it is not UCUM."""
    scale = _scale(code)
    return None if scale is None else scale.code


def comparable(first: str, second: str) -> bool:
    """Return whether both are UCUM codes of the same dimension."""
    code = canonical_code(first)
    return code is not None and code == canonical_code(second)


def convert(value: Decimal, source: str, target: str) -> Decimal | None:
    """Return `value` of `source` in `target`, None when they cannot be compared."""
    if not comparable(source, target):
        return None
    result = _apply(_between(source, target), value)
    return result if result.is_finite() else None


def is_valid(code: str) -> bool:
    """Return whether `code` is a case-sensitive UCUM code."""
    return _scale(code) is not None


def unit(code: str) -> Unit:
    """Return the unit that `code` means. Raises `InvalidUnitError`, which says why not."""
    return _resolve(code)


@dataclass(frozen=True, slots=True)
class _Scale:
    """(value * `times` + `plus`) / `over` is the number of base units `code`."""

    times: Decimal
    plus: Decimal | None
    over: Decimal | None
    code: str


def _apply(scale: _Scale, value: Decimal) -> Decimal:
    result = _ARITHMETIC.multiply(value, scale.times)
    if scale.plus is not None:
        result = _ARITHMETIC.add(result, scale.plus)
    return result if scale.over is None else _ARITHMETIC.divide(result, scale.over)


@lru_cache(maxsize=_CACHED)
def _scale(code: str) -> _Scale | None:
    try:
        found = _resolve(code)
    except InvalidUnitError:
        return None
    return _scale_of(found.factor, found.offset, _written(found.dimension))


@lru_cache(maxsize=_CACHED)
def _between(source: str, target: str) -> _Scale:
    one, other = _resolve(source), _resolve(target)
    offset = (one.offset - other.offset) / other.factor
    return _scale_of(one.factor / other.factor, offset, target)


def _scale_of(factor: Fraction, offset: Fraction, code: str) -> _Scale:
    over = lcm(factor.denominator, offset.denominator)
    times, plus = int(factor * over), int(offset * over)
    places = _decimal_places(over)
    if places is not None:
        # The division ends: done here once, exactly, instead of with every value.
        shift = 10**places // over
        return _Scale(
            Decimal(times * shift).scaleb(-places, _EXACT),
            Decimal(plus * shift).scaleb(-places, _EXACT) if plus else None,
            None,
            code,
        )
    return _Scale(Decimal(times), Decimal(plus) if plus else None, Decimal(over), code)


_EXACT: Final = Context(prec=4 * MAX_BITS, Emin=MIN_EMIN, Emax=MAX_EMAX)


def _decimal_places(denominator: int) -> int | None:
    """Return how many decimals 1/denominator has, None when they never end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    return max(twos, fives) if rest == 1 else None


@lru_cache(maxsize=_CACHED)
def _resolve(code: str) -> Unit:
    factors = parse(code)
    if len(factors) == 1 and factors[0].exponent == 1:
        return _symbol(factors[0].symbol)
    number = Fraction(1)
    dimension: dict[str, int] = {}
    for factor in factors:
        one = _symbol(factor.symbol)
        if one.offset:
            message = f"{factor.symbol} has a zero point, so it cannot be part of a term"
            raise InvalidUnitError(message)
        number = _bounded(number * _power(one.factor, factor))
        for base, exponent in one.dimension:
            dimension[base] = dimension.get(base, 0) + exponent * factor.exponent
    kept = tuple(sorted((base, exponent) for base, exponent in dimension.items() if exponent))
    return Unit(number, Fraction(0), kept)


def _power(number: Fraction, factor: Factor) -> Fraction:
    bits = max(number.numerator.bit_length(), number.denominator.bit_length())
    if bits * abs(factor.exponent) > 2 * MAX_BITS:
        raise InvalidUnitError("the number is too large")
    return Fraction(number**factor.exponent)


def _bounded(number: Fraction) -> Fraction:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > MAX_BITS:
        raise InvalidUnitError("the number is too large")
    return number


def _symbol(symbol: str) -> Unit:
    if symbol.isdigit():
        number = int(symbol)
        if number == 0:
            raise InvalidUnitError("zero of a unit is no unit")
        return Unit(_bounded(Fraction(number)), Fraction(0), ())
    rows = table()
    atom = rows.atoms.get(symbol)
    if atom is not None:
        return _atom(atom)
    for length in (1, 2):
        prefix = rows.prefixes.get(symbol[:length])
        atom = rows.atoms.get(symbol[length:])
        if prefix is not None and atom is not None and atom.is_metric:
            one = _atom(atom)
            return Unit(one.factor * prefix, one.offset, one.dimension)
    message = f"there is no unit {symbol[:40]!r}"
    raise InvalidUnitError(message)


def _atom(atom: Atom) -> Unit:
    is_scale = atom.function in ZERO_POINTS
    if atom.stands_alone or (atom.function and not is_scale):
        return Unit(Fraction(1), Fraction(0), ((atom.code, 1),))
    defined = _resolve(atom.definition)
    factor = defined.factor * atom.factor
    if not is_scale:
        return Unit(factor, Fraction(0), defined.dimension)
    degrees, kelvin = ZERO_POINTS[atom.function]
    return Unit(factor, degrees * factor + kelvin, defined.dimension)


def _written(dimension: tuple[tuple[str, int], ...]) -> str:
    parts = (base if exponent == 1 else f"{base}{exponent}" for base, exponent in dimension)
    return ".".join(parts) or "1"
