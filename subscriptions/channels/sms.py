"""The telephone channel: managed Subscriptions become text messages and calls.

``requested`` sends the message that asks its owner to prove the number; ``active`` sends the pages
its Tasks ask for, each medium once. An attempt without a result (its sender died, or the company
answered with an error after it may have accepted) is looked up at the company first. What it does
not know is sent again; what cannot be looked up is sent again at once for a PH alert, because a
second ring is better than none, and after a minute for all others.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Priority
from fhirserver.kernel.resource import Json
from subscriptions.channels.managed import Report
from subscriptions.channels.sendings import Handset, Sending, Sendings
from subscriptions.channels.telephony import Refused, Telephony, Unavailable
from subscriptions.core import message, twiml
from subscriptions.core.care_team import audience
from subscriptions.core.delivery import Handed, Missed, Nothing
from subscriptions.core.incident_task import (
    PageInput,
    incident_of,
    is_simulated,
    not_done,
    page_of,
    urgency_of,
)
from subscriptions.core.managed_subscription import phone_of
from subscriptions.core.message import language_of
from subscriptions.core.timing import (
    AMBIGUOUS_WAIT,
    CODE_LIFETIME,
    SMS_LIMIT,
    SMS_LIMIT_WINDOW,
    UNREACHED_AFTER,
    VERIFICATION_LIFETIME,
    Medium,
)
from subscriptions.response.pages import issue_code
from subscriptions.response.receipts import Receipts
from subscriptions.response.story import Story
from subscriptions.store import attempt_rows, event_rows, reply_code_rows
from subscriptions.store.attempt_rows import AttemptRow, NewAttempt
from subscriptions.store.cursor_rows import Claim
from subscriptions.store.reply_code_rows import CodeOwner

_OVER = ("completed", "cancelled", "failed")
_BATCH = 100


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that is still wanted: its Task and what it asks for."""

    task_id: str
    task: Json
    wanted: PageInput


