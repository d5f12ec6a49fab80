"""Orders and default sets as they change: the next reading sees the new rules."""

from collections.abc import Sequence
from datetime import datetime

from fhirserver.kernel.canonical import ALERT_CODES
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.event_codes import RULE_IGNORED
from subscriptions.core.findings import Finding
from subscriptions.core.rule_reader import (
    holds,
    is_default_set,
    is_monitoring_order,
    read_defaults,
    read_order,
)
from subscriptions.core.rules import RuleSet
from subscriptions.evaluation.rule_book import (
    PURPOSE,
    RuleBook,
    new_version,
    open_orders,
    order_entry,
    seal_orders,
)
from subscriptions.store import evaluation_rows
from subscriptions.store.evaluation_rows import DEFAULTS


def admit(resource: Json) -> None:
    """Raise `Unprocessable`, every problem located, when rules of `resource` cannot be read."""
    if is_monitoring_order(resource):
        problems = read_order(resource, 0).problems
    elif is_default_set(resource):
        problems = read_defaults(resource).problems
    else:
        return
    if problems:
        raise Unprocessable("a monitoring rule cannot be read", problems=problems)


async def follow_orders(
    tx: Transaction, changes: Sequence[Change], rule_book: RuleBook
) -> list[Finding]:
    """Bring the patients' rules in step with changed ServiceRequests.

    Returns an advisory finding for each patient some of whose rules are ignored, or no longer are.
    """
    patients: set[str] = set()
    for change in changes:
        for patient in sorted(_concerned(change)):
            if await _follow_order(tx, change, patient):
                patients.add(patient)
    if not patients:
        return []
    buckets = {patient: tx.bucket(patient, "Patient", patient) for patient in patients}
    rules = await rule_book.of(tx, await evaluation_rows.lock(tx, buckets))
    return [ignored_finding(patient, rules[patient], tx.now) for patient in sorted(patients)]


def ignored_finding(patient: str, rules: RuleSet, now: datetime) -> Finding:
    """Return the advisory that rules of `patient` are ignored, or that none is any more."""
    return Finding(
        what="breached" if rules.problems else "ended",
        key="rules",
        patient=patient,
        device=None,
        system=ALERT_CODES,
        code=RULE_IGNORED.code,
        display=RULE_IGNORED.display,
        kind=RULE_IGNORED.kind,
        family=RULE_IGNORED.family,
        priority="PL",
        at=now,
        age=0.0,
        bound=True,
        live=True,
        damped=True,
        rule=None,
        rule_version=None,
        evidence=None,
        simulated=False,
        detail={"reason": "beyond the hard floor", "problems": list(rules.problems)},
    )


async def follow_defaults(tx: Transaction, change: Change) -> None:
    """Bring the tenant's default set in step with a changed PlanDefinition.

    Without an active, readable one the shipped set holds: never nothing.
    """
    if change.previous is not None and is_default_set(change.previous) and change.resource is None:
        await evaluation_rows.delete_rule_set(tx, DEFAULTS)
    plan = change.resource
    if plan is None or not is_default_set(plan):
        return
    read = read_defaults(plan)
    if plan.get("status") != "active" or read.problems or not read.rules:
        await evaluation_rows.delete_rule_set(tx, DEFAULTS)
        return
    sealed = await tx.seal(None, PURPOSE, fhir_json.write(plan))
    await evaluation_rows.write_rule_set(tx, DEFAULTS, new_version(tx), sealed)


async def _follow_order(tx: Transaction, change: Change, patient: str) -> bool:
    """Return whether the patient's orders changed."""
    bucket = tx.bucket(patient, "Patient", patient)
    await evaluation_rows.lock(tx, {patient: bucket})
    stored = await evaluation_rows.rule_sets(tx, [patient])
    orders = await open_orders(tx, patient, stored[patient][1]) if patient in stored else {}
    before = dict(orders)
    orders.pop(change.reference, None)
    order = change.resource
    if (
        order is not None
        and change.patient == patient
        and is_monitoring_order(order)
        and holds(order)
    ):
        orders[change.reference] = order_entry(order, change.version)
    if orders == before:
        return False
    if orders:
        sealed = await seal_orders(tx, patient, orders)
        await evaluation_rows.write_rule_set(tx, patient, new_version(tx), sealed)
    else:
        await evaluation_rows.delete_rule_set(tx, patient)
    return True


def _concerned(change: Change) -> set[str]:
    patients: set[str] = set()
    for version in (change.resource, change.previous):
        if version is not None and is_monitoring_order(version):
            kind, _, identity = version.get("subject", {}).get("reference", "").partition("/")
            if kind == "Patient" and identity:
                patients.add(identity)
    return patients
