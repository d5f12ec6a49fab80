"""Device Observations as rows of binary COPY: the resource itself and its ranges.

A template is an Observation cut into literal pieces; a message fills in id, times and numbers. Everything about its rows
that does not change is bytes already. Pure but for the random numbers of ids and nonces.

Spec: https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

import secrets
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.types.numeric import dump_decimal_to_numeric_binary

from fhirserver.crypto import envelope
from fhirserver.kernel import keys
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EFFECTIVE_MARK, ObservationRow, value_mark
from fhirserver.store.data_keys import DataKey
from fhirserver.store.rows import IndexColumns, RangeRow
from fhirserver.store.tenant_keys import TenantKeys
from fhirserver.terminology.ucum import canonical
from fhirserver.wire import fhir_json

ID_MARK: Final = "01900000-0000-7000-8000-000000000000"
UPDATED_MARK: Final = "2000-01-02T00:00:00.000Z"
RESOURCE_COLUMNS: Final = (
    "type, bucket, tenant, id, version, patient, own, time, time_end, updated, "
    "keys_version, keys, key_id, content"
)
RANGE_COLUMNS: Final = "type, bucket, tenant, patient, param, id, lo, hi"
_FIELDS: Final = 14
_RANGE_FIELDS: Final = 8
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER: Final = struct.pack("!h", -1)
_INT8_OID: Final = 20
_NULL: Final = struct.pack("!i", -1)
_TIMES: Final = struct.Struct("!iqiqiq")
_LENGTH: Final = struct.Struct("!i")


@dataclass(frozen=True, slots=True)
class RangeSlot:
    """A range of every Observation of a template: all bytes before its id, and where its ends come from.

    `position` is that of a value, converted from `unit` to base units unless that is None; `fixed` are the ends where they
    are the same for all.
    """

    head: bytes
    position: int
    unit: str | None
    fixed: bytes | None


@dataclass(frozen=True, slots=True)
class PreparedTemplate:
    """An Observation cut into literal pieces, with everything about its rows that does not change."""

    pieces: tuple[bytes, ...]
    bucket: int
    key_id: int
    cipher: AESGCM
    head: bytes
    patient: bytes
    keys: bytes
    ranges: tuple[RangeSlot, ...]
    subject: str | None


class Row(NamedTuple):
    """What is known of the rows of a template. `patient` is a key of the blind index, `subject` the patient's id."""

    type: int
    bucket: int
    tenant: int
    patient: int | None
    columns: IndexColumns
    keys_version: int
    subject: str | None


class MadeRows(NamedTuple):
    """The data of two COPYs, and the ids of the Observations in order."""

    ids: list[str]
    resources: bytes
    ranges: bytes


def prepared(body: Json, values: int, row: Row, key: DataKey) -> PreparedTemplate:
    """Return the template of `body`, which holds the marks of id, last update, effective time and `values` numbers.

    Raises ValueError when they are not all there in this order.
    """
    common = struct.pack("!ihihii", 2, row.type, 2, row.bucket, 4, row.tenant)
    patient = _NULL if row.patient is None else struct.pack("!iq", 8, row.patient)
    range_head = struct.pack("!h", _RANGE_FIELDS) + common + patient
    return PreparedTemplate(
        pieces=_cut(fhir_json.write(body), values),
        bucket=row.bucket,
        key_id=key.key_id,
        cipher=key.cipher,
        head=struct.pack("!h", _FIELDS) + common + _LENGTH.pack(16),
        patient=struct.pack("!ii", 4, 1) + patient,
        keys=struct.pack("!ih", 2, row.keys_version)
        + _int8_array(row.columns.keys)
        + struct.pack("!iq", 8, key.key_id),
        ranges=tuple(_slot(range_head, body, values, one) for one in row.columns.ranges),
        subject=row.subject,
    )


def _slot(head: bytes, body: Json, values: int, one: RangeRow) -> RangeSlot:
    head += struct.pack("!iqi", 8, one.param, 16)
    for position in range(values):
        mark = value_mark(position)
        if one.lo == one.hi == mark:
            return RangeSlot(head, position, None, None)
        for unit in _units(body):
            converted = canonical(mark, unit)
            if converted is not None and one.lo == one.hi == converted[0]:
                return RangeSlot(head, position, unit, None)
    return RangeSlot(head, 0, None, _numeric(one.lo) + _numeric(one.hi))


def _units(body: Json) -> Iterator[str]:
    for holder in (body, *body.get("component", ())):
        unit = holder.get("valueQuantity", {}).get("code")
        if unit is not None:
            yield unit


