"""Keeps the dry weight patients' treatment plans aim at among what makes their rules.

A plan is remembered with the Goals it names, so that a Goal that changes is found again.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.treatment_plan import dry_weight, goals_of, patient_of, plans_treatments
from subscriptions.evaluation.rule_book import open_orders, save_orders
from subscriptions.store import evaluation_rows

PLAN: Final = "CarePlan/"


async def follow_plan(tx: Transaction, change: Change) -> None:
    """Note which Goals a changed CarePlan names, for its patient and for whoever had it before."""
    plan = change.resource
    now = None if plan is None or not plans_treatments(plan) else patient_of(plan)
    for patient in sorted({one for one in (now, patient_of(change.previous)) if one is not None}):
        goals: dict[str, Json] | None = None
        if patient == now and plan is not None:
            goals = {goal: await _aim(tx, goal, patient) for goal in goals_of(plan)}
        orders = await _orders_of(tx, patient)
        after = {key: one for key, one in orders.items() if key != change.reference}
        if goals:
            after[change.reference] = {"goals": goals}
        if after != orders:
            await save_orders(tx, {patient: after})


async def follow_goal(tx: Transaction, change: Change) -> None:
    """Note what a changed Goal aims at, where a treatment plan names it."""
    versions = (change.resource, change.previous)
    if all(one is None or dry_weight(one) is None for one in versions):
        return
    for patient in sorted({one for one in map(patient_of, versions) if one is not None}):
        orders = await _orders_of(tx, patient)
        after = {
            key: _renewed(one, change.id, await _aim(tx, change.id, patient))
            for key, one in orders.items()
        }
        if after != orders:
            await save_orders(tx, {patient: after})


async def _orders_of(tx: Transaction, patient: str) -> dict[str, Json]:
    await evaluation_rows.lock(tx, {patient: tx.bucket(patient, "Patient", patient)})
    stored = (await evaluation_rows.rule_sets(tx, [patient])).get(patient)
    return {} if stored is None else await open_orders(tx, patient, stored[1])


async def _aim(tx: Transaction, goal: str, patient: str) -> Json:
    """Return the version of a Goal of `patient` and the weight it aims at, nothing where it aims at none."""
    current = await tx.current("Goal", goal)
    resource = None if current is None else current.resource
    weight: Decimal | None = None
    if resource is not None and patient_of(resource) == patient:
        weight = dry_weight(resource)
    if current is None or weight is None:
        return {}
    return {f"Goal/{goal}/_history/{current.stored.version}": str(weight)}


def _renewed(entry: Json, goal: str, aim: Json) -> Json:
    goals: Mapping[str, Json] = entry.get("goals", {})
    return {"goals": {**goals, goal: aim}} if goal in goals else entry
