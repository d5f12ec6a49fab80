"""The telephone channel: managed Subscriptions become text messages and calls.

``requested`` sends the message that asks its owner to prove the number; ``active`` sends the pages
its Tasks ask for, each medium once. A company that does not take a message is followed by the next
one at once. An attempt without a result (its sender died, or the company answered with an error
after it may have accepted) is looked up at that company first. What cannot be looked up is sent
again at once for a PH alert, because a second ring is better than none, and after a minute for all
others. Before every send the Subscription is asked whether it still may: STOP ends what is queued.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.errors import Unavailable as StoreUnavailable
from fhirserver.kernel.ports import Transaction
from subscriptions.channels import disclosure
from subscriptions.channels.carriers import Carriers
from subscriptions.channels.managed import Report
from subscriptions.channels.sending_pages import Pager
from subscriptions.channels.sendings import Handset, Sending, Sendings
from subscriptions.channels.telephony import Refused, Unavailable
from subscriptions.core.carriage import next_company
from subscriptions.core.delivery import Handed, Missed, Nothing
from subscriptions.core.managed_subscription import phone_of
from subscriptions.core.message import language_of
from subscriptions.core.receipt import receipt_wait, settled_stage
from subscriptions.core.timing import SMS_LIMIT, SMS_LIMIT_WINDOW, UNREACHED_AFTER
from subscriptions.response.receipts import Receipts
from subscriptions.response.story import Story
from subscriptions.store import attempt_rows, managed_rows
from subscriptions.store.attempt_rows import Outcome
from subscriptions.store.cursor_rows import Claim
from subscriptions.worker.ports import Transactions


class Telephone:
    """Implements `ManagedChannel` for managed Subscriptions."""

    def __init__(
        self,
        *,
        carriers: Carriers,
        pager: Pager,
        receipts: Receipts,
        transactions: Transactions,
        draw: Callable[[], float],
        story: Story,
    ) -> None:
        """Send through `carriers` what `pager` words; `draw` returns a random number in [0, 1)."""
        self._carriers = carriers
        self._pager = pager
        self._receipts = receipts
        self._transactions = transactions
        self._draw = draw
        self._story = story

    async def prepare(self, tx: Transaction, claim: Claim) -> Sendings | Report:
        """See `ManagedChannel.prepare`."""
        resource = await tx.get("Subscription", claim.subscription)
        if resource is None or claim.member is None or claim.phone_lookup is None:
            return Nothing(claim.cursor.epoch)
        handset = Handset(
            phone_of(resource), claim.phone_lookup, claim.member, language_of(claim.language)
        )
        if claim.cursor.status == "requested":
            through = claim.cursor.delivered_through
            found = await self._pager.verification(tx, claim, handset)
            if not found:
                return Nothing(claim.cursor.epoch)
        else:
            through, found = await self._pager.pages(tx, claim, handset)
        if not found:
            return _handed(claim, through)
        return Sendings(tx.tenant, claim.subscription, claim.cursor.epoch, through, tuple(found))

    # Sending

    async def send(self, shipment: Sendings) -> Sendings:
        """See `ManagedChannel.send`."""
        async with self._transactions(shipment.tenant) as tx:
            wanted = await managed_rows.may_send(tx, shipment.subscription, shipment.epoch)
        if not wanted:
            done = [replace(one, result="withdrawn") for one in shipment.sendings]
        else:
            done = await asyncio.gather(*(self._send(shipment, one) for one in shipment.sendings))
        return replace(shipment, sendings=tuple(done))

    async def _send(self, shipment: Sendings, sending: Sending) -> Sending:
        """Go from company to company until one has taken it, or all were asked."""
        while sending.result == "pending":
            done = await self._try(sending)
            if done.result not in ("unavailable", "lost"):
                return done
            try:
                following = await self._next(shipment, done)
            except (Conflict, StoreUnavailable):
                return done  # recorded, or found again, by the next holder of the lease
            if following is None:
                return done
            sending = following
        return sending

    async def _try(self, sending: Sending) -> Sending:
        if sending.look_first:
            known = await self._known(sending)
            if known.result != "unavailable":
                return known
        try:
            reference = await self._carriers.hand_over(sending)
        except Refused as refusal:
            return replace(sending, result="refused", cause=refusal.cause)
        except Unavailable as problem:
            if problem.ambiguous:
                return await self._known(sending)
            return replace(sending, result="unavailable")
        return replace(sending, result="handed-over", reference=reference)

    async def _known(self, sending: Sending) -> Sending:
        """Return what the company knows of it.

        ``lost`` and ``ambiguous``: it cannot say, and it is sent again now or not yet.
        """
        try:
            reference = await self._carriers.look_up(sending)
        except Unavailable:
            blindly = sending.blindly or sending.urgency == "PH"
            return replace(sending, result="lost" if blindly else "ambiguous")
        if reference is None:
            return replace(sending, result="unavailable")
        return replace(sending, result="handed-over", reference=reference)

    async def _next(self, shipment: Sendings, sending: Sending) -> Sending | None:
        """Give up on this try and begin another one; None when there is nobody to ask now.

        What nobody can say anything about is sent again by the same company where there is no other,
        as long as that telephone takes more texts.
        """
        asked = (*sending.asked, sending.company)
        names = [name for name in self._carriers.carrying(sending.medium) if name not in asked]
        if not names and sending.look_first and sending.result == "lost":
            names = [sending.company]
        company = next_company(names, (), self._carriers.resting())
        if company is None:
            return None
        outcome: Outcome = "lost" if sending.result == "lost" else "unavailable"
        async with self._transactions(shipment.tenant) as tx:
            if not await managed_rows.may_send(tx, shipment.subscription, shipment.epoch):
                return replace(sending, result="withdrawn")
            if sending.result == "lost" and await self._takes_no_more(tx, sending):
                return None
            if not await attempt_rows.finish(tx, sending.attempt, outcome, None):
                # A report has proven meanwhile that the company took it after all.
                return replace(sending, result="handed-over")
            before = await attempt_rows.find(tx, sending.attempt)
            attempt = UUID(tx.new_id(None if before is None else before.patient))
            await attempt_rows.begin_again(tx, sending.attempt, attempt, company, shipment.epoch)
            following = self._pager.passed_on(tx, sending, attempt, company)
        self._story("failover", attempt=str(attempt), company=company, medium=sending.medium)
        return replace(following, asked=asked)

    async def _takes_no_more(self, tx: Transaction, sending: Sending) -> bool:
        if sending.medium != "sms":
            return False
        since = tx.now - SMS_LIMIT_WINDOW
        return await attempt_rows.messages_beside(tx, sending.attempt, since) >= SMS_LIMIT

    # Results

    async def settle(self, tx: Transaction, claim: Claim, shipment: Sendings) -> Report:
        """See `ManagedChannel.settle`."""
        waiting = 0
        for sending in shipment.sendings:
            if sending.result == "handed-over":
                await self._handed_over(tx, sending)
            elif sending.result == "refused":
                await self._refused(tx, sending)
            elif sending.result == "too-many":
                await self._too_many(tx, sending)
            elif sending.result == "withdrawn":
                await attempt_rows.finish(tx, sending.attempt, "not-sent", None)
            else:
                waiting += 1
                await self._unavailable(tx, claim, sending)
        if not waiting:
            return _handed(claim, shipment.through)
        return Missed(
            epoch=claim.cursor.epoch,
            errand=_errand(claim),
            revision=claim.cursor.revision,
            first=None,
            last=None,
            reason="no telephone company takes messages",
            draw=self._draw(),
        )

    async def _handed_over(self, tx: Transaction, sending: Sending) -> None:
        first = await attempt_rows.finish(tx, sending.attempt, "handed-over", sending.reference)
        attempt = await attempt_rows.find(tx, sending.attempt)
        if attempt is None:
            return
        if sending.expects_receipt:
            due = tx.now + receipt_wait(sending.urgency)
            await attempt_rows.expect_receipt(tx, attempt.id, due, settled_stage(attempt.medium))
        if not first:
            return  # a report was quicker
        disclosure.of_attempt(tx, attempt, "handed-over")
        await self._receipts.handed_over(tx, attempt)
        self._story(
            "handed-over",
            medium=sending.medium,
            company=sending.company,
            attempt=str(attempt.id),
            incident=str(attempt.incident) if attempt.incident else None,
            member=attempt.member,
            page=attempt.page,
            milliseconds=round((tx.now - attempt.started) / timedelta(milliseconds=1)),
        )

    async def _refused(self, tx: Transaction, sending: Sending) -> None:
        if await attempt_rows.finish(tx, sending.attempt, "refused", None):
            attempt = await attempt_rows.find(tx, sending.attempt)
            if attempt is not None:
                disclosure.of_attempt(tx, attempt, "refused")
                await self._receipts.refused(tx, attempt, "refused", sending.cause)

    async def _too_many(self, tx: Transaction, sending: Sending) -> None:
        """Ring the next rung: nothing tells this person, whose telephone takes no more texts now."""
        if await attempt_rows.finish(tx, sending.attempt, "not-sent", None):
            attempt = await attempt_rows.find(tx, sending.attempt)
            if attempt is not None:
                await self._receipts.refused(tx, attempt, "rate-limited", None)

    async def _unavailable(self, tx: Transaction, claim: Claim, sending: Sending) -> None:
        """Keep an ambiguous attempt open, to be looked up; ring the next rung when this goes on."""
        if sending.result == "unavailable":
            await attempt_rows.finish(tx, sending.attempt, "unavailable", None)
        failing_since = claim.cursor.failing_since or tx.now
        if tx.now - failing_since >= UNREACHED_AFTER:
            attempt = await attempt_rows.find(tx, sending.attempt)
            if attempt is not None:
                await self._receipts.not_arrived(tx, attempt, "provider-unavailable")


def _errand(claim: Claim) -> Literal["handshake", "event-notification"]:
    return "handshake" if claim.cursor.status == "requested" else "event-notification"


def _handed(claim: Claim, through: int) -> Handed:
    return Handed(claim.cursor.epoch, _errand(claim), claim.cursor.revision, through)
