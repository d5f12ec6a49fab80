"""Alerts at the edge: decided in pure code, written and told in one transaction.

Lock order: evaluation row (or device_watch row), alert rows, then resources. Whoever answers an
alert calls `respond` before touching Tasks, so that a reply and a new reading cannot wait for each
other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.ports import Transaction
from fhirserver.wire import fhir_json
from subscriptions.core import life_cycle
from subscriptions.core.alert import Alert
from subscriptions.core.alerting import Outcome, decide, is_about
from subscriptions.core.constants import STILL_PRESENT_AFTER
from subscriptions.core.findings import Finding
from subscriptions.core.flag import Answered, answer_of, evidence_in, flag_of
from subscriptions.core.life_cycle import Transition
from subscriptions.core.ports import AlertListener
from subscriptions.store import alert_rows

_DETAIL: Final = "alert-detail"
_EVENT: Final = "alert-event"
_LATELY: Final = timedelta(seconds=STILL_PRESENT_AFTER.value)
# A Flag names what it rests on, not every reading of a long night.
_EVIDENCE_AT_MOST: Final = 20


async def apply(tx: Transaction, listener: AlertListener, findings: Sequence[Finding]) -> None:
    """Let `findings` do what they do to alerts.

    The caller holds what serializes their patients or devices.
    """
    known = await _known(tx, findings)
    alive: list[Alert] = []
    for finding in findings:
        alerts = known.setdefault(_whose(finding.patient, finding.device), [])
        new_id = UUID(tx.new_id(finding.patient))
        outcome = decide(finding, alerts, tenant=tx.tenant, new_id=new_id, now=tx.now)
        current = _open(alerts, finding)
        if (
            current is not None
            and not finding.damped
            and finding.what in ("breached", "kept-alive")
        ):
            alive.append(current)
        if outcome is not None:
            after = await _store(tx, outcome, finding)
            alerts[:] = [alert for alert in alerts if alert.id != after.id] + [after]
            await listener.alert_changed(tx, after, outcome.previous, outcome.cause)
    if alive:
        await alert_rows.keep_alive(tx, alive)


async def load(tx: Transaction, patient: str | None, alert_id: UUID) -> Alert:
    """Return the alert as it stands. Raises `NotFound` when there is none of that patient."""
    return await _load(tx, patient, alert_id, lock=False)


async def respond(
    tx: Transaction, alert_id: UUID, patient: str | None, transition: Transition, by: str
) -> Alert:
    """Apply what a person or the ladder did (`by`: a reference) and return the alert after it.

    A transition the life cycle does not know changes nothing and is recorded as ignored. Raises
    `NotFound`, and `Forbidden` when the patient tries to end a latching alert alone.
    """
    before = await _load(tx, patient, alert_id, lock=True)
    step = life_cycle.respond(before, transition, by, tx.now)
    kind = transition if step.applied else "ignored"
    await _record(tx, before, kind, {"transition": transition, "by": by})
    if not step.applied:
        return before
    await alert_rows.update(tx, step.alert)
    if step.alert.closed != before.closed or answer_of(step.alert) != answer_of(before):
        await _mirror(tx, step.alert, (), Answered.by(step.alert, by, tx.now))
    return step.alert


async def of_incident(tx: Transaction, incident: UUID) -> list[Alert]:
    """Return every alert of an incident, oldest first."""
    return await alert_rows.of_incident(tx, incident)


async def detail(tx: Transaction, alert: Alert) -> Mapping[str, Any]:
    """Return why the alert was raised: value, limit, reason. Raises `NotFound`."""
    sealed = await alert_rows.detail_of(tx, alert.id)
    if sealed is None:
        raise NotFound("no such alert")
    return fhir_json.read(await tx.unseal(alert.patient, f"{_DETAIL}|{alert.id}", sealed))


async def _load(tx: Transaction, patient: str | None, alert_id: UUID, *, lock: bool) -> Alert:
    alert = await alert_rows.by_id(tx, alert_id, lock=lock)
    if alert is None or alert.patient != patient:
        raise NotFound("no such alert")
    return alert


async def _known(
    tx: Transaction, findings: Sequence[Finding]
) -> dict[tuple[str | None, str | None], list[Alert]]:
    patients = sorted({finding.patient for finding in findings if finding.patient is not None})
    devices = sorted(
        {finding.device for finding in findings if finding.patient is None and finding.device}
    )
    alerts: list[Alert] = []
    if patients:
        alerts += await alert_rows.of_patients(tx, patients, _LATELY)
    if devices:
        alerts += await alert_rows.of_unbound_devices(tx, devices, _LATELY)
    known: dict[tuple[str | None, str | None], list[Alert]] = {}
    for alert in alerts:
        known.setdefault(_whose(alert.patient, alert.device), []).append(alert)
    return known


def _whose(patient: str | None, device: str | None) -> tuple[str | None, str | None]:
    return (patient, None) if patient is not None else (None, device)


def _open(alerts: Sequence[Alert], finding: Finding) -> Alert | None:
    return next((alert for alert in alerts if is_about(alert, finding) and alert.is_open), None)


async def _store(tx: Transaction, outcome: Outcome, finding: Finding) -> Alert:
    raised = outcome.previous is None or outcome.record == "priority-raised"
    evidence = (finding.evidence,) if raised and finding.evidence is not None else ()
    alert = await _mirror(tx, outcome.alert, evidence)
    if outcome.previous is None:
        plain = fhir_json.write(dict(finding.detail))
        sealed = await tx.seal(alert.patient, f"{_DETAIL}|{alert.id}", plain)
        await alert_rows.insert(tx, alert, sealed, None if finding.damped else tx.now)
    else:
        await alert_rows.update(tx, alert)
    await _record(tx, alert, outcome.record, finding.detail)
    return alert


async def _mirror(
    tx: Transaction, alert: Alert, evidence: tuple[str, ...], answered: Answered | None = None
) -> Alert:
    """Bring the Flag in step with `alert` and return the alert that knows its Flag.

    `answered`: how it was answered just now; without, what the Flag says of that stays while it is so.
    """
    if alert.priority == "PL" and alert.flag is None:
        return alert
    if alert.flag is None:
        subject = await _subject(tx, alert)
        if subject is None:
            return alert
        stored = await tx.put(flag_of(alert, subject=subject, evidence=evidence))
        return replace(alert, flag=stored.id)
    before = await tx.get("Flag", alert.flag, lock=True)
    subject = None if before is None else before["subject"]["reference"]
    if before is not None and subject is not None:
        together = tuple(dict.fromkeys((*evidence_in(before), *evidence)))[-_EVIDENCE_AT_MOST:]
        answered = answered or Answered.of(before)
        after = flag_of(alert, subject=subject, evidence=together, answered=answered)
        await tx.put(after, id_=alert.flag)
    return alert


async def _subject(tx: Transaction, alert: Alert) -> str | None:
    """Return who a Flag is about: the patient, or the organization that owns an unbound device."""
    if alert.patient is not None:
        return f"Patient/{alert.patient}"
    device = None if alert.device is None else await tx.get("Device", alert.device)
    owner = None if device is None else device.get("owner", {}).get("reference")
    return str(owner) if owner else None


async def _record(tx: Transaction, alert: Alert, kind: str, what: Mapping[str, Any]) -> None:
    event = UUID(tx.new_id(alert.patient))
    sealed = await tx.seal(alert.patient, f"{_EVENT}|{event}", fhir_json.write(dict(what)))
    await alert_rows.append_event(tx, event, alert.id, kind, sealed)
