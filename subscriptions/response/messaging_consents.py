"""Keeps the Consents of those who are called and texted (`core.messaging_consent`)."""

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from subscriptions.core.incident_task import operator_task
from subscriptions.core.managed_subscription import is_telephone, subscription_id
from subscriptions.core.messaging_consent import messaging_consent, patient_of_member
from subscriptions.core.verification import after


async def record(tx: Transaction, member: str, *, given: bool) -> None:
    """Record that `member` has agreed to be called and texted, or has ended it."""
    id_ = subscription_id(member)
    if not given and await tx.get("Consent", id_) is None:
        return
    type_, _, member_id = member.partition("/")
    patient = patient_of_member(member, await tx.get(type_, member_id))
    await tx.put(messaging_consent(member, patient, tx.now, given=given), id_=id_)


async def withdrawn(tx: Transaction, change: Change) -> None:
    """Call and text nobody whose Consent a client has ended: what STOP does, by another way."""
    if change.previous is None or (change.resource or {}).get("status") == "active":
        return
    subscription = await tx.get("Subscription", change.id, lock=True)
    if subscription is None or not is_telephone(subscription) or subscription["status"] != "active":
        return
    await tx.put({**subscription, "status": after("active", "stopped")}, id_=change.id)
    await tx.put(operator_task(None, "contact-stopped", tx.now))
