"""From a resource to what its row holds besides the content: blind keys, time columns, ranges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from fhirserver.crypto.blind_index import BlindIndex, distinct
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.resource import Json
from fhirserver.search import coarse
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
    resource, targets = _without_readings(resource, definitions)
    entries = extract(resource, definitions)
    primary, others = range_entries(type_, entries)
    ranges = [RangeRow(parameter_number(type_, one.param), one.lo, one.hi) for one in others]
    ranges += [
        RangeRow(number, one.lo, one.hi) for number, one in component_ranges(resource, blind)
    ]
    return IndexColumns(
        own=blind.own(f"{type_}/{resource['id']}"),
        keys=distinct(
            _indexed_keys(blind, type_, resource_terms(type_, entries), resource["id"])
            + _keys_of(targets, blind)
        ),
        time=None if primary is None else as_datetime(primary.lo),
        time_end=None if primary is None else as_datetime(primary.hi),
        ranges=tuple(dict.fromkeys(ranges)),
    )


class _TargetsAreKnown:
    """Whether `Provenance.target` is read by R4's own parameters alone, of which one is about Patients only."""

    def __init__(self, definitions: Definitions) -> None:
        known = definitions.indexed_parameters(_PROVENANCE).values()
        self.alone = {one.code for one in known if "target" in str(one.expression)} == _OF_TARGETS


_PROVENANCE: Final = "Provenance"
_OF_TARGETS: Final = frozenset(("target", "patient"))
_READING: Final = "Observation/"


def _without_readings(resource: Json, definitions: Definitions) -> tuple[Json, list[str]]:
    """Return a Provenance without the Observations it is about but for the first target, and those.

    There is one for each message of a machine, with all that was measured: a reference has one key whatever stands
    around it, so most of the walk can be spared.
    """
    if resource["resourceType"] != _PROVENANCE:
        return resource, []
    others, readings = resource["target"][:1], []
    for one in resource["target"][1:]:
        text = one.get("reference", "")
        if len(one) == 1 and text.startswith(_READING) and text.count("/") == 1:
            readings.append(text)
        else:
            others.append(one)
    if not readings or not definitions.derived(_TargetsAreKnown).alone:
        return resource, []
    return {**resource, "target": others}, readings


def _keys_of(readings: Sequence[str], blind: BlindIndex) -> list[int]:
    own, constant = blind.owns(), blind.parameter_constant(_PROVENANCE, "target")
    return [own(one.encode()) ^ constant for one in readings]


def _indexed_keys(blind: BlindIndex, type_: str, terms: Iterable[Term], id_: str) -> list[int]:
    """Return what `indexed_key` returns for each of `terms`; most values have one key, and all are asked for at once."""
    value, has_spread = blind.value, blind.spread is not None and type_ in coarse.MEASURED
    return [
        indexed_key(blind, type_, term, id_)
        if term.reference or (has_spread and spread(blind, type_, term) > 1)
        else value(type_, term.param, term.text)
        for term in terms
    ]


def indexed_key(blind: BlindIndex, type_: str, term: Term, id_: str) -> int:
    """Return the key that the resource `id_` is indexed under for `term`."""
    param, text, is_reference = term
    if is_reference:
        return blind.reference(type_, param, text)
    of = spread(blind, type_, term)
    return blind.value(type_, param, text, blind.part(type_, param, text, id_, of))


def asked_keys(blinds: Sequence[BlindIndex], type_: str, term: Term) -> tuple[int, ...]:
    """Return the keys one of which a resource has that `term` finds, in any version of the index."""
    param, text, is_reference = term
    if is_reference:
        return (blinds[0].reference(type_, param, text),)
    return tuple(
        blind.value(type_, param, text, part)
        for blind in blinds
        for part in range(spread(blind, type_, term))
    )


def spread(blind: BlindIndex, type_: str, term: Term) -> int:
    """Return over how many keys a value is spread, one for most."""
    if term.reference or blind.spread is None:
        return 1
    name = coarse.place(type_, term)
    return 1 if name is None else blind.spread.get(name, 1)


@lru_cache(maxsize=8192)
def parameter_number(type_: str, param: str) -> int:
    """Return the number that stands for a search parameter in resource_range."""
    digest = blake2b(f"{type_}.{param}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
