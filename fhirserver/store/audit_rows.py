"""AuditEvents as rows: content sealed under the tenant's key, search columns, and a leaf of the log, in one statement.

Under the tenant's key, because who looked at a record must outlive the key of the patient. Most events differ from
others in a few values only; such a kind is indexed and cut into literal pieces once (`_Template`), and an event costs
little more than its encryption.
"""

import base64
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate, count
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from fhirserver.auditing.event import audit_event
from fhirserver.auditing.leaf import leaf_of
from fhirserver.crypto import envelope
from fhirserver.definitions.loader import Definitions
from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel import keys
from fhirserver.kernel.audit import Happening
from fhirserver.kernel.resource import Json
from fhirserver.search import coarse
from fhirserver.search.extract import extract
from fhirserver.search.term import Term
from fhirserver.search.terms import resource_terms
from fhirserver.store.connection import Query
from fhirserver.store.data_keys import DataKeys
from fhirserver.store.rows import indexed_key
from fhirserver.store.tenant_keys import TenantKeys
from fhirserver.store.versions import stamped
from fhirserver.wire.canonical_json import canonical

_INSERT: Final[LiteralString] = (
    "WITH made AS (INSERT INTO resource (type, bucket, tenant, id, version, patient, own, time, time_end, updated, "
    "keys_version, keys, key_id, content) SELECT %s::smallint, b, %s::int, i, 1, p, o, t, t + interval '1 ms', %s::timestamptz, "
    "%s::smallint, k::bigint[], %s::bigint, substring(%b::bytea from at for size) "
    "FROM unnest(%s::smallint[], %s::uuid[], %s::bigint[], %s::bigint[], %s::timestamptz[], "
    "%s::text[], %s::int[], %s::int[]) AS new(b, i, p, o, t, k, at, size)) "
    "INSERT INTO audit_pending (id, tenant, events, leaves, written) VALUES (%s, %s, %s::uuid[], %b, %s)"
)
_TYPE: Final = "AuditEvent"
_ROW_ID_MARK: Final = "01900000-0000-7000-8000-00000000a0d1"
_UPDATED_MARK: Final = "2001-02-03T04:05:06.001Z"
_AT_MARK: Final = "2001-02-03T04:05:06.002Z"
_PATIENT_MARK: Final = "0mark0of0a0patient"
_OBJECT_MARK: Final = "Basic/0mark0of0an0object"
_REQUEST_MARK: Final = "0mark0of0a0request"
_QUERY_MARK: Final = b"0mark0of0a0query"
_QUERY_TEXT: Final = base64.b64encode(_QUERY_MARK).decode()
_VALUES: Final = (
    _ROW_ID_MARK, _UPDATED_MARK, _AT_MARK, _PATIENT_MARK, _OBJECT_MARK, _REQUEST_MARK, _QUERY_TEXT,
)  # fmt: skip
_PATIENT: Final = 3
_TARGETS: Final = {f"Patient/{_PATIENT_MARK}": _PATIENT, _OBJECT_MARK: 4}
_MARKS: Final = re.compile("|".join(map(re.escape, _VALUES)).encode())
# What may stand in a template's place as it is: nothing that JSON would have to escape.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._/-]*")
_TEMPLATES: Final = 2_048


