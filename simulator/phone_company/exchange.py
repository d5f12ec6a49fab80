"""The exchange: connects accounts, messages, calls and phones, and tells the account what happened.

Everything that leaves for the account's server (status callbacks, incoming messages, requests for
TwiML) is a signed form POST. Time and identifiers come from the caller.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import httpx
import structlog

from simulator.phone_company.answers import API, UNREACHABLE_HANDSET, rfc2822
from simulator.phone_company.events import EventLog
from simulator.phone_company.records import (
    Call,
    CallStatus,
    Faults,
    Message,
    MessageStatus,
    Phone,
)
from simulator.phone_company.signature import sign
from simulator.phone_company.twiml import (
    Gather,
    Hangup,
    Pause,
    Redirect,
    Reply,
    Say,
    TwimlError,
    read_twiml,
)

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
START_WORDS = frozenset({"START", "UNSTOP", "YES"})
_VERIFICATION = re.compile(
    r"\b(?:reply|responda|responde)\s+([A-Z0-9]{4,})\s+(?:to|para)\b", re.IGNORECASE
)
_ALERT = re.compile(r"\s*ALERT", re.IGNORECASE)
CALLBACK_TRIES = 3

log = structlog.get_logger("simulator.phone_company")


@dataclass(frozen=True, slots=True)
class Account:
    """The customer: its identifier, its token and the number it owns."""

    sid: str
    token: str
    number: str


def verification_code(body: str) -> str | None:
    """Return the code a person would send back to a verification message, None for any other."""
    if _ALERT.match(body):
        return None
    found = _VERIFICATION.search(body)
    return None if found is None else found.group(1)


class Exchange:
    """All phones and everything under way; every method runs on one event loop."""

    def __init__(
        self,
        account: Account,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], datetime],
        identifier: Callable[[str], str],
        inbound_url: str | None = None,
    ) -> None:
        """`identifier("SM")` makes a fresh message or call sid; `inbound_url` receives messages."""
        self.account = account
        self.faults = Faults()
        self.inbound_url = inbound_url
        self.events = EventLog(clock)
        self.phones: dict[str, Phone] = {}
        self.messages: dict[str, Message] = {}
        self.calls: dict[str, Call] = {}
        self._http = http
        self._clock = clock
        self._identifier = identifier
        self._tasks: set[asyncio.Task[None]] = set()
        self._call_tasks: dict[str, asyncio.Task[None]] = {}
        self._answered: dict[str, asyncio.Event] = {}
        self._pressed: dict[str, asyncio.Queue[str]] = {}

    def phone(self, number: str) -> Phone:
        """Return the phone with `number`; a number never heard of gets one."""
        return self.phones.setdefault(number, Phone(number))

    async def settle(self) -> None:
        """Wait until nothing is under way but calls that wait for a person."""
        while waiting := [t for t in self._tasks if t not in self._call_tasks.values()]:
            await asyncio.gather(*waiting)

    async def close(self) -> None:
        """Hang up every call and give up every callback."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Messages

    def accept_message(self, to: str, body: str, callback: str | None) -> Message:
        """Take a message from the account; delivery and its callbacks follow by themselves."""
        message = Message(
            self._identifier("SM"),
            self.account.sid,
            to,
            self.account.number,
            body,
            self._clock(),
            "queued",
            "outbound-api",
            callback,
        )
        self.messages[message.sid] = message
        if self.faults.strikes("drop_accepted"):
            self.events.add("message-dropped", to=to, sid=message.sid)
        else:
            self._start(self._deliver(message))
        return message

    async def _deliver(self, message: Message) -> None:
        phone = self.phone(message.to)
        faults = self.faults
        if faults.delay_s:
            await asyncio.sleep(faults.delay_s)
        now = self._clock()
        message.sent = message.updated = now
        receipts: list[MessageStatus] = ["sent"]
        if phone.reachable:
            receipts.append("delivered")
            phone.messages.append(message)
            self.events.add("message", to=message.to, name=phone.name, body=message.body)
        else:
            message.error_code = UNREACHABLE_HANDSET
            receipts.append("undelivered")
            self.events.add("undelivered", to=message.to, name=phone.name)
        message.status = receipts[-1]
        if faults.reorder_receipts:
            receipts.reverse()
        if faults.duplicate_receipts:
            receipts = [receipt for receipt in receipts for _ in range(2)]
        code = verification_code(message.body)
        if phone.reachable and phone.auto_verify and code is not None:
            self._start(self._answer_verification(phone, code))
        if message.callback is not None:
            for receipt in receipts:
                await self._post(message.callback, self._receipt(message, receipt))

    def _receipt(self, message: Message, status: MessageStatus) -> dict[str, str]:
        fields = {
            "AccountSid": message.account,
            "ApiVersion": API,
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": status,
            "SmsStatus": status,
            "To": message.to,
            "From": message.sender,
        }
        if message.error_code is not None and status in ("undelivered", "failed"):
            fields["ErrorCode"] = str(message.error_code)
        return fields

    async def _answer_verification(self, phone: Phone, code: str) -> None:
        await self.send_from_phone(phone, code)

    async def send_from_phone(self, phone: Phone, body: str) -> Message:
        """A person sends `body` to the account; what the server answers with TwiML comes back."""
        word = body.strip().upper()
        if word in STOP_WORDS:
            phone.stopped = True
        elif word in START_WORDS:
            phone.stopped = False
        message = Message(
            self._identifier("SM"),
            self.account.sid,
            self.account.number,
            phone.number,
            body,
            self._clock(),
            "received",
            "inbound",
        )
        self.messages[message.sid] = message
        phone.messages.append(message)
        self.events.add("reply", sender=phone.number, name=phone.name, body=body)
        if self.inbound_url is None:
            return message
        answer = await self._post(
            self.inbound_url,
            {
                "AccountSid": message.account,
                "ApiVersion": API,
                "MessageSid": message.sid,
                "SmsSid": message.sid,
                "SmsMessageSid": message.sid,
                "SmsStatus": "received",
                "From": phone.number,
                "To": self.account.number,
                "Body": body,
                "NumMedia": "0",
                "NumSegments": "1",
            },
        )
        for verb in self._verbs(answer):
            if isinstance(verb, Reply):
                back = self.accept_message(phone.number, verb.text, None)
                back.direction = "outbound-reply"
        return message

    # Calls

    def accept_call(self, to: str, fields: Mapping[str, str], events: tuple[str, ...]) -> Call:
        """Take a call order from the account; ringing and speaking follow by themselves."""
        call = Call(
            self._identifier("CA"),
            self.account.sid,
            to,
            self.account.number,
            self._clock(),
            url=fields.get("Url"),
            twiml=fields.get("Twiml"),
            callback=fields.get("StatusCallback"),
            callback_events=events or ("completed",),
            ring_s=float(fields.get("Timeout", "60")),
        )
        self.calls[call.sid] = call
        if self.faults.strikes("drop_accepted"):
            self.events.add("call-dropped", to=to, sid=call.sid)
            return call
        self._answered[call.sid] = asyncio.Event()
        self._pressed[call.sid] = asyncio.Queue()
        self._call_tasks[call.sid] = self._start(self._run_call(call))
        return call

    def answer(self, call: Call) -> bool:
        """Somebody picks up; False when the phone does not ring."""
        if call.status not in ("queued", "initiated", "ringing"):
            return False
        self._answered[call.sid].set()
        return True

    def press(self, call: Call, digits: str) -> bool:
        """Somebody presses keys; False when nobody is on the line."""
        if call.status != "in-progress":
            return False
        call.digits += digits
        self.events.add(
            "digits", sender=call.to, name=self.phone(call.to).name, digits=digits, sid=call.sid
        )
        for digit in digits:
            self._pressed[call.sid].put_nowait(digit)
        return True

    def hang_up(self, call: Call) -> bool:
        """Somebody ends or refuses the call; False when there is none."""
        task = self._call_tasks.get(call.sid)
        return task is not None and task.cancel()

    async def _run_call(self, call: Call) -> None:
        phone = self.phone(call.to)
        try:
            if self.faults.delay_s:
                await asyncio.sleep(self.faults.delay_s)
            await self._call_status(call, "initiated")
            if not phone.reachable:
                await self._call_status(call, "failed")
                return
            phone.calls.append(call)
            self.events.add("call", to=call.to, name=phone.name, sid=call.sid)
            await self._call_status(call, "ringing")
            if not await self._picked_up(call, phone):
                await self._call_status(call, "no-answer")
                return
            call.started = self._clock()
            await self._call_status(call, "in-progress")
            self.events.add("answered", to=call.to, name=phone.name, sid=call.sid)
            await self._speak(call)
            await self._call_status(call, "completed")
        except asyncio.CancelledError:
            self._start(self._call_status(call, "completed" if call.started else "busy"))
        except TwimlError as error:
            log.warning("call failed", sid=call.sid, error=str(error))
            await self._call_status(call, "failed")
        finally:
            call.listening = False
            self._call_tasks.pop(call.sid, None)

    async def _picked_up(self, call: Call, phone: Phone) -> bool:
        picked = self._answered[call.sid]
        wait_s = call.ring_s
        if phone.answer_after_s is not None and phone.answer_after_s <= call.ring_s:
            wait_s = phone.answer_after_s
        try:
            async with asyncio.timeout(wait_s):
                await picked.wait()
        except TimeoutError:
            return wait_s == phone.answer_after_s
        return True

    async def _speak(self, call: Call) -> None:
        base = call.url or ""
        document = call.twiml
        if document is None:
            document = await self._post(base, self._call_fields(call, "in-progress"))
            if document is None:
                raise TwimlError("the server gave nothing to say")
        while document is not None:
            document, base = await self._follow(call, document, base)

    async def _follow(self, call: Call, document: str | None, base: str) -> tuple[str | None, str]:
        """Speak one document; return the next one and its URL, or None at the end of the call."""
        for verb in read_twiml(document or ""):
            match verb:
                case Say(text):
                    self._said(call, text)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Redirect(url):
                    target = urljoin(base, url)
                    return await self._post(target, self._call_fields(call, "in-progress")), target
                case Gather():
                    digits = await self._gather(call, verb)
                    if digits:
                        target = urljoin(base, verb.action or "")
                        fields = self._call_fields(call, "in-progress") | {"Digits": digits}
                        return await self._post(target, fields), target
                case Hangup():
                    return None, base
                case Reply():
                    raise TwimlError("<Message> in a call")
        return None, base

    async def _gather(self, call: Call, gather: Gather) -> str:
        for prompt in gather.prompts:
            if isinstance(prompt, Say):
                self._said(call, prompt.text)
            else:
                await asyncio.sleep(prompt.seconds)
        keys = ""
        call.listening = True
        try:
            while gather.digits is None or len(keys) < gather.digits:
                async with asyncio.timeout(gather.timeout_s):
                    key = await self._pressed[call.sid].get()
                if key == gather.finish_key:
                    break
                keys += key
        except TimeoutError:
            return keys
        finally:
            call.listening = False
        return keys

    def _said(self, call: Call, text: str) -> None:
        call.said.append(text)
        self.events.add("said", to=call.to, name=self.phone(call.to).name, body=text, sid=call.sid)

    def _call_fields(self, call: Call, status: CallStatus) -> dict[str, str]:
        return {
            "AccountSid": call.account,
            "ApiVersion": API,
            "CallSid": call.sid,
            "CallStatus": status,
            "Direction": "outbound-api",
            "To": call.to,
            "Called": call.to,
            "From": call.sender,
            "Caller": call.sender,
        }

    async def _call_status(self, call: Call, status: CallStatus) -> None:
        call.status = status
        ended = status in ("completed", "no-answer", "busy", "failed")
        if ended:
            call.ended = self._clock()
            self.events.add("call-ended", to=call.to, sid=call.sid, status=status)
        # Twilio calls the first two "initiated" and "answered" and all endings "completed".
        event = "completed" if ended else "answered" if status == "in-progress" else status
        if call.callback is None or event not in call.callback_events:
            return
        fields = self._call_fields(call, status) | {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.callbacks_sent),
            "Timestamp": rfc2822(self._clock()) or "",
        }
        call.callbacks_sent += 1
        for _ in range(2 if self.faults.duplicate_receipts else 1):
            await self._post(call.callback, fields)

    # The way to the account's server

    def _verbs(self, answer: str | None) -> tuple[Any, ...]:
        try:
            return read_twiml(answer or "")
        except TwimlError as error:
            log.warning("the server's answer is no TwiML", error=str(error))
            return ()

    async def _post(self, url: str, fields: dict[str, str]) -> str | None:
        """POST a signed form; return the body of a 2xx answer, None when there was none."""
        signature = sign(self.account.token, url, fields.items())
        for attempt in range(CALLBACK_TRIES):
            try:
                answer = await self._http.post(
                    url, data=fields, headers={"X-Twilio-Signature": signature}
                )
            except httpx.HTTPError as error:
                log.info("the server is not reachable", url=url, error=str(error))
            else:
                if answer.is_success:
                    return answer.text
                log.info("the server refused", url=url, status=answer.status_code)
                if answer.status_code < 500:
                    return None
            await asyncio.sleep(0.2 * 2**attempt)
        self.events.add("callback-lost", url=url)
        return None

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
