"""Acts on what the telephone company reports about messages and calls it took."""

from collections.abc import Callable, Sequence
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.carriage import Try, is_over, next_company
from subscriptions.core.incident_task import not_done, operator_task, received, sent, urgency_of
from subscriptions.core.managed_subscription import member_of
from subscriptions.core.receipt import (
    Cause,
    Verdict,
    cause_of,
    receipt_wait,
    settled_stage,
    stage,
    verdict,
)
from subscriptions.core.timing import Medium
from subscriptions.core.verification import VerificationEvent, after
from subscriptions.response import messaging_consents
from subscriptions.response.ladders import Ladders
from subscriptions.response.story import Story
from subscriptions.store import attempt_rows, managed_rows
from subscriptions.store.attempt_rows import AttemptRow


class Receipts:
    """Records reports, each stage once, and rings the next rung when something did not arrive."""

    def __init__(self, ladders: Ladders, story: Story) -> None:
        """Tell `ladders` who was reached and who was not, and `story` what happened."""
        self._ladders = ladders
        self._story = story

    async def received(
        self,
        tx: Transaction,
        attempt_id: UUID,
        status: str,
        error: str | None = None,
        reference: str | None = None,
    ) -> bool:
        """Record a report; False for an attempt of nobody's, or a stage already passed.

        `reference` is the company's id: a report proves that it took a message whose sender never
        heard back.
        """
        attempt = await attempt_rows.find(tx, attempt_id)
        if attempt is None:
            return False
        if reference is not None and await attempt_rows.finish(
            tx, attempt_id, "handed-over", reference
        ):
            await self.handed_over(tx, attempt)
            await self._expect(tx, attempt)
        settled = stage(status) >= settled_stage(attempt.medium)
        if not await attempt_rows.receive(tx, attempt_id, status, stage(status), settled=settled):
            return False
        said = verdict(status)
        await self._communication(tx, attempt, said)
        if said == "not-arrived":
            await self.number_failed(tx, attempt, cause_of(error))
            await self.not_arrived(tx, attempt, "undelivered")
            await managed_rows.wake(tx, attempt.subscription)
        elif said == "arrived":
            await self._arrived(tx, attempt)
        return True

    async def _expect(self, tx: Transaction, attempt: AttemptRow) -> None:
        """Wait for the next report of a page whose sender has died before it could."""
        task = None if attempt.task is None else await tx.get("Task", attempt.task)
        if task is not None:
            due = tx.now + receipt_wait(urgency_of(task))
            await attempt_rows.expect_receipt(tx, attempt.id, due, settled_stage(attempt.medium))

    async def overdue(self, tx: Transaction, carrying: Callable[[Medium], Sequence[str]]) -> int:
        """Act on every message whose company has told nothing in time; return how many there were.

        Another of the companies that are `carrying` its medium is asked; where none is left, the
        next person is called, unless this one was reached by another medium meanwhile.
        """
        late = await attempt_rows.take_overdue(tx)
        for attempt in late:
            self._story("unheard", attempt=str(attempt.id), company=attempt.company)
            if attempt.task is None or attempt.page is None:
                continue
            page = await attempt_rows.of_page(tx, attempt.subscription, attempt.task, attempt.page)
            tries = [
                Try(one.company or "", one.fate)
                for one in page
                if one.medium == attempt.medium and one.communication == attempt.communication
            ]
            if is_over(tries):
                continue
            if next_company(carrying(attempt.medium), tries) is not None:
                await managed_rows.wake(tx, attempt.subscription)
            elif all(verdict(one.receipt or "") != "arrived" for one in page):
                await self._communication(tx, attempt, "not-arrived")
                await self.not_arrived(tx, attempt, "no-receipt")
        return len(late)

    async def handed_over(self, tx: Transaction, attempt: AttemptRow) -> None:
        """Note on the Communication that the telephone company has taken the message."""
        current = await self._current(tx, attempt)
        if current is not None and attempt.communication and current["status"] == "preparation":
            await tx.put(sent(current, tx.now), id_=attempt.communication)

    async def refused(
        self, tx: Transaction, attempt: AttemptRow, reason: str, cause: Cause | None
    ) -> None:
        """Note that a message was not taken, and ring the next rung."""
        current = await self._current(tx, attempt)
        if current is not None and attempt.communication:
            await tx.put(not_done(current, reason), id_=attempt.communication)
        await self.number_failed(tx, attempt, cause)
        await self.not_arrived(tx, attempt, reason)

    async def number_failed(
        self, tx: Transaction, attempt: AttemptRow, cause: Cause | None
    ) -> None:
        """End a Subscription whose number can never work, or whose owner left at the carrier."""
        if cause is None:
            return
        event: VerificationEvent = "stopped" if cause == "opted-out" else "number-dead"
        current = await tx.get("Subscription", attempt.subscription, lock=True)
        if current is None:
            return
        status = after(current["status"], event)
        if status != current["status"]:
            await tx.put({**current, "status": status}, id_=attempt.subscription)
            reason = "contact-stopped" if event == "stopped" else "number-failed"
            await tx.put(operator_task(None, reason, tx.now))
            if event == "stopped":
                await messaging_consents.record(tx, member_of(current), given=False)

    async def not_arrived(self, tx: Transaction, attempt: AttemptRow, reason: str) -> None:
        """Ring the next rung: this page did not reach its person."""
        if attempt.incident and attempt.member:
            await self._ladders.unreached(
                tx, attempt.patient, attempt.incident, attempt.member, reason
            )

    async def _arrived(self, tx: Transaction, attempt: AttemptRow) -> None:
        if attempt.incident is None:
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
