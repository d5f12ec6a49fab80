"""What a resource is sorted by, read off the resource: for orders that no column can give.

Texts are compared as they are searched (without case and accents), tokens by code, references by
target, dates and numbers by their lower end when ascending and their upper end when descending;
where a resource has several values, the first in the order counts.

Spec: https://hl7.org/fhir/R4/search.html#sort
"""

from decimal import Decimal
from typing import Final

from fhirserver.kernel.resource import Json
from fhirserver.search.asked import SortKey
from fhirserver.search.emitters import SearchDefinitions
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
from fhirserver.search.extract import entries_of
from fhirserver.search.normalize import normalize
from fhirserver.search.period import parse_span

# A value that sorts: a text, or a number (of microseconds since 1970 for dates).
SortValue = str | Decimal

# Longer texts count by their beginning only.
MAX_TEXT: Final = 200


def sort_value(resource: Json, key: SortKey, definitions: SearchDefinitions) -> SortValue | None:
    """Return the value that `key` sorts `resource` by; None when it has none.

    All values of one key for one type are of one kind. Resources without a value come last when
    ascending and first when descending, as NULL does in the store.
    """
    if key.param == "_id" or key.by == "id":
        return str(resource.get("id", ""))
    if key.param == "_lastUpdated" or key.by == "last-updated":
        updated = resource.get("meta", {}).get("lastUpdated")
        return None if updated is None else Decimal(parse_span(updated).lo)
    found = [
        value
        for entry in entries_of(resource, definitions, key.param)
        if (value := _value(entry, descending=key.descending)) is not None
    ]
    texts = [value for value in found if isinstance(value, str)]
    numbers = [value for value in found if isinstance(value, Decimal)]
    if texts:
        return max(texts) if key.descending else min(texts)
    if numbers:
        return max(numbers) if key.descending else min(numbers)
    return None


def _value(entry: Entry, *, descending: bool) -> SortValue | None:
    match entry:
        case StringEntry(value=value):
            return normalize(value)[:MAX_TEXT]
        case TokenEntry(code=code, system=system):
            return (code or system or "")[:MAX_TEXT]
        case ReferenceEntry(target=target):
            return target[:MAX_TEXT]
        case UriEntry(value=value):
            return value[:MAX_TEXT]
        case DateEntry(lo=lo, hi=hi):
            return Decimal(hi if descending else lo)
        case NumberEntry(lo=low, hi=high) | QuantityEntry(lo=low, hi=high):
            return high if descending else low
        case _:
            return None
