from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.terminology import ucum
from fhirserver.terminology.ucum_grammar import InvalidUnitError
from fhirserver.terminology.ucum_units import table


@pytest.mark.parametrize(
    ("value", "code", "number", "base"),
    [
        ("120", "mm[Hg]", "15998640", "g.m-1.s-2"),
        ("16", "kPa", "16000000", "g.m-1.s-2"),
        ("37", "Cel", "310.15", "K"),
        ("98.6", "[degF]", "310.15", "K"),
        ("1", "[degRe]", "274.4", "K"),
        ("72", "/min", "1.2", "s-1"),
        ("72", "{beats}/min", "1.2", "s-1"),
        ("5.5", "mmol/L", "3312177418000000000000000", "m-3"),
        ("98", "%", "0.98", "1"),
        ("1.5", "10*3/uL", "1500000000000", "m-3"),
        ("1.5", "10^3/uL", "1500000000000", "m-3"),
        ("2", "k[IU]/L", "2000000", "[iU].m-3"),
        ("7.4", "[pH]", "7.4", "[pH]"),
        ("3", "dB", "0.3", "B"),
        ("1", "kg.m/s2", "1000", "g.m.s-2"),
        ("1", "g/(8.h)", "0.00003472222222222222222222222222222222222222", "g.s-1"),
        ("1", "mL/min/(173.10*-2.m2)", "9.633911368015414258188824662813102119461E-9", "m.s-1"),
        ("300", "mL/min", "0.000005", "m3.s-1"),
        ("1", "{a}", "1", "1"),
        ("1", "1", "1", "1"),
        ("1", "10*-20", "1E-20", "1"),
        ("1", "B[10.nV]", "1", "B[10.nV]"),
        ("1", "cd", "1", "cd"),
        ("1", "dar", "10", "m2"),
    ],
)
def test_canonical(value: str, code: str, number: str, base: str) -> None:
    found = ucum.canonical(Decimal(value), code)
    assert found == (Decimal(number), base)


@pytest.mark.parametrize(
    "code",
    [
        "", "m//s", "kh", "Cel/min", "10.Cel", "m(", "(m", "m)", "()", "mm(Hg)", "foo", "mmHg", "bpm",
        "m s", "m^2", "0", "0m", "m2.", ".m", "{a", "a}", "[degF]2", "+m", "10*301", "10*99999999999",
        "Ym300.Ym300.Ym300", "m" * 201, "(" * 11 + "m" + ")" * 11, "m²", "µg", "\x00", "K[", "km[",
        "9" * 200 + ".m", "(9" + "9" * 80 + ")2", "-5",
    ],
)  # fmt: skip
def test_what_is_no_unit(code: str) -> None:
    assert ucum.canonical(Decimal(1), code) is None
    assert not ucum.is_valid(code)
    with pytest.raises(InvalidUnitError):
        ucum.unit(code)


def test_every_atom_resolves_and_takes_prefixes_only_when_metric() -> None:
    atoms = table().atoms
    assert len(atoms) == 312
    for atom in atoms.values():
        assert ucum.is_valid(atom.code), atom.code
    assert ucum.is_valid("m[Hg]")
    assert not ucum.is_valid("k[in_i]")


def test_known_conversions() -> None:
    assert ucum.convert(Decimal("98.6"), "[degF]", "Cel") == Decimal(37)
    assert ucum.convert(Decimal(37), "Cel", "[degF]") == Decimal("98.6")
    assert ucum.convert(Decimal(1), "[lb_av]", "kg") == Decimal("0.45359237")
    assert ucum.convert(Decimal(1), "[in_i]", "cm") == Decimal("2.54")
    assert ucum.convert(Decimal(1), "wk", "d") == 7
    assert ucum.convert(Decimal(1), "m", "g") is None
    assert ucum.convert(Decimal(1), "m", "?") is None


def test_procedure_defined_units_are_comparable_only_with_themselves() -> None:
    assert ucum.comparable("[IU]/mL", "k[iU]/L")
    assert not ucum.comparable("[iU]", "[arb'U]")
    assert not ucum.comparable("[iU]", "1")
    assert not ucum.comparable("?", "?")


def test_a_value_too_large_for_any_number_is_no_quantity() -> None:
    assert ucum.canonical(Decimal("1E+999999999999999999"), "kg") is None
    assert ucum.convert(Decimal("1E+999999999999999999"), "kg", "mg") is None


_CODES = sorted(code for code, atom in table().atoms.items() if code not in ("10*", "10^"))
_PREFIXES = sorted(table().prefixes)
_RATIO = [
    code for code in _CODES if ucum.unit(code).offset == 0 and ucum.unit(code).dimension is not None
]
_VALUES = st.decimals(-(10**9), 10**9, places=4)


@given(st.sampled_from(_RATIO), st.sampled_from(_RATIO), st.integers(-5, 5).filter(bool))
def test_terms_multiply_what_their_parts_are(one: str, other: str, exponent: int) -> None:
    first, second = ucum.unit(one), ucum.unit(other)
    product = ucum.unit(f"{one}.{other}{exponent}")
    assert product.factor == first.factor * Fraction(second.factor**exponent)
    quotient = ucum.unit(f"{one}/({other}{exponent})")
    assert quotient.factor * Fraction(second.factor**exponent) == first.factor


@given(_VALUES, st.sampled_from(_CODES), st.sampled_from(_CODES))
def test_conversion_there_and_back(value: Decimal, one: str, other: str) -> None:
    there = ucum.convert(value, one, other)
    if not ucum.comparable(one, other):
        assert there is None
        return
    assert there is not None
    back = ucum.convert(there, other, one)
    assert back is not None
    assert abs(back - value) <= Decimal("1e-20")


@given(_VALUES, _VALUES, st.sampled_from(_CODES))
def test_canonical_numbers_keep_order(low: Decimal, high: Decimal, code: str) -> None:
    first, second = ucum.canonical(low, code), ucum.canonical(high, code)
    assert first is not None
    assert second is not None
    assert (first[0] < second[0]) == (low < high)
    assert first[1] == second[1]


@given(st.text(max_size=30) | st.text("mkgLs/.(){}[]0123456789*^+-'_%", max_size=30))
def test_no_text_breaks_the_reader(code: str) -> None:
    found = ucum.canonical(Decimal(1), code)
    assert (found is not None) == ucum.is_valid(code)


@given(st.sampled_from(_CODES), st.sampled_from(_PREFIXES))
def test_a_canonical_code_is_its_own_canonical_code(code: str, prefix: str) -> None:
    for text in (code, prefix + code):
        base = ucum.canonical_code(text)
        if base is not None:
            assert ucum.canonical_code(base) == base
