"""Device Observations as rows of binary COPY: the resource itself and its ranges.

A template is an Observation cut into literal pieces; a message fills in id, times and numbers. Everything about its rows
that does not change is bytes already. Pure but for the random numbers of ids and nonces.

Spec: https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

import secrets
import struct
from collections.abc import Hashable, Sequence
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
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER: Final = struct.pack("!h", -1)
_INT8_OID: Final = 20
_NULL: Final = struct.pack("!i", -1)
_SPAN: Final = struct.Struct("!iqiq")
_ROW_ID: Final = struct.Struct("!HQ")
_UNIX_MS: Final = (1 << 48) - 1
_RANDOM_B: Final = (1 << 52) - 1
_OBSERVATION: Final = "Observation"
_REFERENCE: Final = b"Observation/"
_SEAL_BEGINS: Final = len(envelope.HEADER) + envelope.NONCE_BYTES
_LENGTH: Final = struct.Struct("!i")
_COMMON: Final = struct.Struct("!ihihii")
_KEY: Final = struct.Struct("!iq")
_PARAM: Final = struct.Struct("!iqi")
_KEYS_VERSION: Final = struct.Struct("!ih")
_ROW_BEGINS: Final = struct.pack("!h", 14)
_RANGE_BEGINS: Final = struct.pack("!h", 8)
_ID_LENGTH: Final = struct.pack("!i", 16)
_VERSION: Final = struct.pack("!ii", 4, 1)


class RangeSource(NamedTuple):
    """Where a range of every Observation of a form comes from.

    `position` is that of a value, converted from `unit` to base units unless that is None; `fixed` are the ends, as COPY
    wants them, where they are the same for all.
    """

    param: int
    position: int
    unit: str | None
    fixed: bytes | None


class RangeSlot(NamedTuple):
    """A range of every Observation of a template: all bytes before its id, and where its ends come from."""

    head: bytes
    source: RangeSource


class PreparedTemplate(NamedTuple):
    """An Observation cut into literal pieces, with everything about its rows that does not change."""

    pieces: tuple[bytes, ...]
    kind: Hashable
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
    keys: Sequence[int]
    keys_version: int
    subject: str | None


class MadeRows(NamedTuple):
    """The data of two COPYs, and the ids of the Observations in order."""

    ids: list[str]
    resources: bytes
    ranges: bytes


def prepared(
    pieces: tuple[bytes, ...],
    kind: Hashable,
    ranges: Sequence[RangeSource],
    row: Row,
    key: DataKey,
) -> PreparedTemplate:
    """Return the template of an Observation cut into `pieces`; those of one `kind` differ in id, times and numbers."""
    common = _COMMON.pack(2, row.type, 2, row.bucket, 4, row.tenant)
    patient = _NULL if row.patient is None else _KEY.pack(8, row.patient)
    range_head = _RANGE_BEGINS + common + patient
    return PreparedTemplate(
        pieces=pieces,
        kind=kind,
        bucket=row.bucket,
        key_id=key.key_id,
        cipher=key.cipher,
        head=_ROW_BEGINS + common + _ID_LENGTH,
        patient=_VERSION + patient,
        keys=_KEYS_VERSION.pack(2, row.keys_version)
        + _int8_array(row.keys)
        + _KEY.pack(8, key.key_id),
        ranges=tuple(
            [RangeSlot(range_head + _PARAM.pack(8, one.param, 16), one) for one in ranges]
        ),
        subject=row.subject,
    )


def cut(content: bytes, values: int) -> tuple[bytes, ...]:
    """Return the literal pieces around the marks, which stand in the order id, last update, effective time, values.

    Raises ValueError when they are not all there in this order.
    """
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


def ends(lo: Decimal, hi: Decimal) -> bytes:
    """Return both ends of a range as COPY wants them."""
    return _numeric(lo) + _numeric(hi)


def made_rows(
    rows: Sequence[ObservationRow],
    now: datetime,
    own: TenantKeys,
) -> MadeRows:
    """Return the COPY data of `rows`, received at `now`. The hottest loop of the server."""
    count = len(rows)
    updated = _instant(now)
    updated_field = _KEY.pack(8, _microseconds(now))
    born = (keys.unix_ms(now) & _UNIX_MS).to_bytes(6, "big")
    noise = secrets.token_bytes(envelope.NONCE_BYTES * count)
    hash_own = own.blind.owns()
    place = envelope.first_version_place(own.tenant, _OBSERVATION)
    effective: datetime | None = None
    time = b""
    before_value = b""
    ids: list[str] = []
    parts: list[bytes] = [_HEADER]
    ranges: list[bytes] = [_HEADER]
    nonce_at = 0
    for (template, at, values), chance in zip(
        rows, struct.unpack(f"!{count}Q", secrets.token_bytes(8 * count)), strict=True
    ):
        # As `keys.row_bytes` has it.
        row_bytes = born + _ROW_ID.pack(
            0x7000 | chance & 0xFFF, 1 << 63 | (chance >> 12 & _RANDOM_B) << 10 | template.bucket
        )
        digits = row_bytes.hex()
        fhir_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        ids.append(fhir_id)
        id_text = fhir_id.encode()
        if at is not effective:
            effective = at
            before_value = _instant(at)
            moment = _microseconds(at)
            time = _SPAN.pack(8, moment, 8, moment + 1000)
        first, second, third, *rest = template.pieces
        pieces = [first, id_text, second, updated, third, before_value, rest[0]]
        for value, piece in zip(values, rest[1:], strict=True):
            pieces += (value.encode(), piece)
        nonce = noise[nonce_at : nonce_at + envelope.NONCE_BYTES]
        nonce_at += envelope.NONCE_BYTES
        sealed = template.cipher.encrypt(
            nonce, b"".join(pieces), place % (id_text, template.key_id)
        )
        parts += (
            template.head,
            row_bytes,
            template.patient,
            _KEY.pack(8, hash_own(_REFERENCE + id_text)),
            time,
            updated_field,
            template.keys,
            _LENGTH.pack(len(sealed) + _SEAL_BEGINS),
            envelope.HEADER,
            nonce,
            sealed,
        )
        for slot_head, (_, at_value, unit, both_ends) in template.ranges:
            if both_ends is None:
                both_ends = _point(values[at_value], unit)  # noqa: PLW2901 - a range of its own
            ranges += (slot_head, row_bytes, both_ends)
    parts.append(_TRAILER)
    ranges.append(_TRAILER)
    return MadeRows(ids, b"".join(parts), b"".join(ranges))


class StoredRow(NamedTuple):
    """Implements `fhirserver.kernel.readings.StreamedObservation`."""

    id: str
    row: ObservationRow
    updated: datetime

    @property
    def kind(self) -> Hashable:
        """Its form and whose it is."""
        template: PreparedTemplate = self.row.template
        return template.kind

    @property
    def patient(self) -> str | None:
        """The id of the patient it is about."""
        template: PreparedTemplate = self.row.template
        return template.subject

    def resource(self) -> Json:
        """Return the resource as it was stored."""
        template, at, values = self.row
        content = _content(template.pieces, self.id, _instant(self.updated), _instant(at), values)
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
    return ends(value, value)


def _numeric(value: Decimal) -> bytes:
    data = dump_decimal_to_numeric_binary(value)
    return _LENGTH.pack(len(data)) + data


def _int8_array(values: Sequence[int]) -> bytes:
    number = len(values)
    fields = [8] * (2 * number)
    fields[1::2] = values
    return _int8_array_of(number).pack(20 + 12 * number, 1, 0, _INT8_OID, number, 1, *fields)


@lru_cache(maxsize=256)
def _int8_array_of(number: int) -> struct.Struct:
    return struct.Struct("!iiiiii" + "iq" * number)


def _microseconds(moment: datetime) -> int:
    return (moment - _POSTGRES_EPOCH) // timedelta(microseconds=1)
