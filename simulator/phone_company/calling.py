"""Calls: ringing, speaking TwiML, listening to keys, and telling the account how far they are."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urljoin

import structlog

from simulator.phone_company.account_server import AccountServer
from simulator.phone_company.answers import API, rfc2822
from simulator.phone_company.events import EventLog
from simulator.phone_company.records import Account, Call, CallStatus, Faults, Phone
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

log = structlog.get_logger("simulator.phone_company")


class Town(Protocol):
    """What calls need of the exchange they belong to."""

    account: Account
    faults: Faults
    events: EventLog
    server: AccountServer
    clock: Callable[[], datetime]
    identifier: Callable[[str], str]

    def phone(self, number: str) -> Phone:
        """Return the phone with `number`."""

    def start(self, work: Any) -> asyncio.Task[None]:
        """Run `work` beside everything else."""


class Calling:
    """Every call of one company."""

    def __init__(self, exchange: Town) -> None:
        self.calls: dict[str, Call] = {}
        self._exchange = exchange
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answered: dict[str, asyncio.Event] = {}
        self._pressed: dict[str, asyncio.Queue[str]] = {}

    def is_ringing(self, task: asyncio.Task[None]) -> bool:
        """Whether `task` is a call, which may wait for a person."""
        return task in self._tasks.values()

    def accept(self, to: str, fields: Mapping[str, str], events: tuple[str, ...]) -> Call:
        """Take a call order from the account; ringing and speaking follow by themselves."""
        call = Call(
            self._exchange.identifier("CA"),
            self._exchange.account.sid,
            to,
            self._exchange.account.number,
            self._exchange.clock(),
            url=fields.get("Url"),
            twiml=fields.get("Twiml"),
            callback=fields.get("StatusCallback"),
            callback_events=events or ("completed",),
            ring_s=float(fields.get("Timeout", "60")),
        )
        self.calls[call.sid] = call
        if self._exchange.faults.strikes("drop_accepted"):
            self._exchange.events.add("call-dropped", to=to, sid=call.sid)
            return call
        self._answered[call.sid] = asyncio.Event()
        self._pressed[call.sid] = asyncio.Queue()
        self._tasks[call.sid] = self._exchange.start(self._run_call(call))
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
        self._exchange.events.add(
            "digits",
            sender=call.to,
            name=self._exchange.phone(call.to).name,
            digits=digits,
            sid=call.sid,
        )
        for digit in digits:
            self._pressed[call.sid].put_nowait(digit)
        return True

    def hang_up(self, call: Call) -> bool:
        """Somebody ends or refuses the call; False when there is none."""
        task = self._tasks.get(call.sid)
        return task is not None and task.cancel()

    async def _run_call(self, call: Call) -> None:
        phone = self._exchange.phone(call.to)
        try:
            if self._exchange.faults.delay_s:
                await asyncio.sleep(self._exchange.faults.delay_s)
            await self._call_status(call, "initiated")
            if not phone.reachable:
                await self._call_status(call, "failed")
                return
            phone.calls.append(call)
            self._exchange.events.add("call", to=call.to, name=phone.name, sid=call.sid)
            await self._call_status(call, "ringing")
            if not await self._picked_up(call, phone):
                await self._call_status(call, "no-answer")
                return
            call.started = self._exchange.clock()
            await self._call_status(call, "in-progress")
            self._exchange.events.add("answered", to=call.to, name=phone.name, sid=call.sid)
            await self._speak(call)
            await self._call_status(call, "completed")
        except asyncio.CancelledError:
            self._exchange.start(self._call_status(call, "completed" if call.started else "busy"))
        except TwimlError as error:
            log.warning("call failed", sid=call.sid, error=str(error))
            await self._call_status(call, "failed")
        finally:
            call.listening = False
            self._tasks.pop(call.sid, None)

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
            document = await self._exchange.server.post(
                base, self._call_fields(call, "in-progress")
            )
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
                    return await self._exchange.server.post(
                        target, self._call_fields(call, "in-progress")
                    ), target
                case Gather():
                    digits = await self._gather(call, verb)
                    if digits:
                        target = urljoin(base, verb.action or "")
                        fields = self._call_fields(call, "in-progress") | {"Digits": digits}
                        return await self._exchange.server.post(target, fields), target
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
        self._exchange.events.add(
            "said", to=call.to, name=self._exchange.phone(call.to).name, body=text, sid=call.sid
        )

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
            call.ended = self._exchange.clock()
            self._exchange.events.add("call-ended", to=call.to, sid=call.sid, status=status)
        # Twilio calls the first two "initiated" and "answered" and all endings "completed".
        event = "completed" if ended else "answered" if status == "in-progress" else status
        if call.callback is None or event not in call.callback_events:
            return
        fields = self._call_fields(call, status) | {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.callbacks_sent),
            "Timestamp": rfc2822(self._exchange.clock()) or "",
        }
        call.callbacks_sent += 1
        for _ in range(2 if self._exchange.faults.duplicate_receipts else 1):
            await self._exchange.server.post(call.callback, fields)
