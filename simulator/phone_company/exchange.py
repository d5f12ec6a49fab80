"""The exchange: connects accounts, messages, calls and phones, and tells the account what happened.

Everything that leaves for the account's server (status callbacks, incoming messages, requests for
TwiML) is a signed form POST. Time and identifiers come from the caller.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
import structlog

from simulator.phone_company.account_server import AccountServer
from simulator.phone_company.answers import API, UNREACHABLE_HANDSET
from simulator.phone_company.calling import Calling
from simulator.phone_company.events import EventLog
from simulator.phone_company.records import Account, Faults, Message, MessageStatus, Phone
from simulator.phone_company.twiml import Reply, TwimlError, read_twiml

STOP_WORDS = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
START_WORDS = frozenset({"START", "UNSTOP", "YES"})
_VERIFICATION = re.compile(
    r"\b(?:reply|responda|responde)\s+([A-Z0-9]{4,})\s+(?:to|para)\b", re.IGNORECASE
)
_ALERT = re.compile(r"\s*ALERT", re.IGNORECASE)

log = structlog.get_logger("simulator.phone_company")


# Tells the account what became of a message.
Report = Callable[[Message, MessageStatus], Awaitable[None]]


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
        phones: dict[str, Phone] | None = None,
    ) -> None:
        """`identifier("SM")` makes a fresh message or call sid; `inbound_url` receives messages.

        Companies that share `phones` serve the same people.
        """
        self.account = account
        self.faults = Faults()
        self.inbound_url = inbound_url
        # Where people's messages go instead, for an account that has no webhook.
        self.inbound: Callable[[Message], Awaitable[None]] | None = None
        self.events = EventLog(clock)
        self.server = AccountServer(account, http, self.events)
        self.phones: dict[str, Phone] = {} if phones is None else phones
        self.messages: dict[str, Message] = {}
        self.clock = clock
        self.identifier = identifier
        self.calling = Calling(self)
        self._tasks: set[asyncio.Task[None]] = set()

    def phone(self, number: str) -> Phone:
        """Return the phone with `number`; a number never heard of gets one."""
        return self.phones.setdefault(number, Phone(number))

    async def settle(self) -> None:
        """Wait until nothing is under way but calls that wait for a person."""
        while waiting := [t for t in self._tasks if not self.calling.is_ringing(t)]:
            await asyncio.gather(*waiting)

    async def close(self) -> None:
        """Hang up every call and give up every callback."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Messages

    def accept_message(self, to: str, body: str, report: Report | None) -> Message:
        """Take a message from the account; delivery and its reports follow by themselves."""
        message = Message(
            self.identifier("SM"),
            self.account.sid,
            to,
            self.account.number,
            body,
            self.clock(),
            "queued",
            "outbound-api",
        )
        self.messages[message.sid] = message
        if self.faults.strikes("drop_accepted"):
            self.events.add("message-dropped", to=to, sid=message.sid)
        else:
            self.start(self._deliver(message, report))
        return message

    async def _deliver(self, message: Message, report: Report | None) -> None:
        phone = self.phone(message.to)
        faults = self.faults
        if faults.delay_s:
            await asyncio.sleep(faults.delay_s)
        now = self.clock()
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
            self.start(self._answer_verification(phone, code))
        if report is not None and not faults.lose_receipts:
            for receipt in receipts:
                await report(message, receipt)

    def reports_to(self, callback: str) -> Report:
        """Return what reports on a message to the URL `callback`."""

        async def report(message: Message, status: MessageStatus) -> None:
            await self.server.post(callback, self._receipt(message, status))

        return report

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
            self.identifier("SM"),
            self.account.sid,
            self.account.number,
            phone.number,
            body,
            self.clock(),
            "received",
            "inbound",
        )
        self.messages[message.sid] = message
        phone.messages.append(message)
        self.events.add("reply", sender=phone.number, name=phone.name, body=body)
        if self.inbound is not None:
            await self.inbound(message)
            return message
        if self.inbound_url is None:
            return message
        answer = await self.server.post(
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

    def _verbs(self, answer: str | None) -> tuple[Any, ...]:
        try:
            return read_twiml(answer or "")
        except TwimlError as error:
            log.warning("the server's answer is no TwiML", error=str(error))
            return ()

    def start(self, work: Any) -> asyncio.Task[None]:
        """Run `work` beside everything else; `settle` waits for it."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
