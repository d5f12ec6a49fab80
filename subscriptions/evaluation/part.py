"""The rules part: everything that turns what devices and clinicians say into alerts.

Edge only: it fetches and writes, `subscriptions.core` decides. One call per batch and a fixed
number of statements, whatever the number of readings; a patient whose values are all in order costs
one locked row and a few comparisons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    Reading,
    StreamedObservation,
)
from fhirserver.kernel.resource import Json
from subscriptions.core import device_alarm, evaluate, overdue, silence, window
from subscriptions.core.constants import CONTACT_NOTED_EVERY, PAGES_UNTIL
from subscriptions.core.findings import Finding
from subscriptions.core.observation_reader import device_of, read_observation
from subscriptions.core.ports import AlertListener
from subscriptions.core.window import Window
from subscriptions.evaluation import (
    alerts,
    bindings,
    device_faults,
    device_limits,
    dry_weights,
    rule_changes,
)
from subscriptions.evaluation.quiet import stale_findings
from subscriptions.evaluation.rule_book import RuleBook, new_version
from subscriptions.store import evaluation_rows, session_rows, silence_rows
from subscriptions.store.evaluation_rows import EvaluationRow, NewState

_WINDOW: Final = "evaluation-window"
_SCANNED_AT_MOST: Final = 200
_log = structlog.get_logger(__name__)
_REMEMBERED: Final = 50_000


class Evaluation:
    """Implements `fhirserver.kernel.ports.ChangeObserver`; `listener` brings alerts to people."""

    def __init__(self, listener: AlertListener, rule_book: RuleBook | None = None) -> None:
        self._listener = listener
        self._rules = rule_book or RuleBook()
        self._noted: dict[tuple[int, str], Contact] = {}

    async def admit(
        self,
        tx: Transaction,
        principal: Principal,
        resource: Json,
        previous: Json | None,
    ) -> Json:
        """Return `resource` unchanged.

        Raises `Unprocessable` for monitoring rules that cannot be read.
        """
        await rule_changes.admit(tx, resource, self._rules)
        return resource

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Follow orders, default sets and bindings; evaluate Observations written over REST."""
        created = [
            change for change in changes if change.type == "Patient" and change.action == "create"
        ]
        if created:
            evaluation_rows.create(tx, {change.id: change.bucket for change in created})
        orders = [change for change in changes if change.type == "ServiceRequest"]
        findings = await rule_changes.follow_orders(tx, orders, self._rules)
        signed = [change for change in changes if change.type == "Provenance"]
        findings += await rule_changes.follow_signatures(tx, signed, self._rules)
        if findings:
            await alerts.apply(tx, self._listener, findings)
        for change in changes:
            if change.type == "PlanDefinition":
                await rule_changes.follow_defaults(tx, change)
            elif change.type == "DeviceUseStatement":
                await bindings.follow(tx, change)
                await device_limits.follow_use(tx, change)
            elif change.type == "CarePlan":
                await dry_weights.follow_plan(tx, change)
            elif change.type == "Goal":
                await dry_weights.follow_goal(tx, change)
        readings: list[Reading] = []
        for change in changes:
            if change.type == "Observation":
                readings += await self._read(tx, change)
        if readings:
            await self.readings(tx, readings)

    async def readings(self, tx: Transaction, readings: Sequence[Reading]) -> None:
        """Judge `readings` against the rules in force and let alerts follow."""
        by_patient: dict[str, list[Reading]] = {}
        for reading in readings:
            several = by_patient.get(reading.patient)
            if several is None:
                by_patient[reading.patient] = [reading]
            else:
                several.append(reading)
        if not by_patient:
            return
        buckets = {patient: tx.bucket(patient, "Patient", patient) for patient in by_patient}
        rows = await evaluation_rows.lock(tx, buckets)
        rules = await self._rules.of(tx, rows)
        findings: list[Finding] = []
        states: list[NewState] = []
        others: dict[str, tuple[int, int]] = {}
        for row in rows:
            remembered = await _open_window(tx, row)
            told, bucket = by_patient[row.patient], buckets[row.patient]
            findings += evaluate.evaluate(remembered, rules[row.patient], told)
            judged = len({reading.observation for reading in told})
            if remembered.changed:
                states.append(await _closed_window(tx, row, bucket, remembered, judged))
            else:
                others[row.patient] = (bucket, judged)
        if states:
            evaluation_rows.write(tx, states)
        if others:
            evaluation_rows.count(tx, others)
        if findings:
            await alerts.apply(tx, self._listener, findings)

    async def streamed(self, tx: Transaction, observations: Sequence[StreamedObservation]) -> None:
        """Do nothing: what devices measure reaches this part as readings."""

    async def device_events(self, tx: Transaction, events: Sequence[DeviceEvent]) -> None:
        """Let machine alarms raise, keep alive and end their alerts."""
        findings = device_alarm.judge_events(events)
        if not findings:
            return
        await _serialize(tx, (finding.patient for finding in findings))
        await alerts.apply(tx, self._listener, findings)

    async def contacts(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        """Note signs of life; hearing a device ends its silence, its goodbye begins it."""
        gateways = {contact.device: contact for contact in contacts if contact.by_gateway}
        if gateways:
            await silence_rows.note_gateways(tx, list(gateways.values()))
            for device in gateways:
                # The next sign of life says that the device is there after all.
                self._noted.pop((tx.tenant, device), None)
        latest: dict[str, Contact] = {}
        for contact in contacts:
            if not contact.by_gateway:
                latest[contact.device] = _merged(latest.get(contact.device), contact)
        news = [contact for contact in latest.values() if self._is_news(tx.tenant, contact)]
        if not news:
            return
        findings: list[Finding] = []
        for watched in await silence_rows.note(tx, news):
            heard = watched.online
            stage = (
                silence.HEARD
                if heard
                else silence.judge_silence(watched, tx.now, watched.last_contact)
            )
            if stage != watched.stage:
                await silence_rows.set_stage(tx, watched.device, stage)
                findings.append(silence.silence_finding(watched, stage, tx.now))
        if findings:
            await alerts.apply(tx, self._listener, findings)

    async def limits(self, tx: Transaction, announced: Sequence[DeviceLimits]) -> None:
        """Judge by what machines limit themselves from now on, and by nothing they limited before."""
        await device_limits.announce(tx, announced)

    async def faults(self, tx: Transaction, faults: Sequence[DeviceFault]) -> None:
        """Note what is wrong with what devices send, and raise what has to be told of it."""
        findings = await device_faults.take(tx, faults)
        if findings:
            await alerts.apply(tx, self._listener, findings)

    async def scan(self, tx: Transaction, listening_since: datetime) -> int:
        """Raise what time itself raises in this tenant, called every second; return how much.

        Second readings that did not come, devices that fell silent (judged from `listening_since`,
        when this server began to hear devices), machine alarms that are no longer repeated. Safe to
        run in several processes at once.
        """
        findings = await self._overdue_rereads(tx)
        for watched in await silence_rows.due(tx, listening_since, _SCANNED_AT_MOST):
            stage = silence.judge_silence(watched, tx.now, listening_since)
            if stage != watched.stage:
                await silence_rows.set_stage(tx, watched.device, stage)
                findings.append(silence.silence_finding(watched, stage, tx.now))
        findings += await stale_findings(tx, _SCANNED_AT_MOST)
        findings += await device_faults.look(tx, _SCANNED_AT_MOST)
        if findings:
            await alerts.apply(tx, self._listener, findings)
        return len(findings)

    def _is_news(self, tenant: int, contact: Contact) -> bool:
        """Return whether `contact` says more than this process noted in the last seconds.

        A transaction that fails afterwards costs at most these seconds of freshness.
        """
        place = (tenant, contact.device)
        noted = self._noted.get(place)
        if (
            noted is not None
            and contact.online
            and noted.online
            and contact.mode in (None, noted.mode)
            and contact.patient == noted.patient
            and (contact.received - noted.received).total_seconds() < CONTACT_NOTED_EVERY.value
        ):
            return False
        if len(self._noted) > _REMEMBERED:
            self._noted.clear()
        self._noted[place] = contact
        return True

    async def _overdue_rereads(self, tx: Transaction) -> list[Finding]:
        patients = await evaluation_rows.due(tx, _SCANNED_AT_MOST)
        if not patients:
            return []
        buckets = {patient: tx.bucket(patient, "Patient", patient) for patient in patients}
        rows = await evaluation_rows.lock(tx, buckets)
        rules = await self._rules.of(tx, rows)
        findings: list[Finding] = []
        states: list[NewState] = []
        for row in rows:
            try:
                remembered = await _open_window(tx, row)
            except Tampered:
                # Shredded, or not ours: it holds up nobody else's second readings and silences.
                _log.error("what is remembered of a patient cannot be read")
                remembered = Window()
            findings += overdue.time_passed(remembered, rules[row.patient], row.patient, tx.now)
            states.append(await _closed_window(tx, row, buckets[row.patient], remembered))
        evaluation_rows.write(tx, states)
        return findings

    async def _read(self, tx: Transaction, change: Change) -> list[Reading]:
        observation, patient = change.resource, change.patient
        if observation is None or patient is None:
            return []
        readings = read_observation(
            observation, patient=patient, received=tx.now, bound=False, mode=None
        )
        if not readings or readings[0].age > PAGES_UNTIL.value:
            return readings
        device = device_of(observation)
        if device is not None:
            pages = await silence_rows.in_use(tx, device, patient, readings[0].effective)
        else:
            is_typed_in = "device" not in observation
            pages = is_typed_in and bool(await session_rows.armed_patients(tx, [patient]))
        return [reading._replace(bound=True) for reading in readings] if pages else readings


def _merged(earlier: Contact | None, later: Contact) -> Contact:
    """Return the newest contact of a device, with the newest mode any of them told."""
    if earlier is None:
        return later
    newest = later if later.received >= earlier.received else earlier
    mode = later.mode if later.mode is not None else earlier.mode
    if newest.mode == mode:
        return newest
    return replace(newest, mode=mode)


async def _serialize(tx: Transaction, patients: Iterable[str | None]) -> None:
    """Hold the evaluation rows of `patients`: no two transactions raise the same alert."""
    buckets = {
        patient: tx.bucket(patient, "Patient", patient)
        for patient in patients
        if patient is not None
    }
    if buckets:
        await evaluation_rows.lock(tx, buckets)


async def _open_window(tx: Transaction, row: EvaluationRow) -> Window:
    if row.state is None:
        return Window()
    return window.decode(await tx.unseal(row.patient, _WINDOW, row.state))


async def _closed_window(
    tx: Transaction, row: EvaluationRow, bucket: int, remembered: Window, judged: int = 0
) -> NewState:
    plain = window.encode(remembered)
    sealed = await tx.seal(row.patient, _WINDOW, plain) if plain else None
    return NewState(row.patient, bucket, new_version(tx), sealed, remembered.due, judged)
