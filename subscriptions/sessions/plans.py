"""Follows treatment plans: how long a patient's treatments are meant to take."""

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from subscriptions.core.treatment_plan import patient_of, planned_seconds
from subscriptions.store import session_rows


async def follow(tx: Transaction, change: Change) -> None:
    """Note what a changed CarePlan plans, for treatments that begin from now on."""
    before, now = patient_of(change.previous), patient_of(change.resource)
    seconds = None if change.resource is None else planned_seconds(change.resource)
    if before is not None and (before != now or seconds is None):
        await session_rows.forget_plan(tx, before, change.id)
    if now is not None and seconds is not None:
        await session_rows.save_plan(tx, now, change.id, seconds)
