"""Whether one resource answers a query, decided from the resource itself.

This is the second, independent answer beside the index: it knows nothing of terms, hashes or
columns. The store verifies inexact hits with it, Subscriptions test their filters with it.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence

from fhirserver.kernel.resource import Json
from fhirserver.search.comparison import date_comparison, holds, number_comparison
from fhirserver.search.condition import (
    Condition,
    DateValue,
    IdValue,
    NumberValue,
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
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from fhirserver.search.extract import SearchDefinitions, extract
from fhirserver.search.normalize import normalize
from fhirserver.search.period import parse_span
from fhirserver.search.query import Query


def matches(resource: Json, query: Query, definitions: SearchDefinitions) -> bool:
    """Whether `resource` (with its id and meta) meets every condition of `query`.

    Sorting, count and cursor have no say. A resource of another type never matches.
    """
    if resource.get("resourceType") != query.type:
        return False
    entries: dict[str, list[Entry]] = {}
    for entry in extract(resource, definitions):
        entries.setdefault(entry.param, []).append(entry)
    return all(_meets(resource, one, entries.get(one.param, ())) for one in query.conditions)


def _meets(resource: Json, condition: Condition, entries: Sequence[Entry]) -> bool:
    match condition.answered_by:
        case "id":
            return any(
                isinstance(value, IdValue) and value.id == resource.get("id")
                for value in condition.values
            )
        case "last-updated":
            updated = resource.get("meta", {}).get("lastUpdated")
            if updated is None:
                return False
            span = parse_span(updated)
            return any(
                isinstance(value, DateValue) and holds(date_comparison(value), span)
                for value in condition.values
            )
    if condition.missing is not None:
        return condition.missing is not bool(entries)
    test = _as_written if condition.modifier == "exact" else _answers
    found = any(test(value, entry) for value in condition.values for entry in entries)
    return found is not condition.negated


def _answers(value: Value, entry: Entry) -> bool:
    match value, entry:
        case TokenValue(), TokenEntry():
            return _token(value, entry)
        case ReferenceValue(targets=targets), ReferenceEntry(target=target, version=version):
            plain = target if version is None else target[: -len(version) - 1]
            return target in targets or plain in targets
        case StringValue(normalized=wanted), StringEntry(value=text):
            return normalize(text).startswith(wanted)
        case UriValue(text=text), UriEntry(value=uri):
            return uri == text or ("|" not in text and uri.startswith(text + "|"))
        case _:
            return _in_range(value, entry)


def _in_range(value: Value, entry: Entry) -> bool:
    match value, entry:
        case DateValue(), DateEntry(lo=lo, hi=hi):
            return holds(date_comparison(value), (lo, hi))
        case NumberValue(), NumberEntry():
            return holds(number_comparison(value), (entry.lo, entry.hi))
        case QuantityValue(number=number), QuantityEntry():
            ends = (entry.lo, entry.hi)
            return _unit(value, entry) and holds(number_comparison(number), ends)
        case _:
            return False


def _as_written(value: Value, entry: Entry) -> bool:
    match value, entry:
        case StringValue(text=wanted), StringEntry(value=text):
            return text == wanted
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


def _unit(value: QuantityValue, entry: QuantityEntry) -> bool:
    if value.unit is None:
        return True
    if value.system is not None:
        return value.system == entry.system and value.unit == entry.code
    return value.unit in (entry.code, entry.unit)
