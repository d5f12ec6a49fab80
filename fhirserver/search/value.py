"""Reads one search value: the text between two commas.

Each reader takes the text still escaped and raises `RefusedError` with a reason that can follow the
parameter's name. All take time linear in the length of the text.

Spec: https://hl7.org/fhir/R4/search.html#ptypes
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Protocol

from fhirserver.definitions.model import SearchParameter
from fhirserver.search.condition import (
    DateValue,
    NumberValue,
    OfTypeValue,
    Prefix,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from fhirserver.search.criterion import Near
from fhirserver.search.escape import split, unescape
from fhirserver.search.normalize import normalize
from fhirserver.search.period import parse_span
from fhirserver.search.position import DEFAULT_KILOMETRES, UNITS
from fhirserver.search.ranges import UCUM
from fhirserver.terminology.ucum import canonical

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_PREFIXES: Final[dict[str, Prefix]] = {
    "eq": "eq",
    "ne": "ne",
    "gt": "gt",
    "lt": "lt",
    "ge": "ge",
    "le": "le",
    "sa": "sa",
    "eb": "eb",
    "ap": "ap",
}


class RefusedError(ValueError):
    """The value cannot be read; the message says why, for the caller."""


class ResourceTypes(Protocol):
    """Knows the resource types: those that have search parameters."""

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Raise KeyError for what is no resource type."""
        ...


def parse_token(text: str) -> TokenValue:
    """``code``, ``system|code``, ``|code`` or ``system|``."""
    parts = [unescape(part) for part in split(text, "|")]
    match parts:
        case [code] if code:
            return TokenValue(None, code)
        case [system, code] if code:
            return TokenValue(system, code)
        case [system, ""] if system:
            return TokenValue(system, None)
    raise RefusedError(
        r"expected code, system|code, |code or system| (a | in a code is written \|)"
    )


def parse_string(text: str) -> StringValue:
    """Any text that is not only white space or marks."""
    plain = unescape(text)
    normalized = normalize(plain)
    if not normalized:
        raise RefusedError("a value has no letters")
    return StringValue(plain, normalized)


def parse_uri(text: str) -> UriValue:
    """Any text; a canonical may carry ``|version``."""
    return UriValue(unescape(text))


def parse_date(text: str) -> DateValue:
    """A prefix (eq when left out) and a date, with or without time."""
    prefix, rest = _prefix(text)
    # A plus sign that was not escaped in the URL arrives as a blank.
    rest = unescape(rest).replace(" ", "+")
    try:
        span = parse_span(rest)
    except ValueError:
        raise RefusedError(
            "expected a date such as 2026, 2026-05, 2026-05-17 or 2026-05-17T10:00:00Z, "
            f"after one of the prefixes {', '.join(_PREFIXES)} or none"
        ) from None
    return DateValue(prefix, span.lo, span.hi)


def parse_number(text: str) -> NumberValue:
    """A prefix (eq when left out) and a decimal number."""
    prefix, rest = _prefix(unescape(text))
    if _NUMBER.fullmatch(rest) is None:
        raise RefusedError(
            f"expected a number, after one of the prefixes {', '.join(_PREFIXES)} or none"
        )
    value = Decimal(rest)
    exponent: Any = value.as_tuple().exponent
    half = Decimal((0, (5,), exponent - 1))
    return NumberValue(prefix, value, value - half, value + half)


def parse_quantity(text: str) -> QuantityValue:
    """``number``, ``number|system|code`` or ``number||code``."""
    match split(text, "|"):
        case [number]:
            return QuantityValue(parse_number(number), None, None)
        case [number, system, unit] if unit:
            return _with_unit(parse_number(number), unescape(system) or None, unescape(unit))
    raise RefusedError("expected number, number|system|code or number||code")


def _with_unit(number: NumberValue, system: str | None, unit: str) -> QuantityValue:
    as_written = QuantityValue(number, system, unit)
    if system not in (UCUM, None):
        return as_written
    ends = [canonical(one, unit) for one in (number.value, number.lo, number.hi)]
    if any(one is None for one in ends):
        return as_written
    (value, base), (lo, _), (hi, _) = (one for one in ends if one is not None)
    return replace(
        as_written, canonical=NumberValue(number.prefix, value, lo, hi), canonical_unit=base
    )


def parse_of_type(text: str) -> OfTypeValue:
    """``system|code|value``: the type of an identifier and its value."""
    match [unescape(part) for part in split(text, "|")]:
        case [system, code, value] if system and code and value:
            return OfTypeValue(system, code, value)
    raise RefusedError("expected system|code|value, the type of an identifier and its value")


def parse_near(param: str, text: str) -> Near:
    """``latitude|longitude|distance|unit``: degrees, and kilometres when there is no unit."""
    parts = [unescape(part) for part in split(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise RefusedError("expected latitude|longitude|distance|unit")
    latitude, longitude = (_plain_number(part) for part in parts[:2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise RefusedError("the latitude is -90 to 90, the longitude -180 to 180 degrees")
    amount = parts[2] if len(parts) > 2 else ""
    unit = (parts[3] if len(parts) > 3 else "") or "km"
    if unit not in UNITS:
        raise RefusedError(f"the unit of the distance is one of {', '.join(UNITS)}")
    if not amount:
        return Near(param, latitude, longitude, DEFAULT_KILOMETRES)
    distance = _plain_number(amount)
    if distance < 0:
        raise RefusedError("the distance is negative")
    return Near(param, latitude, longitude, distance * UNITS[unit])


def _plain_number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise RefusedError("expected a number")
    return Decimal(text)


def parse_reference_value(
    text: str, targets: tuple[str, ...], types: ResourceTypes, base: str
) -> ReferenceValue:
    """``id`` (of any type in `targets`), ``Type/id``, an absolute URL, a URN or a canonical.

    A URL below `base`, the server's own, also means the relative reference.
    """
    plain = unescape(text)
    if base and plain.startswith(base + "/"):
        relative = plain[len(base) + 1 :]
        return ReferenceValue((_relative(relative, types), plain))
    if ":" in plain:
        return ReferenceValue((plain,))
    if "/" in plain:
        return ReferenceValue((_relative(plain, types),))
    if ID.fullmatch(plain) is None:
        raise RefusedError("expected id, Type/id or a URL")
    if not targets:
        raise RefusedError("expected a URL")
    return ReferenceValue(tuple(f"{type_}/{plain}" for type_ in targets))


def _relative(text: str, types: ResourceTypes) -> str:
    type_, _, id_ = text.partition("/")
    try:
        types.search_parameters(type_)
    except KeyError:
        raise RefusedError("the reference names an unknown resource type") from None
    if ID.fullmatch(id_) is None:
        raise RefusedError("expected Type/id, without version")
    return text


def _prefix(text: str) -> tuple[Prefix, str]:
    prefix = _PREFIXES.get(text[:2])
    return ("eq", text) if prefix is None else (prefix, text[2:])
