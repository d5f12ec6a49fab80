"""What one telephone is sent now: the message that proves it, and the pages its Tasks ask for.

Each of them gets its attempt row here, in the transaction before anything is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Priority
from fhirserver.kernel.resource import Json
from subscriptions.channels.carriers import Carriers
from subscriptions.channels.sendings import Handset, Sending
from subscriptions.core import message, page_link, twiml
from subscriptions.core.care_team import audience
from subscriptions.core.carriage import Try, is_over, next_company
from subscriptions.core.incident_task import (
    PageInput,
    incident_of,
    is_simulated,
    not_done,
    page_of,
    patient_of,
    urgency_of,
)
from subscriptions.core.timing import (
    AMBIGUOUS_WAIT,
    CODE_LIFETIME,
    SMS_LIMIT,
    SMS_LIMIT_WINDOW,
    VERIFICATION_LIFETIME,
    Medium,
)
from subscriptions.response.pages import issue_code
from subscriptions.store import attempt_rows, event_rows, reply_code_rows
from subscriptions.store.attempt_rows import AttemptRow, NewAttempt
from subscriptions.store.cursor_rows import Claim
from subscriptions.store.reply_code_rows import CodeOwner

_OVER: Final = ("completed", "cancelled", "failed")
_BATCH: Final = 100
_TOO_MANY: Final = "rate-limited"
# How long a page that a company took and lost is worth another company.
_STILL_NEWS: Final = timedelta(minutes=10)
# A company that took something and fell silent is asked last for so long.
_MISTRUST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Our public URLs: `webhooks` for companies, `links` for people, None where texts have none."""

    webhooks: str
    links: str | None


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that is still wanted: its Task and what it asks for."""

    task_id: str
    task: Json
    wanted: PageInput

    @property
    def patient(self) -> str | None:
        return patient_of(self.task)

    @property
    def is_news(self) -> bool:
        """Return whether it is the first that this person hears of it in a round."""
        return self.wanted.purpose in ("alert", "recheck")

    @property
    def urgency(self) -> Literal["PH", "PM"]:
        return "PH" if urgency_of(self.task) == "PH" else "PM"


class Pager:
    """Words messages and calls and records that they begin.

    `send_simulated` lets test data reach the companies (demonstrations with a simulated one).
    """

    def __init__(
        self,
        *,
        carriers: Carriers,
        addresses: Addresses,
        token: Callable[[], str],
        send_simulated: bool,
    ) -> None:
        """Choose among `carriers`; `token` returns a fresh random reply code."""
        self._carriers = carriers
        self._addresses = addresses
        self._token = token
        self._send_simulated = send_simulated

    # Proving a number

    async def verification(self, tx: Transaction, claim: Claim, handset: Handset) -> list[Sending]:
        """Return the message that asks for proof of a number, [] when none is to be sent."""
        type_, _, id_ = handset.member.partition("/")
        member = await tx.get(type_, id_)
        if member is not None and is_simulated(member) and not self._send_simulated:
            return []
        owner = CodeOwner(None, None, handset.member, claim.subscription)
        code = await reply_code_rows.code_of(tx, handset.lookup, owner)
        if code is None:
            expires = tx.now + VERIFICATION_LIFETIME
            code = await issue_code(tx, self._token, handset.lookup, owner, expires)
        text = message.verification_text(handset.language, code)
        unfinished = await attempt_rows.unfinished(tx, claim.subscription)
        orphan = next((attempt for attempt in unfinished if attempt.task is None), None)
        if orphan is not None:
            return [self._again(tx, handset, "PM", orphan, text)]
        company = next_company(self._carriers.carrying("sms"), (), self._carriers.resting())
        if company is None:
            return []
        return [await self._begin(tx, claim, handset, company, "sms", text, None, None)]

    # Pages

    async def pages(
        self, tx: Transaction, claim: Claim, handset: Handset
    ) -> tuple[int, list[Sending]]:
        """Return the number of the last event looked at and what is to be sent for all of them.

        Pages that a company took and did not deliver are among them while they are news.
        """
        cursor = claim.cursor
        events = await event_rows.numbered(
            tx, claim.subscription, cursor.delivered_through, cursor.last_number, _BATCH
        )
        through = events[-1].number if events else cursor.delivered_through
        fresh = [event.focus_id for event in events]
        since = tx.now - _STILL_NEWS
        troubled = await attempt_rows.troubled_tasks(tx, claim.subscription, since)
        silent = await attempt_rows.unheard_companies(tx, tx.now - _MISTRUST)
        resting = silent | self._carriers.resting()
        sendings: list[Sending] = []
        for task_id in dict.fromkeys((*fresh, *troubled)):
            task = await tx.get("Task", task_id)
            wanted = None if task is None else page_of(task)
            if task is None or wanted is None or task["status"] in _OVER:
                continue
            if task_id in fresh or task["status"] == "requested":
                page = _Page(task_id, task, wanted)
                sendings += await self._page(tx, claim, handset, page, resting)
        return through, sendings

    async def _page(
        self,
        tx: Transaction,
        claim: Claim,
        handset: Handset,
        page: _Page,
        resting: frozenset[str],
    ) -> list[Sending]:
        before = await attempt_rows.of_page(
            tx, claim.subscription, page.task_id, page.wanted.number
        )
        code = await self._code(tx, claim, handset, page)
        found: list[Sending] = []
        for asked_for, communication in page.wanted.messages:
            medium = self._medium(asked_for, page)
            tried = [a for a in before if a.medium == medium and a.communication == communication]
            tries = [Try(attempt.company or "", attempt.fate) for attempt in tried]
            if is_over(tries):
                continue
            orphan = next((a for a in tried if a.outcome is None), None)
            if orphan is not None:
                text = self._words(tx, handset, page, medium, code, orphan.id)
                found.append(self._again(tx, handset, urgency_of(page.task), orphan, text))
                continue
            company = next_company(self._carriers.carrying(medium), tries, resting)
            withheld = "no-company" if company is None else None
            if withheld is not None and tries:
                continue
            sending = await self._begin(
                tx, claim, handset, company or "", medium, code, page, communication
            )
            withheld = withheld or await self._withheld(tx, handset, page, medium)
            if withheld is None:
                found.append(sending)
            elif withheld == _TOO_MANY and page.is_news and len(page.wanted.messages) == 1:
                # Nothing else tells this person: the next one must not wait for their answer.
                found.append(replace(sending, result="too-many"))
            else:
                await self._not_sent(tx, sending, communication, withheld)
        return found

    def _medium(self, asked_for: Medium, page: _Page) -> Medium:
        """Return what a message is sent as: a text where no company places calls."""
        only = all(medium == "voice" for medium, _ in page.wanted.messages)
        return "sms" if only and not self._carriers.carrying("voice") else asked_for

    async def _withheld(
        self, tx: Transaction, handset: Handset, page: _Page, medium: Medium
    ) -> str | None:
        """Return why a page is not sent, None when it is. The attempt itself is counted already."""
        if not self._send_simulated and await self._is_simulated(tx, page):
            return "test-data"
        if medium == "sms":
            since = tx.now - SMS_LIMIT_WINDOW
            if await attempt_rows.messages_since(tx, handset.lookup, since) > SMS_LIMIT:
                return _TOO_MANY
        return None

    async def _is_simulated(self, tx: Transaction, page: _Page) -> bool:
        """Return whether a page is about test data; a test page is real where its patient is."""
        if not is_simulated(page.task):
            return False
        if page.wanted.purpose != "test":
            return True
        patient = None if page.patient is None else await tx.get("Patient", page.patient)
        return patient is None or is_simulated(patient)

    async def _not_sent(
        self, tx: Transaction, sending: Sending, communication: str, reason: str
    ) -> None:
        await attempt_rows.finish(tx, sending.attempt, "not-sent", None)
        current = await tx.get("Communication", communication, lock=True)
        if current is not None:
            await tx.put(not_done(current, reason), id_=communication)

    async def _code(self, tx: Transaction, claim: Claim, handset: Handset, page: _Page) -> str:
        owner = CodeOwner(incident_of(page.task), page.patient, handset.member, claim.subscription)
        code = await reply_code_rows.code_of(tx, handset.lookup, owner)
        if code is not None:
            return code
        return await issue_code(tx, self._token, handset.lookup, owner, tx.now + CODE_LIFETIME)

    def _words(
        self, tx: Transaction, handset: Handset, page: _Page, medium: Medium, code: str, id_: UUID
    ) -> str:
        """Return the text, or the call's TwiML, which names the attempt its keys belong to."""
        purpose, who = page.wanted.purpose, audience(handset.member)
        if medium == "sms":
            link = self._link(tx, id_)
            return message.alarm_text(purpose, page.urgency, who, handset.language, code, link)
        alarm, keys = message.alarm_speech(purpose, page.urgency, who, handset.language)
        action = f"{self._addresses.webhooks}/{tx.tenant}/voice/{id_}"
        if message.offers_card(purpose, who):
            action += f"?menu={twiml.CARD_MENU}"
        return twiml.call(alarm, keys, action, handset.language)

    def _link(self, tx: Transaction, attempt: UUID) -> str | None:
        if self._addresses.links is None:
            return None
        seal = tx.blind(page_link.PURPOSE, page_link.sealed_text(tx.tenant, attempt))
        return f"{self._addresses.links}/{page_link.token(tx.tenant, attempt, seal)}"

    def _callback(self, tx: Transaction, attempt: UUID) -> str:
        return f"{self._addresses.webhooks}/{tx.tenant}/status?attempt={attempt}"

    # Attempts

    def passed_on(self, tx: Transaction, sending: Sending, attempt: UUID, company: str) -> Sending:
        """Return `sending` as the new attempt of another company."""
        text = sending.text.replace(str(sending.attempt), str(attempt))
        before, after = self._link(tx, sending.attempt), self._link(tx, attempt)
        if before is not None and after is not None:
            text = text.replace(before, after)
        return replace(
            sending,
            attempt=attempt,
            company=company,
            text=text,
            callback=self._callback(tx, attempt),
            started=tx.now,
            look_first=False,
            blindly=False,
            result="pending",
        )

    def _again(
        self, tx: Transaction, handset: Handset, urgency: Priority, orphan: AttemptRow, text: str
    ) -> Sending:
        return Sending(
            attempt=orphan.id,
            company=orphan.company or "",
            medium=orphan.medium,
            to=handset.number,
            text=text,
            callback=self._callback(tx, orphan.id),
            urgency=urgency,
            started=orphan.started,
            look_first=True,
            blindly=urgency == "PH" or tx.now - orphan.started >= AMBIGUOUS_WAIT,
            expects_receipt=orphan.task is not None,
        )

    async def _begin(
        self,
        tx: Transaction,
        claim: Claim,
        handset: Handset,
        company: str,
        medium: Medium,
        words: str,
        page: _Page | None,
        communication: str | None,
    ) -> Sending:
        """Record an attempt; `words` is the whole text, or the code of a page."""
        patient = None if page is None else page.patient
        attempt = UUID(tx.new_id(patient))
        text = words
        if page is not None:
            text = self._words(tx, handset, page, medium, words, attempt)
        await attempt_rows.begin(
            tx,
            NewAttempt(
                id=attempt,
                subscription=claim.subscription,
                epoch=claim.cursor.epoch,
                medium=medium,
                company=company,
                task=None if page is None else page.task_id,
                page=None if page is None else page.wanted.number,
                incident=None if page is None else incident_of(page.task),
                patient=patient,
                member=handset.member,
                communication=communication,
                phone_lookup=handset.lookup,
                detail=await tx.seal(patient, f"attempt|{attempt}", text.encode()),
            ),
        )
        return Sending(
            attempt=attempt,
            company=company,
            medium=medium,
            to=handset.number,
            text=text,
            callback=self._callback(tx, attempt),
            urgency="PM" if page is None else urgency_of(page.task),
            started=tx.now,
            look_first=False,
            blindly=False,
            expects_receipt=page is not None,
        )
