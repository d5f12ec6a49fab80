"""The one door for device messages: a batch is decoded, stored, evaluated and answered in one transaction.

What cannot be processed goes to a dead letter with its reason, and its number counts as received: the device need not
send it again, and no refused value ever becomes an alert.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from adapters import containment, observation, streams
from adapters.clock import Timing, timing
from adapters.contacts import note, promised_interval
from adapters.faults import BatchFaults, Clocks
from adapters.metrics import METRICS, Metric, unit_of
from adapters.mqtt import messages
from adapters.mqtt.messages import Birth, Event, Message, Rejected, Sample, Status, Telemetry, Topic
from adapters.streams import Acknowledgement
from adapters.templates import TemplateNames, template, template_name
from fhirserver.kernel import keys
from fhirserver.kernel.ports import ChangeObserver
from fhirserver.kernel.readings import Contact, DeviceEvent, Mode, Reading
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import (
    DeadLetter,
    EnrolledDevice,
    ObservationRow,
    StreamKey,
    StreamState,
    TelemetryStore,
    TelemetryTransaction,
)

DOOR: Final = "mqtt"
# A mode older than this says nothing about the sample (the alarm rules then assume treatment).
_MODE_MEMORY: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the broker handed it over, and when the server received it."""

    topic: Topic
    payload: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a committed batch did: answers for the devices and figures for the metrics."""

    acknowledgements: tuple[Acknowledgement, ...]
    observations: int
    duplicates: int
    dead_letters: Mapping[str, int]


@dataclass(slots=True)
class _Draft:
    """A row to be stored together with the readings that come of it."""

    row: ObservationRow
    metrics: tuple[tuple[Metric, Decimal], ...]
    device: EnrolledDevice
    patient: str | None
    moment: "_Moment"


@dataclass(slots=True)
class _Batch:
    states: Mapping[StreamKey, StreamState]
    devices: Mapping[str, EnrolledDevice]
    births: Mapping[tuple[str, str], Json]
    faults: BatchFaults
    drafts: list[_Draft] = field(default_factory=list)
    events: list[DeviceEvent] = field(default_factory=list)
    contacts: dict[str, list[Contact]] = field(default_factory=lambda: defaultdict(list))
    letters: list[DeadLetter] = field(default_factory=list)
    rejected: dict[StreamKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    duplicates: int = 0


class Ingest:
    """Commits batches of one tenant's messages."""

    def __init__(self, store: TelemetryStore, observer: ChangeObserver) -> None:
        """Store through `store`, have readings evaluated by `observer` in the same transaction."""
        self._store = store
        self._observer = observer
        self._clocks = Clocks()
        self._templates = TemplateNames()

    async def commit(self, tenant: int, batch: Sequence[Incoming]) -> Outcome:
        """Store `batch` and return what to answer; nothing is stored when this raises."""
        decoded = [(one, messages.decode(one.topic, one.payload)) for one in batch]
        async with self._store.telemetry(tenant) as tx:
            wanted = {key for one, message in decoded if (key := _stream(one, message)) is not None}
            state = _Batch(
                await tx.streams(wanted) if wanted else {},
                await tx.devices({one.topic.address for one in batch}),
                await tx.births({(key.address, key.boot) for key in wanted}),
                BatchFaults(tenant, self._clocks),
            )
            before = {key: streams.holes(one.committed) for key, one in state.states.items()}
            for incoming, message in decoded:
                await self._take(tx, state, incoming, message)
            await state.faults.gaps(tx, state.states, before, state.devices)
            if faults := await state.faults.found(tx):
                await self._observer.faults(tx, faults)
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
        self._clocks.learn(tenant, state.faults.told)
        return _outcome(state)

    async def _take(
        self,
        tx: TelemetryTransaction,
        state: _Batch,
        incoming: Incoming,
        message: Message | Rejected,
    ) -> None:
        address = incoming.topic.address
        device = state.devices.get(address)
        key = _stream(incoming, message)
        number = getattr(message, "seq", None)
        if key is not None and number is not None:
            ranges = state.states[key].committed
            if streams.contains(ranges, number):
                state.duplicates += 1
                return
            streams.add(ranges, number)
        if device is None or isinstance(message, Rejected):
            reason = messages.UNKNOWN_DEVICE if device is None else _reason(message)
            _refuse(state, incoming, reason, key, number)
            return
        if isinstance(message, Status):
            await self._status(tx, state, incoming, device, message)
        elif isinstance(message, Birth):
            await self._birth(tx, incoming, device, message)
        elif isinstance(message, Telemetry):
            await self._telemetry(tx, state, incoming, device, message)
        else:
            await self._event(tx, state, incoming, device, message)

    async def _status(
        self,
        tx: TelemetryTransaction,
        state: _Batch,
        incoming: Incoming,
        device: EnrolledDevice,
        message: Status,
    ) -> None:
        state.contacts[device.address].append(Contact(
            tx.tenant, device.device, device.patient_at(incoming.received), None, message.online, incoming.received,
            simulated=await tx.is_simulator(device.address),
        ))  # fmt: skip

    async def _birth(
        self, tx: TelemetryTransaction, incoming: Incoming, device: EnrolledDevice, message: Birth
    ) -> None:
        content = dict(message.content)
        if message.mono_ms is not None:
            content["offset_ms"] = keys.unix_ms(incoming.received) - message.mono_ms
        await tx.save_birth(device.address, message.boot, content)
        for resource in containment.resources(device.device, content):
            known = await tx.get(resource["resourceType"], resource["id"])
            if known is None or {**known, **resource} != known:
                await tx.put(resource, id_=resource["id"])

    async def _telemetry(
        self,
        tx: TelemetryTransaction,
        state: _Batch,
        incoming: Incoming,
        device: EnrolledDevice,
        message: Telemetry,
    ) -> None:
        key = StreamKey(device.address, message.boot, "tel")
        birth = state.births.get((device.address, message.boot), {})
        sent = self._timing(state.states[key], birth, incoming, message.mono_ms, message.dev_time)
        simulated = message.test or bool(birth.get("sim"))
        state.faults.clock(device, sent, incoming.received, simulated=simulated)
        if sent.skew is not None and sent.is_faulty:
            await tx.record_fault(key, "clock", int(sent.skew.total_seconds()) // 60, 0)
        refused: set[str] = set()
        therapy = message.session if message.mode == "TX" else None
        self._templates.turn_to(tx.tenant, device.device, therapy)
        for sample in message.samples:
            at = sent.sent + timedelta(milliseconds=sample.offset_ms)
            age = (sent.delay - timedelta(milliseconds=sample.offset_ms)).total_seconds()
            moment = _Moment(
                at,
                age,
                message.mode if age <= _MODE_MEMORY.total_seconds() else None,
                incoming.received,
                simulated,
                therapy,
            )
            refused |= await self._sample(tx, state, device, birth, message, sample, moment)
        for reason in sorted(refused):
            _refuse(state, incoming, reason, key, message.seq)
        contact = Contact(
            tx.tenant, device.device, device.patient_at(sent.sent), message.mode, online=True, received=incoming.received,
            simulated=simulated, session=message.session, at=sent.sent, every=promised_interval(birth),
        )  # fmt: skip
        note(state.contacts[device.address], contact)

    async def _sample(
        self,
        tx: TelemetryTransaction,
        state: _Batch,
        device: EnrolledDevice,
        birth: Json,
        message: Telemetry,
        sample: Sample,
        moment: "_Moment",
    ) -> set[str]:
        """Draft the rows of one sample and return the reasons why values of it were refused."""
        refused: set[str] = set()
        patient = device.patient_at(moment.at)
        pressures: list[tuple[Metric, Decimal]] = []
        declared = birth.get("metrics", {})
        for code, value in sample.values.items():
            metric = METRICS.get(code)
            if metric is None:
                refused.add(messages.UNKNOWN_METRIC)
                continue
            if (
                unit_of(message.units.get(code) or declared.get(code, {}).get("unit", metric.unit))
                != metric.unit
            ):
                refused.add(messages.WRONG_UNIT)
                continue
            if value is None:
                reason = message.quality.get(code)
                if reason is None or reason == "ok":
                    refused.add(messages.NULL_VALUE)
                else:
                    await self._draft(tx, state, device, patient, (metric,), (), moment)
                continue
            number = value if isinstance(value, Decimal) else Decimal(value)
            if code in observation.BLOOD_PRESSURE_CODES:
                pressures.append((metric, number))
            else:
                await self._draft(
                    tx, state, device, patient, (metric,), ((metric, number),), moment
                )
        if pressures:
            await self._draft(
                tx,
                state,
                device,
                patient,
                tuple(metric for metric, _ in pressures),
                tuple(pressures),
                moment,
            )
        return refused

    async def _draft(
        self,
        tx: TelemetryTransaction,
        state: _Batch,
        device: EnrolledDevice,
        patient: str | None,
        shape: tuple[Metric, ...],
        values: tuple[tuple[Metric, Decimal], ...],
        moment: "_Moment",
    ) -> None:
        cache_key = (
            tx.tenant, device.device, patient, shape, bool(values), moment.simulated, moment.therapy
        )  # fmt: skip
        name = self._templates.find(cache_key)
        if name is None or not tx.is_prepared(name):
            name = template_name(cache_key)
            await tx.prepare(name, template(device, cache_key), patient, len(values))
            self._templates.add(cache_key, name)
        texts = tuple([str(value) for _, value in values])
        state.drafts.append(
            _Draft(ObservationRow(name, moment.at, texts), values, device, patient, moment)
        )

    async def _event(
        self,
        tx: TelemetryTransaction,
        state: _Batch,
        incoming: Incoming,
        device: EnrolledDevice,
        message: Event,
    ) -> None:
        key = StreamKey(device.address, message.boot, "evt")
        birth = state.births.get((device.address, message.boot), {})
        metric = METRICS.get(message.source or "")
        if metric is not None and message.unit is not None and unit_of(message.unit) != metric.unit:
            _refuse(state, incoming, messages.WRONG_UNIT, key, message.seq)
            return
        sent = self._timing(state.states[key], birth, incoming, message.mono_ms, message.dev_time)
        simulated = message.test or bool(birth.get("sim"))
        state.faults.clock(device, sent, incoming.received, simulated=simulated)
        patient = device.patient_at(sent.sent)
        effective = sent.sent.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await tx.put(
            observation.device_event(
                message, device.device, patient, effective, simulated=simulated
            )
        )
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
        mono_ms: int | None,
        wall: datetime | None,
    ) -> Timing:
        offsets = [
            one for one in (stream.clock_offset_ms, birth.get("offset_ms")) if one is not None
        ]
        found = timing(
            incoming.received,
            keys.unix_ms(incoming.received),
            mono_ms,
            min(offsets) if offsets else None,
            wall,
        )
        stream.clock_offset_ms = found.offset_ms
        return found

    async def _store_drafts(self, tx: TelemetryTransaction, state: _Batch) -> None:
        # In the order of time, not of arrival: whoever reads the record judges it as we do now.
        state.drafts.sort(key=lambda draft: draft.row.effective)
        ids = await tx.copy_observations([draft.row for draft in state.drafts])
        if ids:
            tx.forget(self._templates.outdated(tx.tenant))
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


