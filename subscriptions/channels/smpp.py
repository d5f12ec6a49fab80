"""A telephone company that speaks SMPP 3.4 (`core.smpp`): one open line for both ways, texts only.

The line is bound as transceiver as long as `Smpp.serve` runs, and bound again when it breaks. What a
person writes and what became of a message is acknowledged after our commit, never before: a centre
that hears nothing, or "try later", delivers it again. SMPP finds no message by its text, so what was
sent when the line broke cannot be looked up.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from subscriptions.channels.smpp_line import Heard, Line
from subscriptions.channels.telephony import Inbound, Refused, Unavailable
from subscriptions.core import smpp
from subscriptions.core.smpp import Malformed, Receipt
from subscriptions.core.timing import Medium

_CONNECT_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
# A receipt can overtake the answer to the message it is about.
_PATIENCE: Final = (0.1, 0.3, 1.0, None)

_log = structlog.get_logger("telephony")


@dataclass(frozen=True, slots=True)
class SmppAccount:
    """A message centre and who we are there; `number` is what people see. `tls` None: plain TCP."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    number: str
    name: str
    tls: ssl.SSLContext | None = None


class Smpp:
    """Implements `TelephoneCompany` for one account while `serve` runs."""

    carries: frozenset[Medium] = frozenset(("sms",))

    def __init__(self, account: SmppAccount) -> None:
        """Connect to `account` once served."""
        self._account = account
        self._line: Line | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """See `TelephoneCompany.name`."""
        return self._account.name

    @property
    def is_open(self) -> bool:
        """Whether texts can be sent now."""
        return self._line is not None

    async def text(self, to: str, body: str, callback: str) -> str:
        """See `TelephoneCompany.text`; reports come over the line, not to `callback`."""
        if self._line is None:
            raise Unavailable("no line to the message centre", ambiguous=False)
        return await self._line.submit(self._account.number, to, body, receipt=True)

    async def call(self, to: str, document: str, callback: str) -> str:
        """SMPP carries no calls."""
        raise Unavailable("SMPP carries no calls", ambiguous=False)

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        """SMPP asks about messages by the centre's id only."""
        raise Unavailable("SMPP finds no message by its text", ambiguous=False)

    async def find_call(self, to: str, since: datetime) -> str | None:
        """SMPP carries no calls."""
        return None

    async def close(self) -> None:
        """The line ends with `serve`."""

    async def serve(self, inbound: Inbound, stop: asyncio.Event) -> None:
        """Keep the line bound until `stop` is set."""
        pause = _FIRST_PAUSE
        while not stop.is_set():
            try:
                await self._serve_once(inbound, stop)
                pause = _FIRST_PAUSE
            except (OSError, TimeoutError, Malformed, Unavailable) as problem:
                _log.warning("no line", company=self.name, reason=type(problem).__name__)
                pause = min(pause * 2, _LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _serve_once(self, inbound: Inbound, stop: asyncio.Event) -> None:
        """Bind, and serve until either side ends it."""
        account = self._account
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                account.host, account.port, ssl=account.tls
            )
        line = Line(reader, writer, self._heard(inbound))
        reading = asyncio.ensure_future(line.read())
        stopping = asyncio.ensure_future(stop.wait())
        watching = asyncio.ensure_future(line.watch())
        tasks = (reading, stopping, watching)
        try:
            await line.bind(account.system_id, account.password)
            _log.info("line bound", company=self.name)
            self._line = line
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping in done:
                await asyncio.gather(*self._answering)
                await line.unbind()
            self._line = None
            for task in done - {stopping}:
                task.result()
        finally:
            self._line = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await line.close()

    def _heard(self, inbound: Inbound) -> Heard:
        async def heard(pdu: bytes) -> int:
            told = smpp.delivered(pdu)
            if isinstance(told, Receipt):
                await self._reported(inbound, told)
            elif told is not None:
                answer = await inbound.message(told.sender, told.text)
                if answer:
                    # After the acknowledgement: a centre may take nothing before it.
                    task = asyncio.ensure_future(self._answer(told.sender, answer))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
            return smpp.OK

        return heard

    async def _reported(self, inbound: Inbound, told: Receipt) -> None:
        for pause in _PATIENCE:
            for reference in smpp.references(told.reference):
                if await inbound.report(self.name, reference, told.status):
                    return
            if pause is not None:
                await asyncio.sleep(pause)
        _log.info("receipt of nothing we sent", company=self.name)

    async def _answer(self, to: str, text: str) -> None:
        try:
            if self._line is not None:
                await self._line.submit(self._account.number, to, text, receipt=False)
        except (Unavailable, Refused) as problem:
            _log.warning("answer not sent", company=self.name, reason=str(problem))
