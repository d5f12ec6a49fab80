"""Acts on what telephones send: answers to alarms, proofs of a number, STOP, START and HELP."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.core.incident_task import answer_communication, operator_task
from subscriptions.core.ladder_state import Answer
from subscriptions.core.message import AnswerText, Language, answer_text, language_of
from subscriptions.core.phone import e164
from subscriptions.core.reply import AnswerReply, CodeReply, Reply, WordReply, parse
from subscriptions.core.timing import MEANT_BY_A_LETTER
from subscriptions.core.verification import VerificationEvent, after
from subscriptions.response import messaging_consents
from subscriptions.response.ladders import Ladders
from subscriptions.response.story import Story
from subscriptions.store import attempt_rows, cursor_rows, inbound_rows, ladder_rows, session_rows
from subscriptions.store import reply_code_rows as codes
from subscriptions.store.attempt_rows import AttemptRow
from subscriptions.store.cursor_rows import PhoneSubscription
from subscriptions.store.reply_code_rows import CodeOwner

_SAME_ANSWER_SECONDS: Final = 60


class Replies:
    """Acts on messages and key presses, each once."""

    def __init__(self, ladders: Ladders, story: Story) -> None:
        """Hand answers to `ladders` and tell `story` about the rest."""
        self._ladders = ladders
        self._story = story

    async def text(self, tx: Transaction, sender: str, body: str, message: str) -> str:
        """Act on a text message and return the answer ("" for none).

        `sender` is the number it came from, vouched for by the provider's signature; `message` is
        the provider's id for it. A message seen before is answered as before and changes nothing.
        """
        return await self._once(tx, sender, parse(body), (message,))

    async def line_text(self, tx: Transaction, sender: str, body: str) -> str:
        """Act on a text message of a company that gives messages no id, as `text` does.

        The same answer from the same telephone counts once a minute, so that a message delivered
        again answers no later question. The words that switch messages off and on count each time.
        """
        reply = parse(body)
        if not isinstance(reply, AnswerReply):
            return await self._act(tx, sender, reply)
        minute = int(tx.now.timestamp() // _SAME_ANSWER_SECONDS)
        ids = [f"{sender}\x1f{reply.code}\x1f{reply.answer}\x1f{m}" for m in (minute, minute - 1)]
        return await self._once(tx, sender, reply, ids)

    async def _once(
        self, tx: Transaction, sender: str, reply: Reply, messages: Sequence[str]
    ) -> str:
        """Act unless one of `messages`, which are all of them this one, was answered before."""
        known = [await inbound_rows.begin(tx, message) for message in messages]
        answered = next((one for one in known if one is not None), None)
        answer = await self._act(tx, sender, reply) if answered is None else answered
        for message, before in zip(messages, known, strict=True):
            if before is None:
                await inbound_rows.answered(tx, message, answer)
        return answer

    async def _act(self, tx: Transaction, sender: str, reply: Reply) -> str:
        number = e164(sender)
        if number is None:
            return ""
        phone = codes.phone_lookup(tx, number)
        owners = await cursor_rows.at_phone(tx, phone)
        if not owners and not await codes.alarms_at(tx, phone):
            return ""
        code = reply.code if isinstance(reply, AnswerReply | CodeReply) else None
        language = await self._language(tx, phone, owners, code)
        text = await self._acted(tx, phone, owners, reply)
        is_off = bool(owners) and all(owner.status == "off" for owner in owners)
        if text is None or (is_off and not isinstance(reply, WordReply)):
            return ""  # whoever has switched messages off gets none, not even in answer
        return answer_text(text, language, code)

    async def _language(
        self, tx: Transaction, phone: int, owners: list[PhoneSubscription], code: str | None
    ) -> Language:
        """Return the language of whose code it is, else of the first who has this telephone."""
        owner = None if code is None else await codes.owner_of(tx, phone, code)
        known = [one for one in owners if owner and one.subscription == owner.subscription]
        return language_of(next((one.language for one in (*known, *owners)), None))

    async def _acted(
        self, tx: Transaction, phone: int, owners: list[PhoneSubscription], reply: Reply
    ) -> AnswerText | None:
        match reply:
            case WordReply("stop"):
                return await self._stopped(tx, owners)
            case WordReply("start"):
                return await self._started(tx, owners)
            case WordReply():
                return "help"
            case CodeReply(code):
                return await self._confirmed(tx, phone, code)
            case AnswerReply(code, answer):
                return await self._answered(tx, phone, code, answer)
        return "unclear"

    async def _answered(
        self, tx: Transaction, phone: int, code: str | None, answer: Answer
    ) -> AnswerText:
        if code is not None:
            owner = await codes.owner_of(tx, phone, code)
            if owner is None or owner.incident is None:
                return "unclear"
            return await self._to_ladder(tx, owner, answer)
        alarms = await codes.alarms_at(tx, phone)
        still_open = [
            alarm
            for alarm in alarms
            if alarm.incident is not None
            and (
                await ladder_rows.is_open(tx, alarm.incident)
                or await session_rows.is_tested(tx, alarm.patient, alarm.incident)
            )
        ]
        if not still_open:
            return "ended" if alarms else "unclear"
        lately = await attempt_rows.incidents_since(tx, phone, tx.now - MEANT_BY_A_LETTER)
        # Without its code a letter may be the late answer to an alarm that is over by now.
        if len(still_open) > 1 or lately - {still_open[0].incident}:
            return "which"
        return await self._to_ladder(tx, still_open[0], answer)

    async def _to_ladder(self, tx: Transaction, owner: CodeOwner, answer: Answer) -> AnswerText:
        if owner.incident is None:
            return "unclear"
        await self._record(tx, owner.incident, owner.member)
        return await self._ladders.replied(tx, owner.patient, owner.incident, owner.member, answer)

    async def _record(self, tx: Transaction, incident: UUID, member: str) -> None:
        """Keep that this person answered, beside the message they answered to."""
        last = await attempt_rows.last_message(tx, incident, member)
        if last is None or last.task is None:
            return
        task = await tx.get("Task", last.task)
        if task is not None:
            record = answer_communication(task, last.task, member, last.communication, tx.now)
            await tx.put(record)

    async def pressed(self, tx: Transaction, attempt: AttemptRow, answer: Answer) -> AnswerText:
        """Act on a key of the call, or a button of the link, that is `attempt`; return what to say."""
        if attempt.incident is None or attempt.member is None:
            return "unclear"
        await self._record(tx, attempt.incident, attempt.member)
        return await self._ladders.replied(
            tx, attempt.patient, attempt.incident, attempt.member, answer
        )

    async def _confirmed(self, tx: Transaction, phone: int, code: str) -> AnswerText:
        owner = await codes.owner_of(tx, phone, code)
        if owner is None or owner.incident is not None:
            return "unclear"
        await self._set_status(tx, owner.subscription, "confirmed")
        await messaging_consents.record(tx, owner.member, given=True)
        await codes.withdraw(tx, phone, owner)
        self._story("confirmed", subscription=owner.subscription, member=owner.member)
        return "confirmed"

    async def _stopped(self, tx: Transaction, owners: list[PhoneSubscription]) -> AnswerText | None:
        stopped = False
        for owner in owners:
            if await self._set_status(tx, owner.subscription, "stopped"):
                stopped = True
                await messaging_consents.record(tx, owner.member, given=False)
                await tx.put(operator_task(None, "contact-stopped", tx.now))
                self._story("stopped", subscription=owner.subscription, member=owner.member)
        return "stopped" if stopped else None

    async def _started(self, tx: Transaction, owners: list[PhoneSubscription]) -> AnswerText | None:
        on = False
        for owner in owners:
            event: VerificationEvent = "started" if owner.proven else "number-changed"
            changed = await self._set_status(tx, owner.subscription, event)
            if changed and owner.proven:
                await messaging_consents.record(tx, owner.member, given=True)
            on = on or owner.proven
        # A number nobody has proven is sent a code instead of a promise.
        return "started" if on else None

    async def _set_status(
        self, tx: Transaction, subscription: str, event: VerificationEvent
    ) -> bool:
        current = await tx.get("Subscription", subscription, lock=True)
        if current is None:
            return False
        status = after(current["status"], event)
        if status == current["status"] and event != "number-changed":
            return False
        await tx.put({**current, "status": status}, id_=subscription)
        return True
