"""Device streams in the store: idempotency by number, Observations by binary COPY.

A batch locks its streams, so a message that comes twice is dropped by the second, and that lock also puts the
evaluation of one device's readings in order.
"""

import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from fhirserver.crypto import envelope
from fhirserver.kernel import keys
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    EFFECTIVE_MARK,
    Binding,
    DeadLetter,
    EnrolledDevice,
    ObservationRow,
    StreamKey,
    StreamState,
    value_mark,
)
from fhirserver.store.data_keys import TenantKeys
from fhirserver.store.partitions import observation_leaf
from fhirserver.store.rows import index_columns
from fhirserver.store.transaction import WriteTransaction
from fhirserver.validation import validate
from fhirserver.wire import fhir_json

_ID_MARK: Final = "01900000-0000-7000-8000-000000000000"
_UPDATED_MARK: Final = "2000-01-02T00:00:00.000Z"
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_COPY_TRAILER: Final = struct.pack("!h", -1)
_FIELDS: Final = 14
_INT8_OID: Final = 20
_NULL: Final = struct.pack("!i", -1)
_TIMES: Final = struct.Struct("!iqiqiq")
_LENGTH: Final = struct.Struct("!i")


@dataclass(frozen=True, slots=True)
class PreparedTemplate:
    """An Observation cut into literal pieces, with everything about its row that does not change."""

    pieces: tuple[bytes, ...]
    bucket: int
    key_id: int
    cipher: AESGCM
    head: bytes
    patient: bytes
    keys: bytes


@dataclass(frozen=True, slots=True)
class PreparedTemplates:
    """What a process remembers between batches. A template is keyed by everything it depends on, a birth by its boot, so
    neither becomes wrong.
    """

    templates: dict[tuple[int, str], PreparedTemplate] = field(default_factory=dict)
    births: dict[tuple[int, str, str], Json] = field(default_factory=dict)