class _Row(NamedTuple):
    """One event as its row. Keys are an array literal; `patient` is a key of the blind index, `at` an instant."""

    bucket: int
    row: str
    patient: int | None
    own: int
    at: str
    keys: str
    content: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class _Template:
    """What events of one kind have in common.

    `text` is a bytes template with a place for each mark, `order` says which value stands there. Keys that do not vary
    are text already; `targets` are references to what a value names: that value and the parameter's constant; `terms`
    are all others whose key is an event's own.
    """

    text: bytes
    order: tuple[int, ...]
    keys: str
    targets: tuple[tuple[int, int], ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """For whom rows are made, and now."""

    own: TenantKeys
    definitions: Definitions
    now: datetime
    updated: bytes


class AuditRows:
    """Makes the statements that write happenings."""

    def __init__(self, base: str) -> None:
        """Events name the server by its FHIR base URL `base`."""
        self._base = base
        self._templates: dict[tuple[object, ...], _Template] = {}

    async def insertion(
        self,
        data_keys: DataKeys,
        definitions: Definitions,
        tenant: int,
        now: datetime,
        happenings: Iterable[Happening],
    ) -> Sequence[Query]:
        """Return what writes `happenings` of `tenant` at `now`: one statement, none when there are none."""
        own = await data_keys.tenant(tenant)
        place = _Place(own, definitions, now, _instant(now).encode())
        rows = [
            self._row(place, one, patient)
            for one in happenings
            for patient in sorted(one.patients) or (None,)
        ]
        if not rows:
            return ()
        key = await data_keys.of_patient(tenant, None)
        noise = secrets.token_bytes(envelope.NONCE_BYTES * len(rows))
        sealed = [
            envelope.seal(
                key.cipher,
                noise[at : at + envelope.NONCE_BYTES],
                envelope.resource_place(tenant, _TYPE, row.row, 1, key.key_id),
                row.content,
            )
            for at, row in zip(count(0, envelope.NONCE_BYTES), rows, strict=False)
        ]
        starts = accumulate([len(one) for one in sealed[:-1]], initial=1)
        events = _array(row.row for row in rows)
        made = Query(
            _INSERT,
            (
                definitions.type_number(_TYPE),
                tenant,
                now,
                own.blind.version,
                key.key_id,
                b"".join(sealed),
                _array(row.bucket for row in rows),
                events,
                _array(row.patient for row in rows),
                _array(row.own for row in rows),
                _array(row.at for row in rows),
                _array(row.keys for row in rows),
                _array(starts),
                _array(len(one) for one in sealed),
                UUID(rows[0].row),
                tenant,
                events,
                b"".join([row.leaf for row in rows]),
                now,
            ),
        )
        return (made,)

    def _row(self, place: _Place, happening: Happening, patient: str | None) -> _Row:
        shape = _shape(happening, patient)
        if shape is None:
            return _row_of(place, happening, patient, audit_event(happening, patient, self._base))
        key = (place.own.tenant, place.own.blind.version, *shape)
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = _template(place, happening, patient, self._base)
        return _filled(place, template, happening, patient)


def _shape(happening: Happening, patient: str | None) -> tuple[object, ...] | None:
    """Return what happenings of one template have in common, None for one that has none."""
    if len(happening.objects) > 1:
        return None
    thing = happening.objects[0] if happening.objects else ""
    plain = _PLAIN.fullmatch(thing) and _PLAIN.fullmatch(happening.request_id)
    if not plain or (thing.startswith("Patient/") and thing.split("/")[1] != patient):
        return None
    return (
        happening.what,
        happening.outcome,
        happening.actor,
        happening.purpose,
        happening.detail,
        happening.recipient,
        patient is None,
        thing.partition("/_history/")[2] if thing else None,
        bool(happening.request_id),
        bool(happening.query),
    )


def _template(place: _Place, happening: Happening, patient: str | None, base: str) -> _Template:
    thing = happening.objects[0] if happening.objects else ""
    version = "".join(thing.partition("/_history/")[1:])
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
    blind = place.own.blind
    constant, targets, terms = [], [], []
    for one in resource_terms(_TYPE, extract(body, place.definitions)):
        target = _TARGETS.get(one.text) if one.reference else None
        if target is not None:
            targets.append((target, blind.parameter_constant(_TYPE, one.param)))
        elif _MARKS.search(one.text.encode()) or coarse.place(_TYPE, one) is not None:
            terms.append(one)
        else:
            constant.append(str(indexed_key(blind, _TYPE, one, "")))
    pieces = [piece.replace(b"%", b"%%") for piece in _MARKS.split(content)]
    return _Template(
        b"%b".join(pieces),
        tuple(_VALUES.index(mark.decode()) for mark in _MARKS.findall(content)),
        ",".join(constant),
        tuple(targets),
        tuple(terms),
    )


def _filled(place: _Place, template: _Template, happening: Happening, patient: str | None) -> _Row:
    bucket, row = _place_of(place, patient)
    thing = happening.objects[0].partition("/_history/")[0] if happening.objects else ""
    at = _instant(happening.at)
    query = base64.b64encode(happening.query) if happening.query else b""
    values = (
        row.encode(),
        place.updated,
        at.encode(),
        patient.encode() if patient is not None else b"",
        thing.encode(),
        happening.request_id.encode(),
        query,
    )
    content = template.text % tuple([values[one] for one in template.order])
    blind = place.own.blind
    whose = None if patient is None else blind.own(f"Patient/{patient}")
    what = blind.own(thing) if thing else 0
    found = {(whose or 0 if slot == _PATIENT else what) ^ key for slot, key in template.targets}
    for one in template.terms:
        term = Term(one.param, _unmarked(one.text, values), one.reference)
        found.add(indexed_key(blind, _TYPE, term, row))
    keys_text = ",".join([template.keys, *map(str, found)])
    return _Row(
        bucket,
        row,
        whose,
        blind.own(f"{_TYPE}/{row}"),
        at,
        f'"{{{keys_text}}}"',
        content,
        leaf_of(place.own.tenant, content),
    )


def _unmarked(text: str, values: Sequence[bytes]) -> str:
    for mark, value in zip(_VALUES, values, strict=True):
        if mark in text:
            return text.replace(mark, value.decode())
    return text


def _row_of(place: _Place, happening: Happening, patient: str | None, event: Json) -> _Row:
    bucket, row = _place_of(place, patient)
    body, _ = stamped(event, row, 1, place.now)
    content = canonical(body)
    terms = resource_terms(_TYPE, extract(body, place.definitions))
    blind = place.own.blind
    named = patients_of(body)
    return _Row(
        bucket,
        row,
        blind.own(f"Patient/{next(iter(named))}") if len(named) == 1 else None,
        blind.own(f"{_TYPE}/{row}"),
        _instant(happening.at),
        '"{' + ",".join({str(indexed_key(blind, _TYPE, one, row)) for one in terms}) + '}"',
        content,
        leaf_of(place.own.tenant, content),
    )


def _place_of(place: _Place, patient: str | None) -> tuple[int, str]:
    bucket = (
        secrets.randbelow(keys.BUCKETS) if patient is None else _bucket(place.own.tenant, patient)
    )
    row = keys.row_bytes(keys.unix_ms(place.now), bucket, secrets.randbits(64))
    return bucket, keys.row_text(row)


@lru_cache(maxsize=4_096)
def _bucket(tenant: int, patient: str) -> int:
    return keys.bucket_of(tenant, "Patient", patient)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _array(values: Iterable[object]) -> str:
    """Return an array literal of values that need no quotes or have them already."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
