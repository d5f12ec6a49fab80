"""Speaks address and fridge card to somebody who was asked to call the emergency service."""

from typing import Final

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.incident_task import received, sent
from subscriptions.response import fridge_cards
from subscriptions.store.attempt_rows import AttemptRow

_REASON: Final = "address and fridge card spoken"
_KEPT: Final = ("category", "priority", "medium", "subject", "recipient", "sender", "about", "meta")


async def spoken_card(tx: Transaction, attempt: AttemptRow) -> list[str] | None:
    """Return what may be spoken in the call `attempt`, [] where nothing is known.

    None: whoever is on the line may not hear it (any more). What is spoken is kept as a
    Communication beside that of the call.
    """
    if attempt.incident is None or attempt.member is None or attempt.patient is None:
        return None
    if not await fridge_cards.may_hear_card(tx, attempt.patient, attempt.incident, attempt.member):
        return None
    card = await fridge_cards.fridge_card(tx, attempt.patient)
    if card is None:
        return []
    await _record(tx, attempt)
    return [part for part in (card.address, card.access, card.notes) if part]


async def _record(tx: Transaction, attempt: AttemptRow) -> None:
    if attempt.communication is None or attempt.task is None:
        return
    call = await tx.get("Communication", attempt.communication)
    if call is None:
        return
    content: Json = {name: call[name] for name in _KEPT if name in call}
    if "meta" in content:
        content["meta"] = {"security": content["meta"].get("security", [])}
        if not content["meta"]["security"]:
            del content["meta"]
    told: Json = {
        "resourceType": "Communication",
        "partOf": [{"reference": f"Communication/{attempt.communication}"}],
        "reasonCode": [{"text": _REASON}],
        **content,
    }
    await tx.put(received(sent(told, tx.now), tx.now))