@dataclass(frozen=True, slots=True)
class _Moment:
    at: datetime
    age: float
    mode: Mode | None
    received: datetime
    simulated: bool
    therapy: str | None


def _stream(incoming: Incoming, message: Message | Rejected) -> StreamKey | None:
    """Return the numbered stream a message belongs to; births and status have no numbers."""
    boot = getattr(message, "boot", None)
    if (
        incoming.topic.kind not in ("tel", "evt")
        or boot is None
        or getattr(message, "seq", None) is None
    ):
        return None
    return StreamKey(incoming.topic.address, boot, incoming.topic.kind)


def _reason(message: Message | Rejected) -> str:
    return message.reason if isinstance(message, Rejected) else messages.MALFORMED


def _refuse(
    state: _Batch, incoming: Incoming, reason: str, key: StreamKey | None, number: int | None
) -> None:
    state.letters.append(DeadLetter(DOOR, incoming.topic.address, reason, incoming.payload))
    known = state.devices.get(incoming.topic.address)
    state.faults.refused(known, incoming.topic.address, incoming.topic.kind, incoming.received)
    if key is not None and number is not None:
        state.rejected[key].append(number)


def _outcome(state: _Batch) -> Outcome:
    reasons: dict[str, int] = defaultdict(int)
    for letter in state.letters:
        reasons[letter.reason] += 1
    acknowledgements = tuple(
        streams.acknowledge(
            key.address, key.boot, key.kind, one.committed, state.rejected.get(key, ())
        )
        for key, one in state.states.items()
    )
    return Outcome(acknowledgements, len(state.drafts), state.duplicates, dict(reasons))
