"""Kinds of AuditEvents: indexed and cut into literal pieces once, filled with what is an event's own.

Most events differ from others of their kind in a few values only: when, whom, what, which request. So an event costs
little more than its encryption. What has no kind is indexed whole. Values of AuditEvents are never spread over several
keys (`fhirserver.search.coarse`), so no key of a kind depends on the row.
"""

import base64
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final, NamedTuple

from fhirserver.auditing.event import audit_event
from fhirserver.auditing.leaf import beginning_of, leaf_of
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.definitions.loader import Definitions
from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel import keys
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.resource import Json
from fhirserver.search.extract import extract
from fhirserver.search.terms import resource_terms
from fhirserver.store.rows import indexed_key
from fhirserver.store.tenant_keys import TenantKeys
from fhirserver.store.versions import stamped
from fhirserver.wire.canonical_json import canonical

TYPE: Final = "AuditEvent"
_OWN: Final = f"{TYPE}/"
_OWN_BYTES: Final = _OWN.encode()
_ROW_ID_MARK: Final = "01900000-0000-7000-8000-00000000a0d1"
_UPDATED_MARK: Final = "2001-02-03T04:05:06.001Z"
_AT_MARK: Final = "2001-02-03T04:05:06.002Z"
_PATIENT_MARK: Final = "0mark0of0a0patient"
_OBJECT_MARK: Final = "Basic/0mark0of0an0object"
_VERSION_MARK: Final = "0mark0of0a0version"
_REQUEST_MARK: Final = "0mark0of0a0request"
_QUERY_MARK: Final = b"0mark0of0a0query"
_QUERY_TEXT: Final = base64.b64encode(_QUERY_MARK).decode()
_VALUES: Final = (
    _ROW_ID_MARK, _UPDATED_MARK, _AT_MARK, _PATIENT_MARK, _OBJECT_MARK, _VERSION_MARK, _REQUEST_MARK, _QUERY_TEXT,
)  # fmt: skip
_NOTHING: Final = ("", "", "")
_PATIENT: Final = 3
_OBJECT: Final = 4
_TARGETS: Final = {f"Patient/{_PATIENT_MARK}": _PATIENT, _OBJECT_MARK: _OBJECT}
_MARKS: Final = re.compile("|".join(map(re.escape, _VALUES)).encode())
# What may stand in a template's place as it is: nothing that JSON would have to escape.
_plain: Final = re.compile(r"[A-Za-z0-9._/-]*").fullmatch


class Row(NamedTuple):
    """One event as its row. `keys` are its keys as a text with commas between, `patient` is a key of the blind index,
    `at` an instant.
    """

    bucket: int
    row: str
    patient: int | None
    own: int
    at: str
    keys: str
    content: bytes
    leaf: bytes


class _Varying(NamedTuple):
    """A term whose text is `before`, one of the values, `after`."""

    param: str
    before: str
    value: int
    after: str


