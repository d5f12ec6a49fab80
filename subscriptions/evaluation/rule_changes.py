"""Orders and default sets as they change: the next reading sees the new rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Problem, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.event_codes import RULE_IGNORED
from subscriptions.core.findings import Finding, own_finding
from subscriptions.core.rule import Rule, RuleSet
from subscriptions.core.rule_provenance import Activity, provenance_of
from subscriptions.core.rule_reader import (
    holds,
    is_default_set,
    is_monitoring_order,
    read_defaults,
    read_order,
)
from subscriptions.core.rules import compile_rules
from subscriptions.core.second_signature import digest_of, signed_orders
from subscriptions.evaluation.rule_book import (
    PURPOSE,
    RuleBook,
    new_version,
    open_orders,
    order_entry,
    save_orders,
)
from subscriptions.store import evaluation_rows, rule_signature_rows
from subscriptions.store.evaluation_rows import DEFAULTS


async def admit(tx: Transaction, resource: Json, rule_book: RuleBook) -> None:
    """Refuse rules that must not be stored.

    Raises `Unprocessable`, every problem located: rules that cannot be read, and those of an order
    in force that are looser than a safety floor and not signed by two people.
    """
    if is_default_set(resource):
        problems = read_defaults(resource).problems
    elif is_monitoring_order(resource):
        read = read_order(resource, 0)
        problems = read.problems
        if not problems and holds(resource):
            await _admit_order(tx, resource, read.rules, rule_book)
    else:
        return
    if problems:
        raise Unprocessable("a monitoring rule cannot be read", problems=problems)


async def _admit_order(
    tx: Transaction, order: Json, rules: Sequence[Rule], rule_book: RuleBook
) -> None:
    kind, _, patient = order.get("subject", {}).get("reference", "").partition("/")
    loose = compile_rules(rules, await rule_book.defaults(tx), tx.now).problems
    if not loose or kind != "Patient":
        return
    if not await rule_signature_rows.is_signed(tx, patient, digest_of(order)):
        problems = [
            Problem("error", "business-rule", "ServiceRequest.extension", text) for text in loose
        ]
        raise Unprocessable(
            "looser than a safety floor: store it as a draft, have it signed by two people in a "
            "Provenance, then activate it",
            problems=problems,
        )


async def follow_orders(
    tx: Transaction, changes: Sequence[Change], rule_book: RuleBook
) -> list[Finding]:
    """Bring the patients' rules in step with changed ServiceRequests.

    Returns an advisory finding for each patient some of whose rules are ignored, or no longer are.
    Each change of what holds is recorded in a Provenance.
    """
    patients: set[str] = set()
    for change in changes:
        for patient in sorted(_concerned(change)):
            before = await _orders_of(tx, patient)
            if await _follow_order(tx, change, patient, before):
                patients.add(patient)
                await _record(tx, change, known=change.reference in before)
    if not patients:
        return []
    buckets = {patient: tx.bucket(patient, "Patient", patient) for patient in patients}
    rules = await rule_book.of(tx, await evaluation_rows.lock(tx, buckets))
    return [ignored_finding(patient, rules[patient], tx.now) for patient in sorted(patients)]


def ignored_finding(patient: str, rules: RuleSet, now: datetime) -> Finding:
    """Return the advisory that rules of `patient` are ignored, or that none is any more."""
    return own_finding(
        "breached" if rules.problems else "ended",
        RULE_IGNORED,
        key="rules",
        patient=patient,
        device=None,
        priority="PL",
        at=now,
        simulated=False,
        detail={"reason": "beyond the hard floor", "problems": list(rules.problems)},
    )


async def follow_signatures(
    tx: Transaction, changes: Sequence[Change], rule_book: RuleBook
) -> list[Finding]:
    """Note which rules two people have signed; those in force hold as they are from then on."""
    signed: list[Change] = []
    for change in changes:
        for identity, version in signed_orders(change.resource or {}):
            order = await tx.current("ServiceRequest", identity)
            if order is None or order.resource is None:
                continue
            patient = order.resource.get("subject", {}).get("reference", "")
            if version not in (None, order.stored.version) or not patient.startswith("Patient/"):
                continue
            patient = patient.removeprefix("Patient/")
            rule_signature_rows.write(tx, patient, digest_of(order.resource))
            signed.append(
                Change(
                    tenant=tx.tenant,
                    action="update",
                    type="ServiceRequest",
                    id=identity,
                    version=order.stored.version,
                    bucket=tx.bucket(patient, "Patient", patient),
                    patient=patient,
                    resource=order.resource,
                    previous=order.resource,
                )
            )
    return await follow_orders(tx, signed, rule_book) if signed else []


async def follow_defaults(tx: Transaction, change: Change) -> None:
    """Bring the tenant's default set in step with a changed PlanDefinition.

    Without an active, readable one the shipped set holds: never nothing. What is not in force, such
    as the draft of a next version, ends nothing.
    """
    was_set = change.previous is not None and is_default_set(change.previous)
    plan = change.resource
    if plan is None or not is_default_set(plan):
        if was_set:
            await _end_defaults(tx, change)
            await tx.put(provenance_of(change.reference, change.version, "DELETE", None, tx.now))
        return
    if change.previous is not None:
        await tx.put(provenance_of(change.reference, change.version, "UPDATE", None, tx.now))
    read = read_defaults(plan)
    if plan.get("status") != "active" or read.problems or not read.rules:
        await _end_defaults(tx, change)
        return
    sealed = await tx.seal(None, PURPOSE, fhir_json.write(plan))
    evaluation_rows.write_defaults(tx, new_version(tx), sealed)


async def _end_defaults(tx: Transaction, change: Change) -> None:
    """Let the shipped set hold again where the changed PlanDefinition was the one in force."""
    stored = (await evaluation_rows.rule_sets(tx, [DEFAULTS])).get(DEFAULTS)
    if stored is None:
        return
    in_force = fhir_json.read(await tx.unseal(None, PURPOSE, stored[1]))
    if in_force.get("id") == change.id:
        await evaluation_rows.delete_rule_set(tx, DEFAULTS)


async def _orders_of(tx: Transaction, patient: str) -> dict[str, Json]:
    bucket = tx.bucket(patient, "Patient", patient)
    await evaluation_rows.lock(tx, {patient: bucket})
    stored = await evaluation_rows.rule_sets(tx, [patient])
    return await open_orders(tx, patient, stored[patient][1]) if patient in stored else {}


async def _follow_order(
    tx: Transaction, change: Change, patient: str, before: Mapping[str, Json]
) -> bool:
    """Return whether the patient's orders changed."""
    orders = dict(before)
    orders.pop(change.reference, None)
    order = change.resource
    if (
        order is not None
        and change.patient == patient
        and is_monitoring_order(order)
        and holds(order)
    ):
        signed = await rule_signature_rows.is_signed(tx, patient, digest_of(order))
        orders[change.reference] = order_entry(order, change.version, signed=signed)
    if orders == before:
        return False
    await save_orders(tx, {patient: orders})
    return True


async def _record(tx: Transaction, change: Change, *, known: bool) -> None:
    resource = change.resource or change.previous or {}
    author = resource.get("requester", {}).get("reference")
    holding = change.resource is not None and holds(change.resource)
    activity: Activity = "DELETE" if not holding else "UPDATE" if known else "CREATE"
    await tx.put(provenance_of(change.reference, change.version, activity, author, tx.now))


def _concerned(change: Change) -> set[str]:
    patients: set[str] = set()
    for version in (change.resource, change.previous):
        if version is not None and is_monitoring_order(version):
            kind, _, identity = version.get("subject", {}).get("reference", "").partition("/")
            if kind == "Patient" and identity:
                patients.add(identity)
    return patients