class TelemetryTransaction(WriteTransaction):
    """Implements `fhirserver.kernel.telemetry.TelemetryTransaction`."""

    _templates: dict[tuple[int, str], PreparedTemplate]
    _births: dict[tuple[int, str, str], Json]

    def share(self, memory: PreparedTemplates) -> Self:
        """Use the process's memory."""
        self._templates = memory.templates
        self._births = memory.births
        return self

    async def streams(self, wanted: Iterable[StreamKey]) -> Mapping[StreamKey, StreamState]:
        """Lock and return the streams, making unknown ones."""
        ordered = sorted(
            {(self._device_bucket(key.address), key.address, key.boot, key.kind) for key in wanted}
        )
        columns: list[list[Any]] = [list(column) for column in zip(*ordered, strict=True)]
        locked = await self._lock_streams(columns)
        if len(locked) < len(ordered):
            await self.connection.execute(
                "INSERT INTO device_stream (bucket, tenant, address, boot, kind, committed, last_received) "
                "SELECT b, %s, a, o, k, '{}', %s FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::text[]) "
                "AS wanted(b, a, o, k) ON CONFLICT DO NOTHING",
                (self.tenant, self.now, *columns),
            )
            locked = await self._lock_streams(columns)
        return {
            StreamKey(address, boot, kind): StreamState(
                [(one.lower, one.upper - 1) for one in committed], offset
            )
            for address, boot, kind, committed, offset in locked
        }

    async def _lock_streams(self, columns: Sequence[list[Any]]) -> list[tuple[Any, ...]]:
        return await self.execute(
            "SELECT s.address, s.boot, s.kind, s.committed, s.clock_offset_ms FROM device_stream s "
            "JOIN unnest(%s::smallint[], %s::text[], %s::text[], %s::text[]) AS wanted(b, a, o, k) "
            "ON s.bucket = b AND s.address = a AND s.boot = o AND s.kind = k WHERE s.tenant = %s "
            "ORDER BY s.bucket, s.address, s.boot, s.kind FOR UPDATE OF s",
            (*columns, self.tenant),
        )

    async def save_streams(self, streams: Mapping[StreamKey, StreamState]) -> None:
        """Write the committed ranges back in one statement."""
        rows = [
            (self._device_bucket(key.address), key.address, key.boot, key.kind,
             Multirange([Range(lo, hi + 1) for lo, hi in state.committed]), state.clock_offset_ms)
            for key, state in streams.items()
        ]  # fmt: skip
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns[4] = [_multirange_text(one) for one in columns[4]]
        await self.connection.execute(
            "UPDATE device_stream s SET committed = c::int8multirange, clock_offset_ms = f, last_received = %s "
            "FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[]) "
            "AS new(b, a, o, k, c, f) "
            "WHERE s.bucket = b AND s.tenant = %s AND s.address = a AND s.boot = o AND s.kind = k",
            (self.now, *columns, self.tenant),
        )

    async def devices(self, addresses: Iterable[str]) -> Mapping[str, EnrolledDevice]:
        """Return the enrolled devices with their bindings."""
        wanted = sorted(set(addresses))
        rows = await self.execute(
            "SELECT e.address, e.device, b.patient, b.starts, b.ends FROM device_enrollment e "
            "JOIN unnest(%s::smallint[], %s::text[]) AS wanted(b, a) ON e.bucket = wanted.b AND e.address = wanted.a "
            "LEFT JOIN device_binding b ON b.tenant = e.tenant AND b.device = e.device "
            "WHERE e.tenant = %s AND e.revoked IS NULL ORDER BY e.address, b.starts DESC NULLS LAST",
            ([self._device_bucket(one) for one in wanted], wanted, self.tenant),
        )
        found: dict[str, tuple[str, list[Binding]]] = {}
        for address, device, patient, starts, ends in rows:
            bindings = found.setdefault(address, (device, []))[1]
            if patient is not None:
                bindings.append(Binding(patient, starts, ends))
        return {
            address: EnrolledDevice(address, device, tuple(bound))
            for address, (device, bound) in found.items()
        }

    async def births(self, streams: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Json]:
        """Return known births, from the process's memory where possible."""
        wanted = set(streams)
        missing = [pair for pair in wanted if (self.tenant, *pair) not in self._births]
        if missing:
            rows = await self.execute(
                "SELECT d.address, d.boot, d.birth::text FROM device_birth d "
                "JOIN unnest(%s::smallint[], %s::text[], %s::text[]) AS wanted(b, a, o) "
                "ON d.bucket = b AND d.address = a AND d.boot = o WHERE d.tenant = %s",
                ([self._device_bucket(address) for address, _ in missing], [address for address, _ in missing],
                 [boot for _, boot in missing], self.tenant),
            )  # fmt: skip
            for address, boot, birth in rows:
                self._births[(self.tenant, address, boot)] = fhir_json.read(birth.encode())
        return {
            (address, boot): self._births[(self.tenant, address, boot)]
            for address, boot in wanted
            if (self.tenant, address, boot) in self._births
        }

    async def save_birth(self, address: str, boot: str, birth: Json) -> None:
        """Keep a birth; memory is only filled by reading it back, so a rolled-back birth is never believed."""
        await self.connection.execute(
            "INSERT INTO device_birth (bucket, tenant, address, boot, received, birth) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (bucket, tenant, address, boot) DO UPDATE SET birth = excluded.birth, received = excluded.received",
            (
                self._device_bucket(address),
                self.tenant,
                address,
                boot,
                self.now,
                fhir_json.write(birth).decode(),
            ),
        )
        self._births.pop((self.tenant, address, boot), None)

    async def is_simulator(self, address: str) -> bool:
        """Return what the newest birth of `address` says of itself."""
        found = await self.execute(
            "SELECT birth->'sim' = 'true'::jsonb FROM device_birth WHERE bucket = %s AND tenant = %s AND address = %s "
            "ORDER BY received DESC LIMIT 1",
            (self._device_bucket(address), self.tenant, address),
        )
        return bool(found and found[0][0])

    def is_prepared(self, template: str) -> bool:
        """Return whether `template` can be used already."""
        return (self.tenant, template) in self._templates

    async def prepare(
        self, template: str, resource: Json, patient: str | None, values: int
    ) -> None:
        """Validate, index and cut the Observation; see `fhirserver.kernel.telemetry`."""
        body: Json = {
            "resourceType": "Observation",
            "id": _ID_MARK,
            "meta": {"versionId": "1", "lastUpdated": _UPDATED_MARK},
        }
        body["meta"].update(resource.get("meta", {}))
        body.update((key, value) for key, value in resource.items() if key not in body)
        problems = [one for one in validate(body) if one.severity in ("error", "fatal")]
        if problems:
            msg = "the Observation of this metric is not valid"
            raise Unprocessable(msg, problems=problems)
        index = index_columns(body, self._own.blind, self._context.definitions)
        pieces = _cut(fhir_json.write(body), values)
        bucket = self.bucket(patient, "Device", template)
        data_key = await self._context.keys.of_patient(self.tenant, patient)
        number = self._context.definitions.type_number("Observation")
        patient_key = self._patient_key(patient)
        self._templates[(self.tenant, template)] = PreparedTemplate(
            pieces=pieces,
            bucket=bucket,
            key_id=data_key.key_id,
            cipher=data_key.cipher,
            head=struct.pack("!hihihiii", _FIELDS, 2, number, 2, bucket, 4, self.tenant, 16),
            patient=struct.pack("!ii", 4, 1) + (_NULL if patient_key is None else struct.pack("!iq", 8, patient_key)),
            keys=struct.pack("!ih", 2, self._own.blind.version)
            + _int8_array(index.keys)
            + struct.pack("!iq", 8, data_key.key_id),
        )  # fmt: skip

    async def copy_observations(self, rows: Sequence[ObservationRow]) -> Sequence[str]:
        """Store the rows in the leaf partition of the current time and return their ids."""
        if not rows:
            return ()
        out = bytearray(_COPY_HEADER)
        ids = _append_rows(out, rows, self._templates, self.now, self._own)
        out += _COPY_TRAILER
        leaf = await self._leaf()
        statement = (
            f"COPY {leaf} (type, bucket, tenant, id, version, patient, own, time, time_end, updated, keys_version, keys, "
            "key_id, content) FROM STDIN (FORMAT BINARY)"
        )
        async with self.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            await copy.write(bytes(out))
        return ids

    async def _leaf(self) -> str:
        leaf = observation_leaf(self.now)
        known = await self.execute("SELECT to_regclass(%s)::text", (leaf,))
        return leaf if known[0][0] is not None else "current_observation_rest"

    async def record_fault(self, stream: StreamKey, fault: str, lo: int, hi: int) -> None:
        """Record a gap or clock fault once."""
        await self.connection.execute(
            "INSERT INTO device_fault (bucket, tenant, address, boot, fault, lo, hi, noticed) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                self._device_bucket(stream.address),
                self.tenant,
                stream.address,
                stream.boot,
                fault,
                lo,
                hi,
                self.now,
            ),
        )

    async def mend_gaps(self, stream: StreamKey, committed: Sequence[tuple[int, int]]) -> None:
        """Mark gaps that lie inside a committed range as mended."""
        await self.connection.execute(
            "UPDATE device_fault SET mended = %s WHERE bucket = %s AND tenant = %s AND address = %s AND boot = %s "
            "AND fault = %s AND mended IS NULL AND %s::int8multirange @> int8range(lo, hi + 1)",
            (self.now, self._device_bucket(stream.address), self.tenant, stream.address, stream.boot,
             f"gap-{stream.kind}", Multirange([Range(lo, hi + 1) for lo, hi in committed])),
        )  # fmt: skip

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters under the tenant's key: a message that cannot be read has no known patient."""
        for letter in letters:
            raw = await self.seal(None, f"dead-letter|{letter.door}|{letter.source}", letter.raw)
            await self.connection.execute(
                "INSERT INTO dead_letter (bucket, tenant, id, door, source, reason, received, raw) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (self._device_bucket(letter.source), self.tenant, self._row(self._device_bucket(letter.source)),
                 letter.door, letter.source, letter.reason, self.now, raw),
            )  # fmt: skip

    def _device_bucket(self, address: str) -> int:
        return device_bucket(self.tenant, address)


