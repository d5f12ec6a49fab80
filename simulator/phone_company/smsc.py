"""The same phone company spoken to by SMPP 3.4: a message centre, written from the specification.

https://smpp.org/SMPP_v3_4_Issue1_2.pdf. Messages of the account arrive as submit_sm, people's own
messages and delivery receipts leave as deliver_sm and are kept until the account has acknowledged
them. The faults are the exchange's: `refuse_429` answers ESME_RTHROTTLED, `error_after_accept` takes
the message and cuts the line, `slow_s` answers late, `offline` cuts every line and lets nobody in.
"""

import asyncio
import contextlib
import hmac
import ssl
import struct
from dataclasses import dataclass
from datetime import datetime

import structlog

from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Message, MessageStatus

SUBMIT_SM, DELIVER_SM, UNBIND, BIND_TRANSCEIVER, ENQUIRE_LINK = 0x04, 0x05, 0x06, 0x09, 0x15
BINDS = (0x01, 0x02, BIND_TRANSCEIVER)
RESPONSE, GENERIC_NACK = 0x80000000, 0x80000000
RINVCMDID, RINVBNDSTS, RSYSERR, RINVDSTADR = 0x03, 0x04, 0x08, 0x0B
RINVPASWD, RTHROTTLED = 0x0E, 0x58
MESSAGE_PAYLOAD, RECEIPTED_MESSAGE_ID, MESSAGE_STATE = 0x0424, 0x001E, 0x0427
RECEIPT = 0x04
_STATES: dict[MessageStatus, tuple[str, int]] = {
    "sent": ("ENROUTE", 1),
    "delivered": ("DELIVRD", 2),
    "undelivered": ("UNDELIV", 5),
    "failed": ("REJECTD", 8),
}
_PAUSE_S = 0.05
_DELIVERY_TRIES = 100
_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

log = structlog.get_logger("simulator.phone_company")


class BadPdu(ValueError):
    """The account sent what is no PDU."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submit_sm asks for."""

    to: str
    text: str
    wants_receipt: bool


class _Fields:
    """Reads the fields of a body one after the other."""

    def __init__(self, body: bytes) -> None:
        self._left = body

    def string(self) -> str:
        found, end, self._left = self._left.partition(b"\0")
        if not end:
            raise BadPdu("a string without an end")
        return found.decode("ascii")

    def octet(self) -> int:
        return self.octets(1)[0]

    def octets(self, count: int) -> bytes:
        found, self._left = self._left[:count], self._left[count:]
        if len(found) != count:
            raise BadPdu("a field is missing")
        return found

    def optional(self) -> dict[int, bytes]:
        found = {}
        while self._left:
            tag, length = struct.unpack(">HH", self.octets(4))
            found[tag] = self.octets(length)
        return found


def read_submit(body: bytes) -> Submitted:
    """Return what the body of a submit_sm says. Raises `BadPdu`."""
    fields = _Fields(body)
    fields.string()  # service type
    fields.octets(2)
    fields.string()  # the account's own number
    fields.octets(2)
    to = fields.string()
    fields.octets(3)
    fields.string()
    fields.string()
    registered = fields.octet()
    fields.octet()
    coding = fields.octet()
    fields.octet()
    text = fields.octets(fields.octet())
    text = text or fields.optional().get(MESSAGE_PAYLOAD, b"")
    return Submitted("+" + to.lstrip("+"), _decoded(text, coding), bool(registered & 1))


def _decoded(text: bytes, coding: int) -> str:
    if coding == 8:
        return text.decode("utf-16-be")
    return "".join(_GSM[octet] for octet in text)


def deliver(sequence: int, source: str, to: str, text: str, optional: dict[int, bytes]) -> bytes:
    """Return a deliver_sm; one with optional parameters is a delivery receipt."""
    coding, octets = 0, b""
    if set(text) <= set(_GSM):
        octets = bytes(_GSM.index(c) for c in text)
    else:
        coding, octets = 8, text.encode("utf-16-be")
    kind = RECEIPT if optional else 0
    body = b"\0\x01\x01" + source.lstrip("+").encode() + b"\0\x01\x01" + to.lstrip("+").encode()
    body += b"\0" + bytes((kind, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, len(octets))) + octets
    for tag, value in optional.items():
        body += struct.pack(">HH", tag, len(value)) + value
    return struct.pack(">IIII", 16 + len(body), DELIVER_SM, 0, sequence) + body


def receipt_text(message: Message, word: str, now: datetime) -> str:
    """Return a receipt in the words of the specification's appendix B."""
    done = "001" if word == "DELIVRD" else "000"
    return (
        f"id:{message.sid} sub:001 dlvrd:{done} submit date:{message.created:%y%m%d%H%M}"
        f" done date:{now:%y%m%d%H%M} stat:{word} err:000 text:"
    )


