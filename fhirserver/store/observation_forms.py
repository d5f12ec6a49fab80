"""What Observations of many devices have in common, validated, indexed and cut once. No SQL here.

A device's own references are filled in: into the literal pieces, and into the keys of the index, where a reference's key is
its target's own key combined with a constant of the parameter. Which keys are such is not assumed but found out, by
indexing the form with two different ids in the place of its marks: what both have is the same for all devices, and what
differs must differ by the target alone. A form of which this is not true, such as one that a tenant's own search
parameter reads in another way, is indexed for each device in full.
"""

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

from fhirserver.crypto.blind_index import BlindIndex, distinct
from fhirserver.definitions import Definitions
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import OWN_MARK, ObservationForm, value_mark
from fhirserver.store.data_keys import DataKey
from fhirserver.store.observation_rows import (
    ID_MARK,
    UPDATED_MARK,
    PreparedTemplate,
    RangeSource,
    Row,
    cut,
    ends,
    prepared,
)
from fhirserver.store.rows import IndexColumns, RangeRow, index_columns
from fhirserver.terminology.ucum import canonical
from fhirserver.validation import validate
from fhirserver.wire import fhir_json

_OTHER_MARK: Final = "ffffffff-ffff-4fff-bfff-ffffffffffff"


class Links(NamedTuple):
    """The index of a form: the keys all devices share, and for each mark the constants its targets are linked by."""

    shared: tuple[int, ...]
    constants: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class PreparedForm:
    """A form cut into literal pieces, with where its ranges come from; `links` None: indexed for each device."""

    form: ObservationForm
    pieces: tuple[bytes, ...]
    ranges: tuple[RangeSource, ...]
    links: Links | None


def prepared_form(
    form: ObservationForm, blind: BlindIndex, definitions: Definitions
) -> PreparedForm:
    """Return `form` as templates are made of it.

    Raises `Unprocessable` with every problem of an Observation that is not valid, ValueError when marks of numbers are
    missing.
    """
    body = _body(form.resource)
    problems = [one for one in validate(body) if one.severity in ("error", "fatal")]
    if problems:
        msg = "the Observation of this metric is not valid"
        raise Unprocessable(msg, problems=problems)
    content = fhir_json.write(body)
    index = index_columns(body, blind, definitions)
    return PreparedForm(
        form,
        cut(content, form.values),
        tuple(_source(body, form.values, one) for one in index.ranges),
        _links(form, content, index, blind, definitions),
    )


def filled(
    known: PreparedForm, references: Sequence[str], row: Row, key: DataKey
) -> PreparedTemplate:
    """Return the template of `row`, which has the keys of `keys_of`, with `references` in the place of the marks."""
    pieces = list(known.pieces)
    for mark, reference in zip(known.form.marks, references, strict=True):
        old, new = mark.encode(), reference.encode()
        pieces = [one.replace(old, new) for one in pieces]
    kind: Hashable = (known.form, *references)
    return prepared(tuple(pieces), kind, known.ranges, row, key)


def keys_of(
    known: PreparedForm, references: Sequence[str], blind: BlindIndex, definitions: Definitions
) -> list[int]:
    """Return the keys of the index that an Observation of a form has with these `references`."""
    if known.links is None:
        content = fhir_json.write(_body(known.form.resource)).decode()
        for mark, reference in zip(known.form.marks, references, strict=True):
            content = content.replace(mark, reference)
        return index_columns(fhir_json.read_own(content.encode()), blind, definitions).keys
    linked = [
        blind.own(reference) ^ constant
        for reference, constants in zip(references, known.links.constants, strict=True)
        for constant in constants
    ]
    return distinct([*known.links.shared, *linked])


def _body(resource: Json) -> Json:
    body: Json = {
        "resourceType": "Observation",
        "id": ID_MARK,
        "meta": {"versionId": "1", "lastUpdated": UPDATED_MARK},
    }
    body["meta"].update(resource.get("meta", {}))
    body.update((key, value) for key, value in resource.items() if key not in body)
    return body


def _links(
    form: ObservationForm,
    content: bytes,
    index: IndexColumns,
    blind: BlindIndex,
    definitions: Definitions,
) -> Links | None:
    """Return what of `index` depends on the marks of `form`, None where it does so in another way than a link."""
    others = [mark.replace(OWN_MARK, _OTHER_MARK) for mark in form.marks]
    other = index_columns(
        fhir_json.read_own(content.replace(OWN_MARK.encode(), _OTHER_MARK.encode())),
        blind,
        definitions,
    )
    keys, other_keys = set(index.keys), set(other.keys)
    shared, own, own_of_other = keys & other_keys, keys - other_keys, other_keys - keys
    constants = []
    for mark, there in zip(form.marks, others, strict=True):
        found = set(_constants(own, own_of_other, blind.own(mark), blind.own(there)))
        own -= {blind.own(mark) ^ one for one in found}
        own_of_other -= {blind.own(there) ^ one for one in found}
        constants.append(tuple(sorted(found)))
    if own or own_of_other or index.ranges != other.ranges:
        return None
    return Links(tuple(sorted(shared)), tuple(constants))


def _constants(
    own: AbstractSet[int], own_of_other: AbstractSet[int], target: int, other: int
) -> Iterator[int]:
    for key in own:
        if key ^ target ^ other in own_of_other:
            yield key ^ target


def _source(body: Json, values: int, one: RangeRow) -> RangeSource:
    for position in range(values):
        mark = value_mark(position)
        if one.lo == one.hi == mark:
            return RangeSource(one.param, position, None, None)
        for unit in _units(body):
            converted = canonical(mark, unit)
            if converted is not None and one.lo == one.hi == converted[0]:
                return RangeSource(one.param, position, unit, None)
    return RangeSource(one.param, 0, None, ends(one.lo, one.hi))


def _units(body: Json) -> Iterator[str]:
    for holder in (body, *body.get("component", ())):
        unit = holder.get("valueQuantity", {}).get("code")
        if unit is not None:
            yield unit
