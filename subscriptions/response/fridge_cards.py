"""Finds a patient's fridge card, and decides who may hear it on the telephone."""

from collections.abc import Sequence
from uuid import UUID

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.fridge_card import FridgeCard, card, is_fridge_card, patient_of
from subscriptions.store import fridge_card_rows, ladder_rows


async def changed(tx: Transaction, changes: Sequence[Change]) -> None:
    """Follow the DocumentReferences that are fridge cards, or were."""
    for change in changes:
        if change.type != "DocumentReference":
            continue
        before, now = _patient(change.previous), _patient(change.resource)
        if before is not None and before != now:
            await fridge_card_rows.remove(tx, before, change.id)
        if now is not None:
            await fridge_card_rows.add(tx, now, change.id)


async def fridge_card(tx: Transaction, patient: str) -> FridgeCard | None:
    """Return what is known of the way to `patient`, None when nothing is."""
    document = await fridge_card_rows.latest(tx, patient)
    return card(
        await tx.get("Patient", patient),
        None if document is None else await tx.get("DocumentReference", document),
    )


async def may_hear_card(tx: Transaction, patient: str | None, incident: UUID, member: str) -> bool:
    """Return whether `member` was told in an incident in which the emergency prompt has gone out.

    Whoever is asked to call an ambulance must be able to say where to.
    """
    row = await ladder_rows.lock(tx, patient, incident)
    return (
        row is not None
        and row.ladder.phase != "closed"
        and row.ladder.prompted
        and row.ladder.person(member).pages > 0
    )


def _patient(document: Json | None) -> str | None:
    if document is None or not is_fridge_card(document):
        return None
    return patient_of(document)
