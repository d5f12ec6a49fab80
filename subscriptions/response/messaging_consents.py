"""Keeps the Consents of those who are called and texted (`core.messaging_consent`)."""

from fhirserver.kernel.ports import Transaction
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.core.messaging_consent import messaging_consent, patient_of_member


async def record(tx: Transaction, member: str, *, given: bool) -> None:
    """Record that `member` has agreed to be called and texted, or has ended it."""
    id_ = subscription_id(member)
    if not given and await tx.get("Consent", id_) is None:
        return
    type_, _, member_id = member.partition("/")
    patient = patient_of_member(member, await tx.get(type_, member_id))
    await tx.put(messaging_consent(member, patient, tx.now, given=given), id_=id_)
