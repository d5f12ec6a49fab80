"""From a resource to what its row holds besides the content: blind keys, time columns, ranges."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b

from fhirserver.crypto.blind_index import BlindIndex, distinct
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.resource import Json
from fhirserver.search.extract import extract
from fhirserver.search.period import as_datetime
from fhirserver.search.ranges import range_entries
from fhirserver.search.terms import Term, resource_terms
from fhirserver.store.component_ranges import component_ranges


@dataclass(frozen=True, slots=True)
class RangeRow:
    """One row of resource_range; an open end is infinite."""

    param: int
    lo: Decimal
    hi: Decimal


@dataclass(frozen=True, slots=True)
class IndexColumns:
    """What search runs over. `own` is the key references to this resource are made from."""

    own: int
    keys: list[int]
    time: datetime | None
    time_end: datetime | None
    ranges: tuple[RangeRow, ...]


def index_columns(resource: Json, blind: BlindIndex, definitions: Definitions) -> IndexColumns:
    """Return the search columns of `resource`, which carries its final id."""
    type_ = resource["resourceType"]
    entries = extract(resource, definitions)
    primary, others = range_entries(type_, entries)
    ranges = [RangeRow(parameter_number(type_, one.param), one.lo, one.hi) for one in others]
    ranges += [
        RangeRow(number, one.lo, one.hi) for number, one in component_ranges(resource, blind)
    ]
    return IndexColumns(
        own=blind.own(f"{type_}/{resource['id']}"),
        keys=distinct([term_key(blind, type_, term) for term in resource_terms(type_, entries)]),
        time=None if primary is None else as_datetime(primary.lo),
        time_end=None if primary is None else as_datetime(primary.hi),
        ranges=tuple(dict.fromkeys(ranges)),
    )


def term_key(blind: BlindIndex, type_: str, term: Term) -> int:
    """Return the key `term` is indexed and looked up under."""
    param, text, is_reference = term
    return blind.reference(type_, param, text) if is_reference else blind.value(type_, param, text)


@lru_cache(maxsize=8192)
def parameter_number(type_: str, param: str) -> int:
    """Return the number that stands for a search parameter in resource_range."""
    digest = blake2b(f"{type_}.{param}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