@dataclass(frozen=True, slots=True)
class Template:
    """What events of one kind have in common.

    `text` is a bytes template with a place for each mark, `order` picks the values that stand there. `keys` do not vary;
    `of_patient` and `of_object` are constants of the parameters that refer to the patient and the object; `varying` are
    terms whose key is an event's own.
    """

    text: bytes
    order: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]
    keys: str
    of_patient: tuple[int, ...]
    of_object: tuple[int, ...]
    varying: tuple[_Varying, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """For whom rows are made, and now; `bits` returns 64 random bits."""

    own: TenantKeys
    definitions: Definitions
    now: datetime
    bits: Callable[[], int]
    tenant: int = field(init=False)
    blind: BlindIndex = field(init=False)
    updated: bytes = field(init=False)
    ms: int = field(init=False)
    begun: Any = field(init=False)
    own_of: Callable[[bytes], int] = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what is the same for every row."""
        put = object.__setattr__
        put(self, "tenant", self.own.tenant)
        put(self, "blind", self.own.blind)
        put(self, "updated", _instant(self.now).encode())
        put(self, "ms", keys.unix_ms(self.now))
        put(self, "begun", sha256(beginning_of(self.own.tenant)))
        put(self, "own_of", self.own.blind.owns())


def shape_of(happening: Happening, patient: str | None) -> tuple[object, ...] | None:
    """Return what happenings of one template have in common, None for one that has none."""
    objects, request_id = happening.objects, happening.request_id
    versioned = False
    if objects:
        thing = objects[0]
        if len(objects) > 1 or not _plain(thing):
            return None
        if thing.startswith("Patient/") and thing.split("/", 2)[1] != patient:
            return None
        versioned = "/_history/" in thing
    if request_id and not _plain(request_id):
        return None
    return (
        happening.what,
        happening.outcome,
        happening.actor,
        happening.purpose,
        happening.detail,
        happening.recipient,
        patient is None,
        bool(objects),
        versioned,
        bool(request_id),
        bool(happening.query),
    )


def template_of(place: Place, happening: Happening, patient: str | None, base: str) -> Template:
    """Return the template of the kind of `happening`, which has a shape."""
    thing = happening.objects[0] if happening.objects else ""
    version = f"/_history/{_VERSION_MARK}" if "/_history/" in thing else ""
    marked = replace(
        happening,
        at=datetime.fromisoformat(_AT_MARK),
        objects=(_OBJECT_MARK + version,) if thing else (),
        request_id=_REQUEST_MARK if happening.request_id else "",
        query=_QUERY_MARK if happening.query else b"",
    )
    body = audit_event(marked, None if patient is None else _PATIENT_MARK, base)
    body, _ = stamped(body, _ROW_ID_MARK, 1, datetime.fromisoformat(_UPDATED_MARK))
    content = canonical(body)
    blind = place.blind
    constant, varying = list[str](), list[_Varying]()
    of_patient, of_object = list[int](), list[int]()
    for one in resource_terms(TYPE, extract(body, place.definitions)):
        target = _TARGETS.get(one.text) if one.reference else None
        mark = next((mark for mark in _VALUES if mark in one.text), None)
        if target is not None:
            same = blind.parameter_constant(TYPE, one.param)
            (of_patient if target == _PATIENT else of_object).append(same)
        elif mark is None:
            constant.append(str(indexed_key(blind, TYPE, one, "")))
        else:
            before, _, after = one.text.partition(mark)
            varying.append(_Varying(one.param, before, _VALUES.index(mark), after))
    pieces = [piece.replace(b"%", b"%%") for piece in _MARKS.split(content)]
    return Template(
        b"%b".join(pieces),
        itemgetter(*(_VALUES.index(mark.decode()) for mark in _MARKS.findall(content))),
        ",".join(constant),
        tuple(of_patient),
        tuple(of_object),
        tuple(varying),
    )


def filled(place: Place, template: Template, happening: Happening, patient: str | None) -> Row:
    """Return the row of `happening` about `patient`, of whose kind `template` is."""
    blind = place.blind
    bucket, row = _place_of(place, patient)
    at = _instant(happening.at)
    query = happening.query
    thing, _, version = (
        happening.objects[0].partition("/_history/") if happening.objects else _NOTHING
    )
    values = (
        row.encode(),
        place.updated,
        at.encode(),
        patient.encode() if patient is not None else b"",
        thing.encode(),
        version.encode(),
        happening.request_id.encode(),
        base64.b64encode(query) if query else b"",
    )
    content = template.text % template.order(values)
    found = [template.keys]
    whose = None
    if patient is not None:
        whose = blind.own(f"Patient/{patient}")
        found += [str(whose ^ key) for key in template.of_patient]
    if thing:
        # Not remembered, as the row itself: hardly any is met again.
        what = place.own_of(values[_OBJECT])
        found += [str(what ^ key) for key in template.of_object]
    for param, before, value, after in template.varying:
        text = f"{before}{values[value].decode()}{after}"
        found.append(str(blind.value(TYPE, param, text)))
    leaf = place.begun.copy()
    leaf.update(content)
    return Row(
        bucket,
        row,
        whose,
        place.own_of(_OWN_BYTES + values[0]),
        at,
        ",".join(found),
        content,
        leaf.digest(),
    )


def row_of(place: Place, happening: Happening, patient: str | None, event: Json) -> Row:
    """Return the row of `event`, made of a happening that has no shape."""
    bucket, row = _place_of(place, patient)
    body, _ = stamped(event, row, 1, place.now)
    content = canonical(body)
    terms = resource_terms(TYPE, extract(body, place.definitions))
    blind = place.blind
    named = patients_of(body)
    return Row(
        bucket,
        row,
        blind.own(f"Patient/{next(iter(named))}") if len(named) == 1 else None,
        blind.own(_OWN + row),
        _instant(happening.at),
        ",".join({str(indexed_key(blind, TYPE, one, row)) for one in terms}),
        content,
        leaf_of(place.tenant, content),
    )


def _place_of(place: Place, patient: str | None) -> tuple[int, str]:
    bucket = secrets.randbelow(keys.BUCKETS) if patient is None else _bucket(place.tenant, patient)
    return bucket, keys.row_text(keys.row_bytes(place.ms, bucket, place.bits()))


@lru_cache(maxsize=4_096)
def _bucket(tenant: int, patient: str) -> int:
    return keys.bucket_of(tenant, "Patient", patient)


def _instant(moment: datetime) -> str:
    if moment.tzinfo is UTC:
        return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
