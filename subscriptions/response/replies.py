"""Acts on what telephones send: answers to alarms, proofs of a number, STOP, START and HELP."""

from fhirserver.kernel.ports import Transaction
from subscriptions.core.incident_task import answer_communication, operator_task
from subscriptions.core.ladder_state import Answer
from subscriptions.core.message import AnswerText, answer_text, language_of
from subscriptions.core.phone import e164
from subscriptions.core.reply import AnswerReply, CodeReply, Reply, WordReply, parse
from subscriptions.core.verification import VerificationEvent, after
from subscriptions.response.ladders import Ladders
from subscriptions.response.story import Story
from subscriptions.store import attempt_rows, cursor_rows, inbound_rows, ladder_rows
from subscriptions.store import reply_code_rows as codes
from subscriptions.store.attempt_rows import AttemptRow
from subscriptions.store.cursor_rows import PhoneSubscription
from subscriptions.store.reply_code_rows import CodeOwner


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
        known = await inbound_rows.begin(tx, message)
        if known is not None:
            return known
        answer = await self._act(tx, sender, parse(body))
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
        language = language_of(owners[0].language if owners else None)
        code = reply.code if isinstance(reply, AnswerReply | CodeReply) else None
        text = await self._acted(tx, phone, owners, reply)
        return "" if text is None else answer_text(text, language, code)

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
            and alarm.patient is not None
            and await ladder_rows.is_open(tx, alarm.patient, alarm.incident)
        ]
        if len(still_open) == 1:
            return await self._to_ladder(tx, still_open[0], answer)
        if still_open:
            return "which"
        return "ended" if alarms else "unclear"

    async def _to_ladder(self, tx: Transaction, owner: CodeOwner, answer: Answer) -> AnswerText:
        if owner.patient is None or owner.incident is None:
            return "unclear"
        await self._record(tx, owner)
        return await self._ladders.replied(tx, owner.patient, owner.incident, owner.member, answer)

    async def _record(self, tx: Transaction, owner: CodeOwner) -> None:
        """Keep that this person answered, beside the message they answered to."""
        if owner.incident is None:
            return
        last = await attempt_rows.last_message(tx, owner.incident, owner.member)
        if last is None or last.task is None:
            return
        task = await tx.get("Task", last.task)
        if task is not None:
            record = answer_communication(task, last.task, owner.member, last.communication, tx.now)
            await tx.put(record)

    async def key_pressed(self, tx: Transaction, attempt: AttemptRow, answer: Answer) -> AnswerText:
        """Act on a key pressed during the call `attempt` and return what to say."""
        if attempt.patient is None or attempt.incident is None or attempt.member is None:
            return "unclear"
        return await self._ladders.replied(
            tx, attempt.patient, attempt.incident, attempt.member, answer
        )

    async def _confirmed(self, tx: Transaction, phone: int, code: str) -> AnswerText:
        owner = await codes.owner_of(tx, phone, code)
        if owner is None or owner.incident is not None:
            return "unclear"
        await self._set_status(tx, owner.subscription, "confirmed")
        await codes.withdraw(tx, phone, owner)
        self._story("confirmed", subscription=owner.subscription, member=owner.member)
        return "confirmed"

    async def _stopped(self, tx: Transaction, owners: list[PhoneSubscription]) -> AnswerText | None:
        for owner in owners:
            if await self._set_status(tx, owner.subscription, "stopped"):
                await tx.put(operator_task(None, "contact-stopped", tx.now))
                self._story("stopped", subscription=owner.subscription, member=owner.member)
        return "stopped" if owners else None

    async def _started(self, tx: Transaction, owners: list[PhoneSubscription]) -> AnswerText | None:
        on = False
        for owner in owners:
            event: VerificationEvent = "started" if owner.proven else "number-changed"
            await self._set_status(tx, owner.subscription, event)
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
