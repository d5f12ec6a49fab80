"""Faults of devices at the edge: rows in, findings out; `subscriptions.core.device_trouble` decides."""

from collections.abc import Sequence

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import DeviceFault, FaultKind
from subscriptions.core.device_trouble import Judged, judged, noticed
from subscriptions.core.findings import Finding
from subscriptions.core.incident_task import operator_task
from subscriptions.store import trouble_rows


async def take(tx: Transaction, faults: Sequence[DeviceFault]) -> list[Finding]:
    """Note `faults` and return what is to be told of them now.

    An alarm of a device nobody knows becomes a Task of the operator at once.
    """
    findings: list[Finding] = []
    locked = await trouble_rows.lock(
        tx, {(fault.device or fault.address, fault.kind) for fault in faults}
    )
    for fault in faults:
        name = fault.device or fault.address
        known = locked.get((name, fault.kind))
        if known is None and (fault.amount == 0 or (fault.device and fault.patient is None)):
            continue
        if known is None and fault.device is None:
            await tx.put(operator_task(None, "unknown-device-alarm", tx.now))
        found = noticed(known, fault, tx.now)
        await _keep(tx, name, fault.kind, found)
        findings += found.findings
    return findings


async def look(tx: Transaction, limit: int) -> list[Finding]:
    """Return what time makes of the faults that are due, and note it."""
    findings: list[Finding] = []
    for trouble in await trouble_rows.due(tx, limit):
        found = judged(trouble, tx.now)
        await _keep(tx, trouble.device, trouble.kind, found)
        findings += found.findings
    return findings


async def _keep(tx: Transaction, device: str, kind: FaultKind, found: Judged) -> None:
    if found.trouble is None:
        await trouble_rows.forget(tx, device, kind)
    else:
        await trouble_rows.save(tx, found.trouble, found.look_at)
