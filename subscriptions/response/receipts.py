"""Acts on what the telephone company reports about messages and calls it took."""

from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.incident_task import not_done, operator_task, received, sent
from subscriptions.core.receipt import (
    DEAD_NUMBER_ERRORS,
    OPTED_OUT_ERROR,
    Verdict,
    stage,
    verdict,
)
from subscriptions.core.verification import VerificationEvent, after
from subscriptions.response.ladders import Ladders
from subscriptions.store import attempt_rows
from subscriptions.store.attempt_rows import AttemptRow


class Receipts:
    """Records reports, each stage once, and rings the next rung when something did not arrive."""

    def __init__(self, ladders: Ladders) -> None:
        """Tell `ladders` who was reached and who was not."""
        self._ladders = ladders

    async def received(
        self, tx: Transaction, attempt_id: UUID, status: str, error: str | None
    ) -> bool:
        """Record a report; False for an attempt of nobody's, or a stage already passed."""
        attempt = await attempt_rows.find(tx, attempt_id)
        if attempt is None:
            return False
        if not await attempt_rows.receive(tx, attempt_id, status, stage(status)):
            return False
        said = verdict(status)
        await self._communication(tx, attempt, said)
        if said == "not-arrived":
            await self.number_failed(tx, attempt, error)
            await self.not_arrived(tx, attempt, "undelivered")
        elif said == "arrived":
            await self._arrived(tx, attempt)
        return True

    async def handed_over(self, tx: Transaction, attempt: AttemptRow) -> None:
        """Note on the Communication that the telephone company has taken the message."""
        current = await self._current(tx, attempt)
        if current is not None and attempt.communication and current["status"] == "preparation":
            await tx.put(sent(current, tx.now), id_=attempt.communication)

    async def refused(
        self, tx: Transaction, attempt: AttemptRow, reason: str, error: str | None
    ) -> None:
        """Note that a message was not taken, and ring the next rung."""
        current = await self._current(tx, attempt)
        if current is not None and attempt.communication:
            await tx.put(not_done(current, reason), id_=attempt.communication)
        await self.number_failed(tx, attempt, error)
        await self.not_arrived(tx, attempt, reason)

    async def number_failed(self, tx: Transaction, attempt: AttemptRow, error: str | None) -> None:
        """End a Subscription whose number can never work, or whose owner left at the carrier."""
        event: VerificationEvent
        if error == OPTED_OUT_ERROR:
            event = "stopped"
        elif error in DEAD_NUMBER_ERRORS:
            event = "number-dead"
        else:
            return
        current = await tx.get("Subscription", attempt.subscription, lock=True)
        if current is None:
            return
        status = after(current["status"], event)
        if status != current["status"]:
            await tx.put({**current, "status": status}, id_=attempt.subscription)
            reason = "contact-stopped" if event == "stopped" else "number-failed"
            await tx.put(operator_task(None, reason, tx.now))

    async def not_arrived(self, tx: Transaction, attempt: AttemptRow, reason: str) -> None:
        """Ring the next rung: this page did not reach its person."""
        if attempt.patient and attempt.incident and attempt.member:
            await self._ladders.unreached(
                tx, attempt.patient, attempt.incident, attempt.member, reason
            )

    async def _arrived(self, tx: Transaction, attempt: AttemptRow) -> None:
        if attempt.patient is None or attempt.incident is None:
            return
        await self._ladders.delivered(tx, attempt.patient, attempt.incident)

    async def _communication(self, tx: Transaction, attempt: AttemptRow, said: Verdict) -> None:
        current = await self._current(tx, attempt)
        if current is None or attempt.communication is None:
            return
        if said == "arrived" and current["status"] not in ("completed", "not-done"):
            await tx.put(received(current, tx.now), id_=attempt.communication)
        elif said == "not-arrived" and current["status"] != "not-done":
            await tx.put(not_done(current, "undelivered"), id_=attempt.communication)

    async def _current(self, tx: Transaction, attempt: AttemptRow) -> Json | None:
        if attempt.communication is None:
            return None
        return await tx.get("Communication", attempt.communication, lock=True)
