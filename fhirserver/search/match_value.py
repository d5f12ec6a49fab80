"""Whether one value that is asked for fits one entry of a resource.

Spec: https://hl7.org/fhir/R4/search.html#ptypes
"""

from collections.abc import Iterable

from fhirserver.search.comparison import date_comparison, holds, number_comparison
from fhirserver.search.condition import (
    Condition,
    DateValue,
    MembersValue,
    Modifier,
    NumberValue,
    OfTypeValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    LogicalEntry,
    NumberEntry,
    OfTypeEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TextEntry,
    TokenEntry,
    UriEntry,
)
from fhirserver.search.normalize import normalize
from fhirserver.search.ranges import UCUM, in_base_units
from fhirserver.search.uri import is_below


def values_meet(condition: Condition, entries: Iterable[Entry]) -> bool:
    """Whether any entry fits any of the condition's values; negation is left to the caller."""
    return any(
        _fits(value, condition.modifier, entry) for entry in entries for value in condition.values
    )


def _fits(value: Value, modifier: Modifier | None, entry: Entry) -> bool:
    match entry:
        case TokenEntry():
            return _coded(value, modifier, entry)
        case LogicalEntry(system=system, value=code):
            wanted = value if modifier == "identifier" and isinstance(value, TokenValue) else None
            return wanted is not None and _token(wanted, TokenEntry("", system, code))
        case OfTypeEntry(system=system, code=code, value=text):
            return value == OfTypeValue(system, code, text)
        case ReferenceEntry():
            return _reference(value, modifier, entry)
        case TextEntry(value=text) | StringEntry(value=text) if isinstance(value, StringValue):
            # What stands beside a code is only compared for ":text", where texts are all there is.
            return _string(value, None if modifier == "text" else modifier, text)
        case UriEntry(value=text) if isinstance(value, UriValue):
            return _uri(value.text, modifier, text)
        case _:
            return _in_range(value, entry)


def _coded(value: Value, modifier: Modifier | None, entry: TokenEntry) -> bool:
    match value:
        case TokenValue(system=None, code=code) if modifier == "below":
            return _is_media_type(entry.code, code)
        case TokenValue() if modifier != "identifier":
            return _token(value, entry) is not (modifier == "unequal")
        case MembersValue(members=members) if entry.code is not None and entry.system is not None:
            return members.contains(entry.system, entry.code)
        case _:
            return False


def _reference(value: Value, modifier: Modifier | None, entry: ReferenceEntry) -> bool:
    if not isinstance(value, ReferenceValue):
        return False
    whole, version = entry.target, entry.version
    plain = whole if version is None else whole[: -len(version) - 1]
    found = whole in value.targets or plain in value.targets
    return found is not (modifier == "unequal")


def _string(value: StringValue, modifier: Modifier | None, text: str) -> bool:
    if modifier == "exact":
        return text == value.text
    return _compare(value.normalized, modifier or "begins", normalize(text))


def _uri(wanted: str, modifier: Modifier | None, uri: str) -> bool:
    match modifier:
        case "above":
            return is_below(wanted, uri)
        case "below":
            return is_below(uri, wanted)
        case None | "equals":
            return uri == wanted or ("|" not in wanted and uri.startswith(wanted + "|"))
        case _:
            return _compare(wanted, modifier, uri)


def _compare(wanted: str, modifier: Modifier, text: str) -> bool:
    match modifier:
        case "contains":
            return wanted in text
        case "ends":
            return text.endswith(wanted)
        case "equals":
            return text == wanted
        case "unequal":
            return text != wanted
        case "begins":
            return text.startswith(wanted)
        case _:
            return False


def _token(value: TokenValue, entry: TokenEntry) -> bool:
    if value.code is not None and value.code != entry.code:
        return False
    if value.system is None:
        return True
    if value.system == "":
        return entry.system is None or entry.implied
    return value.system == entry.system


def _is_media_type(found: str | None, wanted: str | None) -> bool:
    """``text`` is met by all text types, ``text/xml`` also with parameters behind a semicolon."""
    if found is None or wanted is None:
        return False
    return found == wanted or found.startswith((wanted + "/", wanted + ";"))


def _in_range(value: Value, entry: Entry) -> bool:
    match value, entry:
        case DateValue(), DateEntry(lo=lo, hi=hi):
            return holds(date_comparison(value), (lo, hi))
        case NumberValue(), NumberEntry():
            return holds(number_comparison(value), (entry.lo, entry.hi))
        case QuantityValue(), QuantityEntry():
            return _quantity(value, entry)
        case _:
            return False


def _quantity(value: QuantityValue, entry: QuantityEntry) -> bool:
    if value.canonical is not None and entry.system == UCUM:
        converted = in_base_units(entry)
        same = converted is not None and converted[2] == value.canonical_unit
        if converted and same and holds(number_comparison(value.canonical), converted[:2]):
            return True
    if value.canonical is not None and value.system is not None:
        return False
    return _unit(value, entry) and holds(number_comparison(value.number), (entry.lo, entry.hi))


def _unit(value: QuantityValue, entry: QuantityEntry) -> bool:
    if value.unit is None:
        return True
    if value.system is not None:
        return value.system == entry.system and value.unit == entry.code
    return value.unit in (entry.code, entry.unit)