def device_bucket(tenant: int, address: str) -> int:
    """Return the bucket of everything about a device's streams."""
    return keys.bucket_of(tenant, "device-address", address)


def _cut(content: bytes, values: int) -> tuple[bytes, ...]:
    """Return the literal pieces around the marks, which stand in the order id, last update, effective time, values."""
    marks = [
        _ID_MARK,
        _UPDATED_MARK,
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


def _append_rows(
    out: bytearray,
    rows: Sequence[ObservationRow],
    templates: Mapping[tuple[int, str], PreparedTemplate],
    now: datetime,
    own: TenantKeys,
) -> list[str]:
    """Append the COPY form of `rows` to `out` and return their ids. The hottest loop of the server."""
    updated = now.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
    updated_field = struct.pack("!iq", 8, _microseconds(now))
    millisecond = keys.unix_ms(now)
    step = 8 + envelope.NONCE_BYTES
    noise = secrets.token_bytes(step * len(rows))
    tenant, hash_own = own.tenant, own.blind.own
    effective: datetime | None = None
    effective_text, time = b"", 0
    ids: list[str] = []
    parts: list[bytes] = []
    append = parts.append
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
            effective_text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
            time = _microseconds(at)
        pieces = template.pieces
        content = [
            pieces[0],
            fhir_id.encode(),
            pieces[1],
            updated,
            pieces[2],
            effective_text,
            pieces[3],
        ]
        for value, piece in zip(values, pieces[4:], strict=True):
            content += (value.encode(), piece)
        sealed = envelope.seal(
            template.cipher,
            noise[nonce_start : start + step],
            envelope.resource_place(tenant, "Observation", fhir_id, 1, template.key_id),
            b"".join(content),
        )
        append(template.head)
        append(row_bytes)
        append(template.patient)
        append(_TIMES.pack(8, hash_own("Observation/" + fhir_id), 8, time, 8, time + 1000))
        append(updated_field)
        append(template.keys)
        append(_LENGTH.pack(len(sealed)))
        append(sealed)
    out += b"".join(parts)
    return ids


def _int8_array(values: Sequence[int]) -> bytes:
    body = struct.pack("!iiiii", 1, 0, _INT8_OID, len(values), 1)
    body += b"".join(struct.pack("!iq", 8, value) for value in values)
    return struct.pack("!i", len(body)) + body


def _microseconds(moment: datetime) -> int:
    return (moment - _POSTGRES_EPOCH) // timedelta(microseconds=1)


def _multirange_text(ranges: Multirange[int]) -> str:
    return "{" + ",".join(f"[{one.lower},{one.upper})" for one in ranges) + "}"