def _cut(content: bytes, values: int) -> tuple[bytes, ...]:
    """Return the literal pieces around the marks, which stand in the order id, last update, effective time, values."""
    marks = [
        ID_MARK,
        UPDATED_MARK,
        EFFECTIVE_MARK,
        *(str(value_mark(position)) for position in range(values)),
    ]
    pieces = []
    for mark in marks:
        piece, found, content = content.partition(mark.encode())
        if not found:
            msg = f"the template has no place for {mark}, or not in this order"
            raise ValueError(msg)
        pieces.append(piece)
    return (*pieces, content)


def made_rows(
    rows: Sequence[ObservationRow],
    templates: Mapping[tuple[int, str], PreparedTemplate],
    now: datetime,
    own: TenantKeys,
) -> MadeRows:
    """Return the COPY data of `rows`, received at `now`. The hottest loop of the server."""
    updated = _instant(now)
    updated_field = struct.pack("!iq", 8, _microseconds(now))
    millisecond = keys.unix_ms(now)
    step = 8 + envelope.NONCE_BYTES
    noise = secrets.token_bytes(step * len(rows))
    tenant, hash_own = own.tenant, own.blind.own
    effective: datetime | None = None
    effective_text, time = b"", 0
    ids: list[str] = []
    parts: list[bytes] = [_HEADER]
    append = parts.append
    ranges: list[bytes] = [_HEADER]
    for position, row in enumerate(rows):
        template_name, at, values = row
        template = templates[(tenant, template_name)]
        start = position * step
        nonce_start = start + 8
        row_bytes = keys.row_bytes(
            millisecond, template.bucket, int.from_bytes(noise[start:nonce_start], "big")
        )
        fhir_id = keys.row_text(row_bytes)
        ids.append(fhir_id)
        if at is not effective:
            effective = at
            effective_text = _instant(at)
            time = _microseconds(at)
        pieces = template.pieces
        content = _content(pieces, fhir_id, updated, effective_text, values)
        sealed = envelope.seal(
            template.cipher,
            noise[nonce_start : start + step],
            envelope.resource_place(tenant, "Observation", fhir_id, 1, template.key_id),
            content,
        )
        append(template.head)
        append(row_bytes)
        append(template.patient)
        append(_TIMES.pack(8, hash_own("Observation/" + fhir_id), 8, time, 8, time + 1000))
        append(updated_field)
        append(template.keys)
        append(_LENGTH.pack(len(sealed)))
        append(sealed)
        for slot in template.ranges:
            ends = slot.fixed
            if ends is None:
                ends = _point(values[slot.position], slot.unit)
            ranges += (slot.head, row_bytes, ends)
    append(_TRAILER)
    ranges.append(_TRAILER)
    return MadeRows(ids, b"".join(parts), b"".join(ranges))


@dataclass(frozen=True, slots=True)
class StoredRow:
    """Implements `fhirserver.kernel.readings.StreamedObservation`."""

    id: str
    row: ObservationRow
    template: PreparedTemplate
    updated: datetime

    @property
    def kind(self) -> str:
        """The template it was made from."""
        return self.row.template

    @property
    def patient(self) -> str | None:
        """The id of the patient it is about."""
        return self.template.subject

    def resource(self) -> Json:
        """Return the resource as it was stored."""
        _, at, values = self.row
        pieces = self.template.pieces
        content = _content(pieces, self.id, _instant(self.updated), _instant(at), values)
        return fhir_json.read_own(content)


def _content(
    pieces: Sequence[bytes], fhir_id: str, updated: bytes, effective: bytes, values: Sequence[str]
) -> bytes:
    parts = [pieces[0], fhir_id.encode(), pieces[1], updated, pieces[2], effective, pieces[3]]
    for value, piece in zip(values, pieces[4:], strict=True):
        parts += (value.encode(), piece)
    return b"".join(parts)


def _instant(moment: datetime) -> bytes:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


@lru_cache(maxsize=65536)
def _point(text: str, unit: str | None) -> bytes:
    """Return both ends of the range of one number; readings repeat themselves."""
    value = Decimal(text)
    if unit is not None:
        converted = canonical(value, unit)
        # The template has this range, so its unit is one that converts.
        assert converted is not None
        value = converted[0]
    end = _numeric(value)
    return end + end


def _numeric(value: Decimal) -> bytes:
    data = dump_decimal_to_numeric_binary(value)
    return _LENGTH.pack(len(data)) + data


def _int8_array(values: Sequence[int]) -> bytes:
    body = struct.pack("!iiiii", 1, 0, _INT8_OID, len(values), 1)
    body += b"".join(struct.pack("!iq", 8, value) for value in values)
    return struct.pack("!i", len(body)) + body


def _microseconds(moment: datetime) -> int:
    return (moment - _POSTGRES_EPOCH) // timedelta(microseconds=1)
