"""Device streams in the store: idempotency by number, Observations by binary COPY.

A batch locks its streams, so a message that comes twice is dropped by the second, and that lock also puts the
evaluation of one device's readings in order.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from fhirserver.kernel import keys
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    Binding,
    DeadLetter,
    EnrolledDevice,
    ObservationForm,
    ObservationRow,
    StreamKey,
    StreamState,
)
from fhirserver.store import dead_letters, ingest_audit
from fhirserver.store.observation_forms import PreparedForm, filled, keys_of, prepared_form
from fhirserver.store.observation_rows import (
    RANGE_COLUMNS,
    RESOURCE_COLUMNS,
    PreparedTemplate,
    Row,
    StoredRow,
    made_rows,
)
from fhirserver.store.partitions import observation_leaf, range_leaf
from fhirserver.store.prepared_templates import Era, PreparedTemplates
from fhirserver.store.transaction import WriteTransaction
from fhirserver.wire import fhir_json


class TelemetryTransaction(WriteTransaction):
    """Implements `fhirserver.kernel.telemetry.TelemetryTransaction`."""

    _memory: PreparedTemplates
    _era: Era
    _told: ingest_audit.Told

    def share(self, memory: PreparedTemplates) -> Self:
        """Use the process's memory."""
        self._memory = memory
        self._era = memory.era(self.tenant, self.definitions, self._context.keys.epoch)
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
        """Return the enrolled devices with their bindings, as they were when first asked for here."""
        asked = set(addresses)
        wanted = sorted(asked - self._enrolled.keys())
        if wanted:
            self._enrolled.update(await self._devices(wanted))
        return {one: known for one in asked if (known := self._enrolled.get(one)) is not None}

    async def _devices(self, wanted: Sequence[str]) -> Mapping[str, EnrolledDevice]:
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
        return {
            address: EnrolledDevice(address, device, tuple(bound), behind)
            for address, (device, behind, bound) in found.items()
        }

    async def births(self, streams: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Json]:
        """Return known births, from the process's memory where possible."""
        memory = self._memory.births
        known = {pair: memory.get((self.tenant, *pair)) for pair in set(streams)}
        missing = [pair for pair, birth in known.items() if birth is None]
        if missing:
            rows = await self.execute(
                "SELECT d.address, d.boot, d.birth::text FROM device_birth d "
                "JOIN unnest(%s::smallint[], %s::text[], %s::text[]) AS wanted(b, a, o) "
                "ON d.bucket = b AND d.address = a AND d.boot = o WHERE d.tenant = %s",
                ([self._device_bucket(address) for address, _ in missing], [address for address, _ in missing],
                 [boot for _, boot in missing], self.tenant),
            )  # fmt: skip
            for address, boot, text in rows:
                birth = known[address, boot] = fhir_json.read_own(text.encode())
                memory.keep((self.tenant, address, boot), birth)
        return {pair: birth for pair, birth in known.items() if birth is not None}

    async def is_born_since(self, address: str, moment: datetime) -> bool:
        """Return whether a birth of this device was taken at `moment` or later."""
        rows = await self.execute(
            "SELECT 1 FROM device_birth WHERE bucket = %s AND tenant = %s AND address = %s AND received >= %s LIMIT 1",
            (self._device_bucket(address), self.tenant, address, moment),
        )
        return bool(rows)

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
            self._memory.births.forget((self.tenant, address, boot))

    async def last_births(self, addresses: Iterable[str]) -> Mapping[str, Json]:
        """Return the newest birth of each of `addresses`."""
        wanted = sorted(set(addresses))
        rows = await self.execute(
            "SELECT DISTINCT ON (d.bucket, d.address) d.address, d.birth::text FROM device_birth d "
            "JOIN unnest(%s::smallint[], %s::text[]) AS wanted(b, a) ON d.bucket = b AND d.address = a "
            "WHERE d.tenant = %s ORDER BY d.bucket, d.address, d.received DESC",
            ([self._device_bucket(one) for one in wanted], wanted, self.tenant),
        )
        return {address: fhir_json.read_own(birth.encode()) for address, birth in rows}

    async def is_simulator(self, address: str) -> bool:
        """Return what the newest birth of `address` says of itself."""
        found = await self.execute(
            "SELECT birth->'sim' = 'true'::jsonb FROM device_birth WHERE bucket = %s AND tenant = %s AND address = %s "
            "ORDER BY received DESC LIMIT 1",
            (self._device_bucket(address), self.tenant, address),
        )
        return bool(found and found[0][0])

    def prepared(self, key: Hashable) -> PreparedTemplate | None:
        """Return the template made for `key` before; see `fhirserver.kernel.telemetry`."""
        return self._memory.made.get((self._era, key))

    async def prepare(
        self,
        key: Hashable,
        form: ObservationForm,
        patient: str | None,
        references: Sequence[str] = (),
    ) -> PreparedTemplate:
        """Return the template of `form` with `references`; see `fhirserver.kernel.telemetry`."""
        known, blind = self._form(form), self._own.blind
        row = Row(
            type=self.definitions.type_number("Observation"),
            bucket=self.bucket(patient, "Device", "|".join(references)),
            tenant=self.tenant,
            patient=self._patient_key(patient),
            keys=keys_of(known, references, blind, self.definitions),
            keys_version=blind.version,
            subject=patient,
        )
        data_key = await self._context.keys.of_patient(self.tenant, patient)
        made = filled(known, references, row, data_key)
        self._memory.made.keep((self._era, key), made)
        return made

    def _form(self, form: ObservationForm) -> PreparedForm:
        place = self._era, form
        known = self._memory.forms.get(place)
        if known is None:
            known = prepared_form(form, self._own.blind, self.definitions)
            self._memory.forms.keep(place, known)
        return known

    async def expect(self, patients: Iterable[str]) -> None:
        """Make the data keys of `patients` that have none known yet, all in one round trip. Raises `Gone`."""
        await self._context.keys.prepare(self.tenant, patients)

    async def copy_observations(self, rows: Sequence[ObservationRow]) -> Sequence[str]:
        """Store the rows in the leaf partition of the current time, tell the observer, and return their ids."""
        if not rows:
            return ()
        made = made_rows(rows, self.now, self._own)
        leaf, ranges = await self._leaves()
        await self._copy(leaf, RESOURCE_COLUMNS, made.resources)
        await self._copy(ranges, RANGE_COLUMNS, made.ranges)
        stored = [StoredRow(id_, row, self.now) for id_, row in zip(made.ids, rows, strict=True)]
        await self._context.observer.streamed(self, stored)
        return made.ids

    async def _copy(self, leaf: str, columns: str, data: bytes) -> None:
        statement = f"COPY {leaf} ({columns}) FROM STDIN (FORMAT BINARY)"
        async with self.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            await copy.write(data)

    async def _leaves(self) -> tuple[str, str]:
        leaves = observation_leaf(self.now), range_leaf(self.now)
        if leaves in self._memory.leaves:
            return leaves
        known = await self.execute(
            "SELECT to_regclass(%s) IS NOT NULL AND to_regclass(%s) IS NOT NULL", leaves
        )
        if not known[0][0]:
            return "current_observation_rest", "range_observation_rest"
        self._memory.leaves.add(leaves)
        return leaves

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
