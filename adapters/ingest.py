"""The one door for device messages: a batch is decoded, stored, evaluated and answered in one transaction.

What cannot be processed goes to a dead letter with its reason, and its number counts as received: the device need not
send it again, and no refused value ever becomes an alert.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from adapters import observation, streams
from adapters.batch import (
    Batch,
    Draft,
    Incoming,
    Made,
    Moment,
    Outcome,
    outcome_of,
    reason_of,
    refuse,
    stream_of,
)
from adapters.clock import Timing, believed, timing
from adapters.connections import connected, hear, hear_gateways, take_births
from adapters.contacts import note, promised_interval
from adapters.faults import BatchFaults, Clocks
from adapters.metrics import METRICS, Metric, unit_of
from adapters.mqtt import messages
from adapters.mqtt.messages import Birth, Event, Message, Rejected, Sample, Status, Telemetry
from adapters.templates import absence, form_of, references_of
from fhirserver.kernel import keys
from fhirserver.kernel.ports import ChangeObserver
from fhirserver.kernel.readings import Contact, DeviceEvent, Reading
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    EnrolledDevice,
    ObservationRow,
    StreamKey,
    StreamState,
    TelemetryStore,
    TelemetryTransaction,
)

# A mode older than this says nothing about the sample (the alarm rules then assume treatment).
_MODE_MEMORY: Final = timedelta(seconds=10)


class _Spoken(NamedTuple):
    """A message of measures, with who said it and what that device is known to be."""

    incoming: Incoming
    device: EnrolledDevice
    birth: Json
    message: Telemetry


class Ingest:
    """Commits batches of one tenant's messages."""

    def __init__(self, store: TelemetryStore, observer: ChangeObserver) -> None:
        """Store through `store`, have readings evaluated by `observer` in the same transaction."""
        self._store = store
        self._observer = observer
        self._clocks = Clocks()

    async def commit(self, tenant: int, batch: Sequence[Incoming]) -> Outcome:
        """Store `batch` and return what to answer; nothing is stored when this raises."""
        decoded = [(one, messages.decode(one.topic, one.payload)) for one in batch]
        async with self._store.telemetry(tenant) as tx:
            state = await self.take(tx, decoded)
        return self.settled(tenant, state)

    async def take(
        self, tx: TelemetryTransaction, decoded: Sequence[tuple[Incoming, Message | Rejected]]
    ) -> Batch:
        """Store what was `decoded`, within a transaction of the caller's; `settled` follows its commit."""
        wanted = {key for one, message in decoded if (key := stream_of(one, message)) is not None}
        state = Batch(
            await tx.streams(wanted) if wanted else {},
            await tx.devices({one.topic.address for one, _ in decoded}),
            dict(await tx.births({(key.address, key.boot) for key in wanted})),
            dict(await tx.last_births(spoken)) if (spoken := connected(decoded)) else {},
            BatchFaults(tx.tenant, self._clocks),
        )
        await tx.expect(_patients(state, decoded))
        # What a machine is comes before what it says, whichever of its messages was faster.
        limits = await take_births(tx, state, decoded)
        await hear_gateways(tx, state, decoded)
        before = {key: streams.holes(one.committed) for key, one in state.states.items()}
        for incoming, message in decoded:
            await self._take(tx, state, incoming, message)
        await state.faults.gaps(tx, state.states, before, state.devices)
        if faults := await state.faults.found(tx):
            await self._observer.faults(tx, faults)
        if limits:
            await self._observer.limits(tx, limits)
        await self._store_drafts(tx, state)
        if state.events:
            state.events.sort(key=lambda event: event.effective)
            await self._observer.device_events(tx, state.events)
        if state.contacts:
            await self._observer.contacts(
                tx, [one for told in state.contacts.values() for one in told]
            )
        if state.states:
            await tx.save_streams(state.states)
        if state.letters:
            await tx.dead_letter(state.letters)
        return state

    def settled(self, tenant: int, state: Batch) -> Outcome:
        """Remember what was told in a batch that is committed, and return what to answer."""
        self._clocks.learn(tenant, state.faults.told)
        return outcome_of(state)

    async def _take(
        self,
        tx: TelemetryTransaction,
        state: Batch,
        incoming: Incoming,
        message: Message | Rejected,
    ) -> None:
        address = incoming.topic.address
        device = state.devices.get(address)
        key = stream_of(incoming, message)
        number = getattr(message, "seq", None)
        if key is not None and number is not None:
            ranges = state.states[key].committed
            if streams.contains(ranges, number):
                state.duplicates += 1
                return
            streams.add(ranges, number)
        if device is None or isinstance(message, Rejected):
            reason = messages.UNKNOWN_DEVICE if device is None else reason_of(message)
            refuse(state, incoming, reason, key, number)
            return
        if isinstance(message, Status):
            hear(tx, state, incoming, device, message)
        elif isinstance(message, Telemetry):
            await self._telemetry(tx, state, incoming, device, message)
        elif isinstance(message, Event):
            await self._event(tx, state, incoming, device, message)

    async def _telemetry(
        self,
        tx: TelemetryTransaction,
        state: Batch,
        incoming: Incoming,
        device: EnrolledDevice,
        message: Telemetry,
    ) -> None:
        key = StreamKey(device.address, message.boot, "tel")
        birth = state.births.get((device.address, message.boot), {})
        sent = self._timing(state.states[key], birth, incoming, message)
        simulated = message.test or bool(birth.get("sim"))
        if not incoming.replayed:
            state.faults.clock(device, sent, incoming.received, simulated=simulated)
        if sent.skew is not None and sent.is_faulty:
            await tx.record_fault(key, "clock", int(sent.skew.total_seconds()) // 60, 0)
        refused: dict[str, set[str]] = defaultdict(set)
        therapy = message.session if message.mode == "TX" else None
        for sample in message.samples:
            at = sent.sent + timedelta(milliseconds=sample.offset_ms)
            age = (sent.delay - timedelta(milliseconds=sample.offset_ms)).total_seconds()
            moment = Moment(
                at,
                age,
                message.mode if age <= _MODE_MEMORY.total_seconds() else None,
                incoming.received,
                simulated,
                therapy,
            )
            spoken = _Spoken(incoming, device, birth, message)
            for reason, code in await self._sample(tx, state, spoken, sample, moment):
                refused[reason].add(code)
        for reason, codes in sorted(refused.items()):
            refuse(state, incoming, reason, key, message.seq, codes)
        if incoming.replayed:
            return
        contact = Contact(
            tx.tenant, device.device, device.patient_at(sent.sent), message.mode, online=True, received=incoming.received,
            simulated=simulated, session=message.session, at=sent.sent, every=promised_interval(birth),
        )  # fmt: skip
        note(state.contacts[device.address], contact)

    async def _sample(
        self,
        tx: TelemetryTransaction,
        state: Batch,
        spoken: "_Spoken",
        sample: Sample,
        moment: "Moment",
    ) -> set[tuple[str, str]]:
        """Draft the rows of one sample; return which values of it were refused, as (reason, code)."""
        refused: set[tuple[str, str]] = set()
        message = spoken.message
        pressures: list[tuple[Metric, Decimal]] = []
        declared = spoken.birth.get("metrics", {})
        for code, value in sample.values.items():
            metric = METRICS.get(code)
            if metric is None:
                refused.add((messages.UNKNOWN_METRIC, code))
                continue
            if (
                unit_of(message.units.get(code) or declared.get(code, {}).get("unit", metric.unit))
                != metric.unit
            ):
                refused.add((messages.WRONG_UNIT, code))
                continue
            if value is None:
                reason = message.quality.get(code)
                if reason is None or reason == "ok":
                    refused.add((messages.NULL_VALUE, code))
                else:
                    await self._draft(tx, state, spoken, (metric,), (), moment, reason=reason)
                continue
            number = value if isinstance(value, Decimal) else Decimal(value)
            if code in observation.BLOOD_PRESSURE_CODES:
                pressures.append((metric, number))
            else:
                await self._draft(tx, state, spoken, (metric,), ((metric, number),), moment)
        if pressures:
            shape = tuple(metric for metric, _ in pressures)
            await self._draft(tx, state, spoken, shape, tuple(pressures), moment)
        return refused

    async def _draft(
        self,
        tx: TelemetryTransaction,
        state: Batch,
        spoken: "_Spoken",
        shape: tuple[Metric, ...],
        values: tuple[tuple[Metric, Decimal], ...],
        moment: "Moment",
        *,
        reason: str | None = None,
    ) -> None:
        device, said = spoken.device, spoken.message.flags
        patient = device.patient_at(moment.at)
        flags = said and tuple(
            sorted({one for metric in shape for one in said.get(metric.code, ())})
        )
        key = (
            device.device, patient, shape, absence(reason), moment.simulated, moment.therapy, flags or ()
        )  # fmt: skip
        template = tx.prepared(key)
        if template is None:
            template = await tx.prepare(key, form_of(key), patient, references_of(key))
        texts = tuple([str(value) for _, value in values])
        state.drafts.append(
            Draft(
                ObservationRow(template, moment.at, texts),
                values,
                device,
                patient,
                moment,
                spoken.incoming,
            )
        )

    async def _event(
        self,
        tx: TelemetryTransaction,
        state: Batch,
        incoming: Incoming,
        device: EnrolledDevice,
        message: Event,
    ) -> None:
        key = StreamKey(device.address, message.boot, "evt")
        birth = state.births.get((device.address, message.boot), {})
        metric = METRICS.get(message.source or "")
        if metric is not None and message.unit is not None and unit_of(message.unit) != metric.unit:
            refuse(state, incoming, messages.WRONG_UNIT, key, message.seq)
            return
        sent = self._timing(state.states[key], birth, incoming, message)
        simulated = message.test or bool(birth.get("sim"))
        if not incoming.replayed:
            state.faults.clock(device, sent, incoming.received, simulated=simulated)
        patient = device.patient_at(sent.sent)
        effective = sent.sent.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stored = await tx.put(
            observation.device_event(
                message, device.device, patient, effective, simulated=simulated
            )
        )
        state.made.append(Made(incoming, stored.id, patient))
        value = None if message.value is None else Decimal(message.value)
        state.events.append(
            DeviceEvent(
                patient, device.device, message.alarm_id, message.event, message.source, message.phase, message.state,
                message.activity, message.priority, value, message.unit, sent.sent, incoming.received,
                sent.delay.total_seconds(), simulated,
            )
        )  # fmt: skip

    def _timing(
        self,
        stream: StreamState,
        birth: Json,
        incoming: Incoming,
        message: Telemetry | Event,
    ) -> Timing:
        if message.believed and message.dev_time is not None:
            return believed(incoming.received, message.dev_time)
        offsets = [
            one for one in (stream.clock_offset_ms, birth.get("offset_ms")) if one is not None
        ]
        found = timing(
            incoming.received,
            keys.unix_ms(incoming.received),
            message.mono_ms,
            min(offsets) if offsets else None,
            message.dev_time,
        )
        stream.clock_offset_ms = found.offset_ms
        return found

    async def _store_drafts(self, tx: TelemetryTransaction, state: Batch) -> None:
        # In the order of time, not of arrival: whoever reads the record judges it as we do now.
        state.drafts.sort(key=lambda draft: draft.row.effective)
        ids = await tx.copy_observations([draft.row for draft in state.drafts])
        state.made += [
            Made(draft.incoming, id_, draft.patient)
            for draft, id_ in zip(state.drafts, ids, strict=True)
        ]
        readings = []
        for draft, id_ in zip(state.drafts, ids, strict=True):
            if draft.patient is None:
                continue
            moment = draft.moment
            for metric, value in draft.metrics:
                readings.append(
                    Reading(
                        draft.patient, draft.device.device, metric.code, value, metric.unit, draft.row.effective,
                        moment.received, moment.age, id_, moment.mode, True, moment.simulated,
                    )
                )  # fmt: skip
        if readings:
            await self._observer.readings(tx, readings)


def _patients(state: Batch, decoded: Sequence[tuple[Incoming, Message | Rejected]]) -> set[str]:
    """Return who uses the devices that were born or measured something."""
    found = {
        device.patient_at(incoming.received)
        for incoming, message in decoded
        if isinstance(message, Birth | Telemetry)
        and (device := state.devices.get(incoming.topic.address)) is not None
    }
    return {one for one in found if one is not None}
