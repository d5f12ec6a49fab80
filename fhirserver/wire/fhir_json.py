"""FHIR JSON without losing a digit.

A clinician's "1.00" is not "1": FHIR decimals carry their precision, so a number with a
fraction or an exponent becomes a `Decimal` with the digits that were written, never a float,
and is written back with them. Reading is strict, because two parsers that disagree about the
same bytes are how bad data gets in: duplicate keys, NaN, broken UTF-8, byte-order marks and
trailing data are refused.

Most senders use compact JSON. For those, a fast decoder reads the bytes and the encoder writes
them again: identical bytes prove that nothing (such as a duplicate key) was dropped. Everything
else takes the slower standard parser, which sees every key.

Spec: https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html#decimal
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from fhirserver.kernel.errors import Malformed

MAX_DEPTH = 64
"""Deepest nesting of objects and arrays accepted; real resources stay below 20."""

MAX_DIGITS: Final = 1000
"""Most digits of a decimal, and largest exponent: beyond, arithmetic turns into an attack."""

_SHORT: Final = 20
_NO_BRACKETS: Final = bytes(one for one in range(256) if one not in b'{}[]"')


_ENCODER = msgspec.json.Encoder(decimal_format="number")


class MalformedJson(Malformed, ValueError):
    """The bytes are not one JSON object as FHIR wants it.

    `position` is a byte offset, None where the fault has no single place.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        """`message` says what is wrong in words a sender can act on."""
        shown = message if position is None else f"{message} (at byte {position})"
        super().__init__(shown)
        self.position = position


def decimal(text: str) -> Decimal:
    """The Decimal of a JSON number. Raises MalformedJson beyond `MAX_DIGITS`."""
    value = Decimal(text)
    if (len(text) > _SHORT or "e" in text or "E" in text) and (
        len(text) > MAX_DIGITS
        or abs(value.adjusted()) > MAX_DIGITS
        or _exponent(value) < -MAX_DIGITS
    ):
        raise MalformedJson("a number has more digits or a larger exponent than any use has")
    return value


_FAST = msgspec.json.Decoder(float_hook=decimal)


def read(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`: integers as int, other numbers as Decimal, key order kept.

    Raises MalformedJson for anything that is not exactly one object in UTF-8 JSON, for
    duplicate keys, numbers beyond `MAX_DIGITS`, and nesting deeper than MAX_DEPTH.
    """
    value = read_value(data)
    if type(value) is not dict:
        raise MalformedJson("a resource is a JSON object")
    return value


def read_own(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, which `write` made of what `read` had accepted: for half of what a stranger's costs."""
    value: dict[str, Any] = _FAST.decode(data)
    return value


def read_value(data: bytes) -> Any:
    """Any one JSON value, read as strictly as `read` reads an object."""
    value: object
    try:
        value = _FAST.decode(data)
        if _ENCODER.encode(value) != data:
            value = _read_strictly(data)
    except (msgspec.DecodeError, UnicodeError, InvalidOperation, ValueError):
        value = _read_strictly(data)
    except RecursionError:
        _refuse_depth()
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and not _is_shallow(data):
        require_depth(value)
    return value


def write(value: object) -> bytes:
    """Compact UTF-8 JSON: keys in insertion order, Decimals as numbers with all their digits.

    Raises ValueError for a Decimal that JSON cannot express (NaN, Infinity).
    """
    data = _ENCODER.encode(value)
    if b"NaN" in data or b"Infinity" in data:
        _refuse_non_numbers(value)
    return data


def write_pretty(value: object) -> bytes:
    """The same as `write`, indented by two spaces, for people."""
    return msgspec.json.format(write(value), indent=2)


def _read_strictly(data: bytes) -> object:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson("not valid UTF-8", error.start) from None
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        position = len(text[: error.pos].encode())
        raise MalformedJson(f"not valid JSON: {error.msg}", position) from None
    except RecursionError:
        _refuse_depth()
    except InvalidOperation:
        raise MalformedJson("a number has an exponent beyond every use") from None
    except MalformedJson:
        raise
    except ValueError:
        raise MalformedJson("a number has too many digits") from None
    try:
        _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise MalformedJson("a string holds half of a surrogate pair") from None
    except RecursionError:
        _refuse_depth()
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                raise MalformedJson(f"the property {key!r} appears twice in one object")
            seen.add(key)
    return out


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not a JSON number")


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=decimal,
    parse_constant=_refuse_constant,
)


def require_depth(value: object) -> None:
    """Raise MalformedJson when objects and arrays in `value` are nested deeper than MAX_DEPTH."""
    if not isinstance(value, dict | list):
        return
    level: list[object] = [value]
    for _depth in range(MAX_DEPTH):
        deeper: list[object] = []
        for node in level:
            children = node.values() if type(node) is dict else node
            deeper += [one for one in children if type(one) is dict or type(one) is list]  # type: ignore[attr-defined]
        if not deeper:
            return
        level = deeper
    _refuse_depth()


def _is_shallow(data: bytes) -> bool:
    """Return whether the brackets of `data` alone prove that it is not too deep; brackets within texts may hide it."""
    if b"\\" in data:
        return False
    # A text without brackets leaves its two quotation marks, one with brackets at least one of them.
    brackets = data.translate(None, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        return False
    for _depth in range(MAX_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def _refuse_depth() -> NoReturn:
    raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels")


def _refuse_non_numbers(value: object) -> None:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("JSON has no NaN and no Infinity")
    elif isinstance(value, Mapping):
        for child in value.values():
            _refuse_non_numbers(child)
    elif isinstance(value, list | tuple):
        for child in value:
            _refuse_non_numbers(child)
