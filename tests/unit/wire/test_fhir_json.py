"""https://hl7.org/fhir/R4/json.html and https://hl7.org/fhir/R4/datatypes.html#decimal"""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.kernel.errors import Malformed
from fhirserver.wire.fhir_json import (
    MAX_DEPTH,
    MAX_DIGITS,
    MalformedJson,
    read,
    read_own,
    read_value,
    write,
    write_pretty,
)

numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda one: one.as_tuple().exponent != 0 and abs(one.adjusted()) < MAX_DIGITS
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(text, values, max_size=6)


@settings(max_examples=60)
@given(objects)
def test_what_is_written_reads_back_the_same(value: dict[str, object]) -> None:
    assert read(write(value)) == value


@settings(max_examples=60)
@given(objects)
def test_pretty_and_compact_hold_the_same_value(value: dict[str, object]) -> None:
    assert read(write_pretty(value)) == value


@settings(max_examples=60)
@given(objects)
def test_writing_what_was_read_gives_the_same_bytes(value: dict[str, object]) -> None:
    assert write(read(write(value))) == write(value)


@pytest.mark.parametrize(
    "digits",
    ["1.00", "1.0E+5", "-0.0", "0.10", "120.0", "1E+400", "0.00001", "3.141592653589793238462643"],
)
@pytest.mark.parametrize("blank", ["", " "], ids=["compact", "spaced"])
def test_a_decimal_keeps_its_digits(digits: str, blank: str) -> None:
    value = read(f'{{"value":{blank}{digits}}}'.encode())
    assert type(value["value"]) is Decimal
    assert value["value"].as_tuple() == Decimal(digits).as_tuple()
    assert write(value) == f'{{"value":{digits}}}'.encode()


@pytest.mark.parametrize(
    "digits", ["0", "-7", "18446744073709551616", "123456789012345678901234567890"]
)
def test_an_integer_stays_an_integer(digits: str) -> None:
    value = read(f'{{"value":{digits}}}'.encode())
    assert type(value["value"]) is int
    assert write(value) == f'{{"value":{digits}}}'.encode()


def test_key_order_is_kept() -> None:
    assert write(read(b'{"b":1,"a":2,"c":3}')) == b'{"b":1,"a":2,"c":3}'


@pytest.mark.parametrize(
    ("data", "message", "position"),
    [
        (b'{"a":1,"a":1}', "'a' appears twice", None),
        (b'{ "a" : {"b":1,\n"b" :2} }', "'b' appears twice", None),
        (b'{"a":"\xff"}', "UTF-8", 6),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8", 6),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON", 0),
        (b'{"a":"\\ud800"}', "surrogate", None),
        (b'{"a":NaN}', "NaN", None),
        (b'{"a":-Infinity}', "-Infinity", None),
        (b'{"a":1}{"a":1}', "Extra data", 7),
        ('{"ä":1} x'.encode(), "Extra data", 9),
        (b'{"a":1,}', "not valid JSON", 7),
        (b'{"a":01}', "not valid JSON", 6),
        (b'{"a":"\n"}', "control character", 6),
        (b'{"a":1e99999999999999999999999}', "exponent", None),
        (b'{"a":1e1001}', "larger exponent", None),
        (b'{"a":1e-1001}', "larger exponent", None),
        (b'{"a":0.' + b"1" * 1001 + b"}", "more digits", None),
        (b'{"a":' + b"9" * 5000 + b"}", "too many digits", None),
        (b"", "not valid JSON", 0),
        (b"[]", "object", None),
        (b'"text"', "object", None),
        (b"null", "object", None),
    ],
)
def test_refused(data: bytes, message: str, position: int | None) -> None:
    with pytest.raises(MalformedJson, match=message) as caught:
        read(data)
    assert caught.value.position == position
    assert isinstance(caught.value, Malformed)
    assert caught.value.problems[0].code == "structure"


@pytest.mark.parametrize("blank", [b"", b" "], ids=["compact", "spaced"])
def test_nesting_is_bounded(blank: bytes) -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + blank + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    read(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(MalformedJson, match="nested deeper"):
            read(nested(depth))


@pytest.mark.parametrize("opening", [b'["]",', b'["a","]",', b'["]","",', b'["\\"]",', b'["}{]",'])
@pytest.mark.parametrize("closing", [b"]", b',"["]', b',"","["]', b',"[","b"]', b',"[\\"[","{"]'])
def test_brackets_within_texts_do_not_hide_depth(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"

    read(nested(MAX_DEPTH))
    with pytest.raises(MalformedJson, match="nested deeper"):
        read(nested(MAX_DEPTH + 1))


def test_what_was_written_here_reads_the_same() -> None:
    given = (
        b'{"a":1.00,"b":[1,-0.50,2.5e10,null,true],"c":{"d":"\\u00e9\\"","e":12345678901234567890}}'
    )
    value = read(given)
    assert repr(read_own(write(value))) == repr(value)


def test_many_brackets_side_by_side_are_not_depth() -> None:
    value = {"entry": [{"a": [{"b": number}]} for number in range(200)]}
    assert read(write(value)) == value


@pytest.mark.parametrize("data", [b'[{"op":"test"}]', b'"text"', b"1.50", b"null"])
def test_any_value_is_read_where_any_is_asked_for(data: bytes) -> None:
    assert write(read_value(data)) == data
    with pytest.raises(MalformedJson):
        read_value(data + b"x")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_decimal_json_cannot_express_is_not_written(number: str) -> None:
    with pytest.raises(ValueError, match="no NaN"):
        write({"a": [{"b": Decimal(number)}]})
    assert write({"a": number}) == f'{{"a":"{number}"}}'.encode()


def test_pretty_is_indented() -> None:
    assert write_pretty({"a": [Decimal("1.00")]}) == b'{\n  "a": [\n    1.00\n  ]\n}'