class Telephone:
    """Implements `ManagedChannel` for managed Subscriptions.

    `webhooks` is the public URL of the tenants' telephony webhooks (``https://host/telephony``).
    `send_simulated` lets test data reach the company (demonstrations with a simulated one).
    """

    def __init__(
        self,
        *,
        company: Telephony,
        webhooks: str,
        receipts: Receipts,
        token: Callable[[], str],
        draw: Callable[[], float],
        story: Story,
        send_simulated: bool,
    ) -> None:
        """Send through `company`; `draw` returns a random number in [0, 1)."""
        self._company = company
        self._webhooks = webhooks.rstrip("/")
        self._receipts = receipts
        self._token = token
        self._draw = draw
        self._story = story
        self._send_simulated = send_simulated

    async def prepare(self, tx: Transaction, claim: Claim) -> Sendings | Report:
        """See `ManagedChannel.prepare`."""
        resource = await tx.get("Subscription", claim.subscription)
        if resource is None or claim.member is None or claim.phone_lookup is None:
            return Nothing(claim.cursor.epoch)
        handset = Handset(
            phone_of(resource), claim.phone_lookup, claim.member, language_of(claim.language)
        )
        if claim.cursor.status == "requested":
            return await self._verification(tx, claim, handset)
        return await self._pages(tx, claim, handset)

    # Proving a number

    async def _verification(
        self, tx: Transaction, claim: Claim, handset: Handset
    ) -> Sendings | Nothing:
        type_, _, id_ = handset.member.partition("/")
        member = await tx.get(type_, id_)
        if member is not None and is_simulated(member) and not self._send_simulated:
            return Nothing(claim.cursor.epoch)
        owner = CodeOwner(None, None, handset.member, claim.subscription)
        code = await reply_code_rows.code_of(tx, handset.lookup, owner)
        if code is None:
            expires = tx.now + VERIFICATION_LIFETIME
            code = await issue_code(tx, self._token, handset.lookup, owner, expires)
        text = message.verification_text(handset.language, code)
        orphans = await attempt_rows.unfinished(tx, claim.subscription)
        orphan = next((attempt for attempt in orphans if attempt.task is None), None)
        if orphan is None:
            sending = await self._begin(tx, claim, handset, text, "sms", None, None)
        else:
            sending = self._again(tx, handset, "PM", orphan, text)
        return Sendings(claim.cursor.delivered_through, (sending,))

    # Pages

    async def _pages(self, tx: Transaction, claim: Claim, handset: Handset) -> Sendings | Handed:
        cursor = claim.cursor
        events = await event_rows.numbered(
            tx, claim.subscription, cursor.delivered_through, cursor.last_number, _BATCH
        )
        through = events[-1].number if events else cursor.delivered_through
        sendings: list[Sending] = []
        for task_id in dict.fromkeys(event.focus_id for event in events):
            task = await tx.get("Task", task_id)
            wanted = None if task is None else page_of(task)
            if task is not None and wanted is not None and task["status"] not in _OVER:
                page = _Page(task_id, task, wanted)
                sendings += await self._page(tx, claim, handset, page)
        if not sendings:
            return _handed(claim, through)
        return Sendings(through, tuple(sendings))

    async def _page(
        self, tx: Transaction, claim: Claim, handset: Handset, page: _Page
    ) -> list[Sending]:
        before = await attempt_rows.of_page(
            tx, claim.subscription, page.task_id, page.wanted.number
        )
        code = await self._code(tx, claim, handset, page)
        found: list[Sending] = []
        for medium, communication in page.wanted.messages:
            tried = [attempt for attempt in before if attempt.medium == medium]
            if any(a.outcome in ("handed-over", "refused", "not-sent") for a in tried):
                continue
            text = self._words(handset, page, medium, code)
            orphan = next((a for a in tried if a.outcome is None), None)
            if orphan is not None:
                found.append(self._again(tx, handset, urgency_of(page.task), orphan, text))
                continue
            sending = await self._begin(tx, claim, handset, text, medium, page, communication)
            withheld = await self._withheld(tx, handset, page, medium)
            if withheld is None:
                found.append(sending)
            else:
                await self._not_sent(tx, sending, communication, withheld)
        return [self._with_action(tx, handset, page, sending) for sending in found]

    async def _withheld(
        self, tx: Transaction, handset: Handset, page: _Page, medium: Medium
    ) -> str | None:
        """Return why a page is not sent, None when it is. The attempt itself is counted already."""
        if is_simulated(page.task) and not self._send_simulated:
            return "test-data"
        if medium == "sms":
            since = tx.now - SMS_LIMIT_WINDOW
            if await attempt_rows.messages_since(tx, handset.lookup, since) > SMS_LIMIT:
                return "rate-limited"
        return None

    async def _not_sent(
        self, tx: Transaction, sending: Sending, communication: str, reason: str
    ) -> None:
        await attempt_rows.finish(tx, sending.attempt, "not-sent", None)
        current = await tx.get("Communication", communication, lock=True)
        if current is not None:
            await tx.put(not_done(current, reason), id_=communication)

    async def _code(self, tx: Transaction, claim: Claim, handset: Handset, page: _Page) -> str:
        patient = str(page.task["for"]["reference"]).partition("/")[2]
        owner = CodeOwner(incident_of(page.task), patient, handset.member, claim.subscription)
        code = await reply_code_rows.code_of(tx, handset.lookup, owner)
        if code is not None:
            return code
        return await issue_code(tx, self._token, handset.lookup, owner, tx.now + CODE_LIFETIME)

    def _words(self, handset: Handset, page: _Page, medium: Medium, code: str) -> str:
        urgency: Literal["PH", "PM"] = "PH" if urgency_of(page.task) == "PH" else "PM"
        who = audience(handset.member)
        if medium == "sms":
            return message.alarm_text(page.wanted.purpose, urgency, who, handset.language, code)
        return ""

    def _with_action(
        self, tx: Transaction, handset: Handset, page: _Page, sending: Sending
    ) -> Sending:
        """Return a call with its TwiML, which names the attempt the keys belong to."""
        if sending.medium == "sms":
            return sending
        urgency: Literal["PH", "PM"] = "PH" if urgency_of(page.task) == "PH" else "PM"
        alarm, keys = message.alarm_speech(
            page.wanted.purpose, urgency, audience(handset.member), handset.language
        )
        action = f"{self._webhooks}/{tx.tenant}/voice/{sending.attempt}"
        return replace(sending, text=twiml.call(alarm, keys, action, handset.language))

    def _again(
        self, tx: Transaction, handset: Handset, urgency: Priority, orphan: AttemptRow, text: str
    ) -> Sending:
        return Sending(
            attempt=orphan.id,
            medium="sms" if orphan.medium == "sms" else "voice",
            to=handset.number,
            text=text,
            callback=self._callback(tx, orphan.id),
            urgency=urgency,
            started=orphan.started,
            look_first=True,
            blindly=urgency == "PH" or tx.now - orphan.started >= AMBIGUOUS_WAIT,
        )

    async def _begin(
        self,
        tx: Transaction,
        claim: Claim,
        handset: Handset,
        text: str,
        medium: Medium,
        page: _Page | None,
        communication: str | None,
    ) -> Sending:
        patient = None
        if page is not None:
            patient = str(page.task["for"]["reference"]).partition("/")[2]
        attempt = UUID(tx.new_id(patient))
        await attempt_rows.begin(
            tx,
            NewAttempt(
                id=attempt,
                subscription=claim.subscription,
                epoch=claim.cursor.epoch,
                medium=medium,
                task=None if page is None else page.task_id,
                page=None if page is None else page.wanted.number,
                incident=None if page is None else incident_of(page.task),
                patient=patient,
                member=handset.member,
                communication=communication,
                phone_lookup=handset.lookup,
                detail=await tx.seal(patient, "attempt", text.encode()),
            ),
        )
        return Sending(
            attempt=attempt,
            medium=medium,
            to=handset.number,
            text=text,
            callback=self._callback(tx, attempt),
            urgency="PM" if page is None else urgency_of(page.task),
            started=tx.now,
            look_first=False,
            blindly=False,
        )

    def _callback(self, tx: Transaction, attempt: UUID) -> str:
        return f"{self._webhooks}/{tx.tenant}/status?attempt={attempt}"

    # Sending

    async def send(self, shipment: Sendings) -> Sendings:
        """See `ManagedChannel.send`."""
        done = await asyncio.gather(*(self._send(sending) for sending in shipment.sendings))
        return replace(shipment, sendings=tuple(done))

    async def _send(self, sending: Sending) -> Sending:
        if sending.look_first:
            try:
                known = await self._look_up(sending)
            except Unavailable:
                if not sending.blindly:
                    return replace(sending, result="ambiguous")
                known = None
            if known is not None:
                return replace(sending, result="handed-over", reference=known)
        try:
            reference = await self._hand_over(sending)
        except Refused as refusal:
            return replace(sending, result="refused", error=refusal.code)
        except Unavailable:
            return replace(sending, result="unavailable")
        return replace(sending, result="handed-over", reference=reference)

    async def _look_up(self, sending: Sending) -> str | None:
        if sending.medium == "sms":
            return await self._company.find_text(sending.to, sending.text, sending.started)
        return await self._company.find_call(sending.to, sending.started)

    async def _hand_over(self, sending: Sending) -> str:
        if sending.medium == "sms":
            return await self._company.text(sending.to, sending.text, sending.callback)
        return await self._company.call(sending.to, sending.text, sending.callback)

    # Results

    async def settle(self, tx: Transaction, claim: Claim, shipment: Sendings) -> Report:
        """See `ManagedChannel.settle`."""
        waiting = 0
        for sending in shipment.sendings:
            if sending.result == "handed-over":
                await self._handed_over(tx, sending)
            elif sending.result == "refused":
                await self._refused(tx, sending)
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
            reason="the telephone company does not take messages",
            draw=self._draw(),
        )

    async def _handed_over(self, tx: Transaction, sending: Sending) -> None:
        if not await attempt_rows.finish(tx, sending.attempt, "handed-over", sending.reference):
            return
        attempt = await attempt_rows.find(tx, sending.attempt)
        if attempt is None:
            return
        await self._receipts.handed_over(tx, attempt)
        self._story(
            "handed-over",
            medium=sending.medium,
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
                await self._receipts.refused(tx, attempt, "refused", sending.error)

    async def _unavailable(self, tx: Transaction, claim: Claim, sending: Sending) -> None:
        """Leave the attempt open, to be looked up; ring the next rung when this goes on."""
        failing_since = claim.cursor.failing_since or tx.now
        if tx.now - failing_since >= UNREACHED_AFTER:
            attempt = await attempt_rows.find(tx, sending.attempt)
            if attempt is not None:
                await self._receipts.not_arrived(tx, attempt, "provider-unavailable")


def _errand(claim: Claim) -> Literal["handshake", "event-notification"]:
    return "handshake" if claim.cursor.status == "requested" else "event-notification"


def _handed(claim: Claim, through: int) -> Handed:
    return Handed(claim.cursor.epoch, _errand(claim), claim.cursor.revision, through)