class _Session:
    """One line of the account."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.bound = False
        self.answers: dict[int, asyncio.Future[int]] = {}
        self._sequence = 0

    def next(self) -> int:
        self._sequence += 1
        return self._sequence

    def write(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        if not self.writer.is_closing():
            head = struct.pack(">IIII", 16 + len(body), command, status, sequence)
            self.writer.write(head + body)

    def cut(self) -> None:
        self.bound = False
        self.writer.close()
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the line was cut"))


class Smsc:
    """The message centre of one exchange; the account's sid and token are its way in."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.inbound = self._written
        self._sessions: list[_Session] = []
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("not started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def is_bound(self) -> bool:
        """Whether the account has a line open."""
        return any(session.bound for session in self._sessions)

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on loopback; port 0 is any free one."""
        self._server = await asyncio.start_server(self._line, "127.0.0.1", port, ssl=tls)

    async def stop(self) -> None:
        """Stop listening and cut every line."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def cut(self) -> None:
        """Cut every line, as a network does."""
        for session in self._sessions:
            session.cut()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(writer)
        self._sessions.append(session)
        try:
            while not self.exchange.faults.offline and await self._read(session, reader):
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            log.info("line ended")
        except BadPdu as error:
            log.warning("line cut", error=str(error))
        finally:
            session.cut()
            self._sessions.remove(session)
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, session: _Session, reader: asyncio.StreamReader) -> bool:
        """Act on the next PDU; return whether the line stays."""
        head = await reader.readexactly(16)
        length, command, status, sequence = struct.unpack(">IIII", head)
        if not 16 <= length <= 100_000:
            raise BadPdu("an impossible length")
        body = await reader.readexactly(length - 16)
        if self.exchange.faults.offline:
            return False
        if command & RESPONSE:
            self._answered(session, sequence, status)
            return True
        return await self._asked(session, command, sequence, body)

    def _answered(self, session: _Session, sequence: int, status: int) -> None:
        answer = session.answers.get(sequence)
        if answer is not None and not answer.done():
            answer.set_result(status)

    async def _asked(self, session: _Session, command: int, sequence: int, body: bytes) -> bool:
        """Act on a request; return whether the line stays."""
        answer = command | RESPONSE
        if command in BINDS:
            session.bound = self._let_in(body)
            system = b"simulator\0"
            session.write(answer, 0 if session.bound else RINVPASWD, sequence, system)
            return session.bound
        if command in (ENQUIRE_LINK, UNBIND):
            session.write(answer, 0, sequence)
            return command == ENQUIRE_LINK
        if command != SUBMIT_SM:
            session.write(GENERIC_NACK, RINVCMDID, sequence)
            return True
        if not session.bound:
            session.write(answer, RINVBNDSTS, sequence, b"\0")
            return True
        return await self._submit(session, answer, sequence, body)

    def _let_in(self, body: bytes) -> bool:
        fields = _Fields(body)
        account = self.exchange.account
        given = (fields.string().encode(), fields.string().encode())
        wanted = (account.sid.encode(), account.token.encode())
        return all(hmac.compare_digest(*pair) for pair in zip(given, wanted, strict=True))

    async def _submit(self, session: _Session, answer: int, sequence: int, body: bytes) -> bool:
        exchange = self.exchange
        asked = read_submit(body)
        if exchange.faults.strikes("refuse_429"):
            session.write(answer, RTHROTTLED, sequence, b"\0")
            return True
        if len(asked.to) < 8:
            session.write(answer, RINVDSTADR, sequence, b"\0")
            return True
        report = self._report if asked.wants_receipt else None
        message = exchange.accept_message(asked.to, asked.text, report)
        if exchange.faults.strikes("error_after_accept"):
            return False
        if exchange.faults.slow_s:
            exchange.start(self._late(session, answer, sequence, message))
            return True
        session.write(answer, 0, sequence, message.sid.encode() + b"\0")
        return True

    async def _late(self, session: _Session, answer: int, sequence: int, message: Message) -> None:
        await asyncio.sleep(self.exchange.faults.slow_s)
        session.write(answer, 0, sequence, message.sid.encode() + b"\0")

    async def _report(self, message: Message, status: MessageStatus) -> None:
        word, state = _STATES[status]
        optional = {
            RECEIPTED_MESSAGE_ID: message.sid.encode() + b"\0",
            MESSAGE_STATE: bytes((state,)),
        }
        text = receipt_text(message, word, self.exchange.clock())
        await self._deliver(message.to, text, optional)

    async def _written(self, message: Message) -> None:
        """A person wrote to the account."""
        await self._deliver(message.sender, message.body, {})

    async def _deliver(self, source: str, text: str, optional: dict[int, bytes]) -> None:
        """Hand something to the account until it has acknowledged it."""
        for _ in range(_DELIVERY_TRIES):
            session = next((one for one in self._sessions if one.bound), None)
            if session is not None and await self._delivered(session, source, text, optional):
                return
            await asyncio.sleep(_PAUSE_S)
        self.exchange.events.add("callback-lost", to=source)

    async def _delivered(
        self, session: _Session, source: str, text: str, optional: dict[int, bytes]
    ) -> bool:
        sequence = session.next()
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        session.answers[sequence] = answer
        account = self.exchange.account
        session.writer.write(deliver(sequence, source, account.number, text, optional))
        try:
            async with asyncio.timeout(10):
                return await answer == 0
        except (TimeoutError, ConnectionResetError):
            return False
        finally:
            del session.answers[sequence]
