"""Device streams in the store: idempotency by number, Observations by binary COPY.

A batch locks its streams, so a message that comes twice is dropped by the second, and that lock also puts the
evaluation of one device's readings in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from fhirserver.definitions import Definitions
from fhirserver.kernel import keys
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    Binding,
    DeadLetter,
    EnrolledDevice,
    ObservationRow,
    StreamKey,
    StreamState,
)
from fhirserver.store import dead_letters, ingest_audit
from fhirserver.store.observation_rows import (
    ID_MARK,
    RANGE_COLUMNS,
    RESOURCE_COLUMNS,
    UPDATED_MARK,
    PreparedTemplate,
    Row,
    StoredRow,
    made_rows,
    prepared,
)
from fhirserver.store.partitions import observation_leaf, range_leaf
from fhirserver.store.rows import index_columns
from fhirserver.store.transaction import WriteTransaction
from fhirserver.validation import validate
from fhirserver.wire import fhir_json

Templates = dict[tuple[int, str], PreparedTemplate]


@dataclass(frozen=True, slots=True)
class PreparedTemplates:
    """What a process remembers between batches. A template is keyed by everything it depends on, a birth by its boot, so
    neither becomes wrong.
    """

    templates: dict[int, tuple[Definitions, int, Templates]] = field(default_factory=dict)
    births: dict[tuple[int, str, str], Json] = field(default_factory=dict)
    told: ingest_audit.Told = field(default_factory=dict)

    def of(self, tenant: int, definitions: Definitions, epoch: int) -> Templates:
        """Return the templates indexed by `definitions` and sealed by keys of `epoch`; others are forgotten."""
        known = self.templates.get(tenant)
        if known is None or known[0] is not definitions or known[1] != epoch:
            known = self.templates[tenant] = (definitions, epoch, {})
        return known[2]


class TelemetryTransaction(WriteTransaction):
    """Implements `fhirserver.kernel.telemetry.TelemetryTransaction`."""

    _templates: Templates
    _births: dict[tuple[int, str, str], Json]
    _told: ingest_audit.Told

    def share(self, memory: PreparedTemplates) -> Self:
        """Use the process's memory."""
        self._templates = memory.of(self.tenant, self.definitions, self._context.keys.epoch)
        self._births = memory.births
        self._told = memory.told
        self._connections: set[tuple[str, str]] = set()
        self._enrolled: dict[str, EnrolledDevice] = {}
        return self

    async def commit(self) -> None:
        """Tell the audit of connections it has not heard of in this hour, and commit."""
        told = ingest_audit.untold(
            self.tenant, self.now, self._connections, self._enrolled, self._told
        )
        self.audit(*told.values())
        await super().commit()
        ingest_audit.remember(self._told, told, self.now)

    async def streams(self, wanted: Iterable[StreamKey]) -> Mapping[StreamKey, StreamState]:
        """Lock and return the streams, making unknown ones."""
        ordered = sorted(
            {(self._device_bucket(key.address), key.address, key.boot, key.kind) for key in wanted}
        )
        columns: list[list[Any]] = [list(column) for column in zip(*ordered, strict=True)]
        locked = await self._lock_streams(columns)
        if len(locked) < len(ordered):
            await self.connection.rows(
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
        self._connections.update((key.address, key.boot) for key in streams)
        self.execute_later(
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
            "SELECT e.address, e.device, e.behind, b.patient, b.starts, b.ends FROM device_enrollment e "
            "JOIN unnest(%s::smallint[], %s::text[]) AS wanted(b, a) ON e.bucket = wanted.b AND e.address = wanted.a "
            "LEFT JOIN device_binding b ON b.tenant = e.tenant AND b.device = e.device "
            "WHERE e.tenant = %s AND e.revoked IS NULL ORDER BY e.address, b.starts DESC NULLS LAST",
            ([self._device_bucket(one) for one in wanted], wanted, self.tenant),
        )
        found: dict[str, tuple[str, tuple[str, ...], list[Binding]]] = {}
        for address, device, behind, patient, starts, ends in rows:
            bindings = found.setdefault(address, (device, tuple(behind), []))[2]
            if patient is not None:
                bindings.append(Binding(patient, starts, ends))
        devices = {
            address: EnrolledDevice(address, device, tuple(bound), behind)
            for address, (device, behind, bound) in found.items()
        }
        self._enrolled.update(devices)
        return devices

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

    def save_births(self, births: Mapping[tuple[str, str], Json]) -> None:
        """Keep births; memory is only filled by reading them back, so a rolled-back birth is never believed."""
        ordered = sorted(births)
        self.execute_later(
            "INSERT INTO device_birth (bucket, tenant, address, boot, received, birth) "
            "SELECT b, %s, a, o, %s, j FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::jsonb[]) "
            "AS born(b, a, o, j) ON CONFLICT (bucket, tenant, address, boot) "
            "DO UPDATE SET birth = excluded.birth, received = excluded.received",
            (
                self.tenant,
                self.now,
                [self._device_bucket(address) for address, _ in ordered],
                [address for address, _ in ordered],
                [boot for _, boot in ordered],
                [fhir_json.write(births[one]).decode() for one in ordered],
            ),
        )
        for address, boot in ordered:
            self._births.pop((self.tenant, address, boot), None)

    async def last_births(self, addresses: Iterable[str]) -> Mapping[str, Json]:
        """Return the newest birth of each of `addresses`."""
        wanted = sorted(set(addresses))
        rows = await self.execute(
            "SELECT DISTINCT ON (d.bucket, d.address) d.address, d.birth::text FROM device_birth d "
            "JOIN unnest(%s::smallint[], %s::text[]) AS wanted(b, a) ON d.bucket = b AND d.address = a "
            "WHERE d.tenant = %s ORDER BY d.bucket, d.address, d.received DESC",
            ([self._device_bucket(one) for one in wanted], wanted, self.tenant),
        )
        return {address: fhir_json.read(birth.encode()) for address, birth in rows}

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

    def forget(self, templates: Iterable[str]) -> None:
        """Let go of prepared templates."""
        for template in templates:
            self._templates.pop((self.tenant, template), None)

    async def prepare(
        self, template: str, resource: Json, patient: str | None, values: int
    ) -> None:
        """Validate, index and cut the Observation; see `fhirserver.kernel.telemetry`."""
        body: Json = {
            "resourceType": "Observation",
            "id": ID_MARK,
            "meta": {"versionId": "1", "lastUpdated": UPDATED_MARK},
        }
        body["meta"].update(resource.get("meta", {}))
        body.update((key, value) for key, value in resource.items() if key not in body)
        problems = [one for one in validate(body) if one.severity in ("error", "fatal")]
        if problems:
            msg = "the Observation of this metric is not valid"
            raise Unprocessable(msg, problems=problems)
        index = index_columns(body, self._own.blind, self.definitions)
        self._templates[(self.tenant, template)] = prepared(
            body,
            values,
            Row(
                type=self.definitions.type_number("Observation"),
                bucket=self.bucket(patient, "Device", template),
                tenant=self.tenant,
                patient=self._patient_key(patient),
                columns=index,
                keys_version=self._own.blind.version,
                subject=patient,
            ),
            await self._context.keys.of_patient(self.tenant, patient),
        )

    async def copy_observations(self, rows: Sequence[ObservationRow]) -> Sequence[str]:
        """Store the rows in the leaf partition of the current time, tell the observer, and return their ids."""
        if not rows:
            return ()
        made = made_rows(rows, self._templates, self.now, self._own)
        leaf, ranges = await self._leaves()
        await self._copy(leaf, RESOURCE_COLUMNS, made.resources)
        await self._copy(ranges, RANGE_COLUMNS, made.ranges)
        stored = [
            StoredRow(id_, row, self._templates[self.tenant, row.template], self.now)
            for id_, row in zip(made.ids, rows, strict=True)
        ]
        await self._context.observer.streamed(self, stored)
        return made.ids

    async def _copy(self, leaf: str, columns: str, data: bytes) -> None:
        statement = f"COPY {leaf} ({columns}) FROM STDIN (FORMAT BINARY)"
        async with self.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            await copy.write(data)

    async def _leaves(self) -> tuple[str, str]:
        leaves = observation_leaf(self.now), range_leaf(self.now)
        known = await self.execute(
            "SELECT to_regclass(%s) IS NOT NULL AND to_regclass(%s) IS NOT NULL", leaves
        )
        return leaves if known[0][0] else ("current_observation_rest", "range_observation_rest")

    async def record_fault(self, stream: StreamKey, fault: str, lo: int, hi: int) -> None:
        """Record a gap or clock fault once."""
        await self.connection.rows(
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
        await self.connection.rows(
            "UPDATE device_fault SET mended = %s WHERE bucket = %s AND tenant = %s AND address = %s AND boot = %s "
            "AND fault = %s AND mended IS NULL AND %s::int8multirange @> int8range(lo, hi + 1)",
            (self.now, self._device_bucket(stream.address), self.tenant, stream.address, stream.boot,
             f"gap-{stream.kind}", Multirange([Range(lo, hi + 1) for lo, hi in committed])),
        )  # fmt: skip

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters."""
        await dead_letters.keep(self, letters)

    def _device_bucket(self, address: str) -> int:
        return device_bucket(self.tenant, address)


def device_bucket(tenant: int, address: str) -> int:
    """Return the bucket of everything about a device's streams."""
    return keys.bucket_of(tenant, "device-address", address)


def _multirange_text(ranges: Multirange[int]) -> str:
    return "{" + ",".join(f"[{one.lower},{one.upper})" for one in ranges) + "}"
