"""Keeps the rules of patients in step with the limits their machines announce.

What a machine announced is kept once for the machine; each patient who uses it has a copy among the
rules in force, with the times of use. A DeviceMetric somebody writes changes nothing here: only the
machine knows what it has in its present boot. A fixed number of statements, however many machines.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import DeviceLimits
from fhirserver.kernel.resource import Json
from subscriptions.core.device_limits import to_json
from subscriptions.evaluation.rule_book import open_orders, save_orders
from subscriptions.store import device_limit_rows, evaluation_rows
from subscriptions.store.device_limit_rows import Using

_DEVICE: Final = "Device/"


async def announce(tx: Transaction, announced: Sequence[DeviceLimits]) -> None:
    """Let what machines announced replace what they announced before, for whoever uses them."""
    limits = {told.device: to_json(told) if told.limits else None for told in announced}
    changed = await device_limit_rows.write(tx, limits)
    if not changed:
        return
    using = await device_limit_rows.users(tx, changed)
    await _bring_in_step(tx, {one.patient for one in using}, changed, limits, using)


async def follow_use(tx: Transaction, change: Change) -> None:
    """Give or take the limits of a machine whose DeviceUseStatement changed."""
    devices: set[str] = set()
    patients: set[str] = set()
    for version in (change.resource, change.previous):
        device, patient = _named(version, "device"), _named(version, "subject")
        if device.startswith(_DEVICE) and patient.startswith("Patient/"):
            devices.add(device.removeprefix(_DEVICE))
            patients.add(patient.removeprefix("Patient/"))
    limits = await device_limit_rows.read(tx, devices) if devices else {}
    if limits:
        using = await device_limit_rows.users(tx, limits.keys())
        await _bring_in_step(tx, patients, limits.keys(), limits, using)


async def _bring_in_step(
    tx: Transaction,
    patients: AbstractSet[str],
    devices: AbstractSet[str],
    limits: Mapping[str, Mapping[str, Any] | None],
    using: Sequence[Using],
) -> None:
    """Write anew what the rules of `patients` say of the limits of `devices`."""
    if not patients:
        return
    await evaluation_rows.lock(
        tx, {patient: tx.bucket(patient, "Patient", patient) for patient in patients}
    )
    stored = await evaluation_rows.rule_sets(tx, list(patients))
    given = _given(devices, limits, using)
    replaced = {_DEVICE + device for device in devices}
    changed: dict[str, Mapping[str, Json]] = {}
    for patient in sorted(patients):
        before: dict[str, Json] = {}
        if patient in stored:
            before = await open_orders(tx, patient, stored[patient][1])
        kept = {name: order for name, order in before.items() if name not in replaced}
        after = kept | given.get(patient, {})
        if after != before:
            changed[patient] = after
    await save_orders(tx, changed)


def _given(
    devices: AbstractSet[str],
    limits: Mapping[str, Mapping[str, Any] | None],
    using: Sequence[Using],
) -> Mapping[str, dict[str, Json]]:
    """Return for each patient the orders made of what the machines they use have announced."""
    given: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for one in using:
        told = limits.get(one.device)
        if told is None or one.device not in devices:
            continue
        order = given[one.patient].setdefault(
            _DEVICE + one.device, {"limits": dict(told), "uses": []}
        )
        order["uses"].append([_text(one.use.starts), _text(one.use.ends)])
    return given


def _named(version: Json | None, element: str) -> str:
    return "" if version is None else str(version.get(element, {}).get("reference", ""))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
