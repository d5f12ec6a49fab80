"""One MLLP connection to a receiver: one message in flight, answers by their MSA-2, and what is said unasked.

An answer is awaited before the next message goes; that keeps the order. Whatever is no answer to what was asked, and
nothing a receiver may say by itself, breaks the connection: who is out of step is asked again on a new one.

Spec: HL7 Transport Specification: MLLP, Release 2; HL7 v2.6, 2.9.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from fhirserver.wire.hl7v2.alarm_status import AlarmStatus
from fhirserver.wire.hl7v2.charset import decode
from fhirserver.wire.hl7v2.delimiters import NotHl7
from fhirserver.wire.hl7v2.message import Message, read
from fhirserver.wire.hl7v2.mllp import Frame, FrameReader, framed
from subscriptions.core.hl7v2.answer import Answer, answer_of

LARGEST_ANSWER: Final = 64 * 1024
_CHUNK: Final = 16 * 1024
_REMEMBERED: Final = 64

# Takes what a message says of an alarm that a person acknowledged; returns what to send back, "" for nothing.
Heard = Callable[[AlarmStatus, Message], Awaitable[str]]

_log = structlog.get_logger("delivery")


class LineFailed(Exception):
    """The connection broke, or what came over it is no answer. The message says which, in our words."""


class MllpLine:
    """An open connection. Use it by one caller at a time, and close it when anything fails."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard
    ) -> None:
        """Send over `writer`; `heard` is told of alarms that somebody acknowledged."""
        self._reader = reader
        self._writer = writer
        self._heard = heard
        self._frames = FrameReader(LARGEST_ANSWER)
        self._awaited: tuple[str, asyncio.Future[Answer]] | None = None
        # A receiver may answer twice: that it has a message, and later what became of it.
        self._answered: deque[str] = deque(maxlen=_REMEMBERED)
        self._failure: LineFailed | None = None
        self._reading = asyncio.ensure_future(self._read())

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as this side knows."""
        return self._failure is None and not self._reading.done() and not self._writer.is_closing()

    async def ask(self, text: str, control_id: str) -> Answer:
        """Send the message `text` and return its answer. Raises `LineFailed`; waits for as long as it takes."""
        if self._failure is not None:
            raise self._failure
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._awaited = (control_id, answer)
        try:
            self._writer.write(framed(text.encode()))
            await self._writer.drain()
            return await answer
        except OSError as problem:
            raise LineFailed("the connection broke") from problem
        finally:
            self._awaited = None

    async def close(self) -> None:
        """Close it in any state; what is being heard is broken off."""
        self._reading.cancel()
        (problem,) = await asyncio.gather(self._reading, return_exceptions=True)
        if isinstance(problem, Exception):
            _log.error("an answer was not processed", problem=type(problem).__name__)
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        """Act on what comes until the connection ends or goes wrong."""
        try:
            while chunk := await self._reader.read(_CHUNK):
                await self._take(chunk)
        except LineFailed as problem:
            self._fail(problem)
        except OSError:
            _log.debug("a receiver broke its connection")
        finally:
            self._fail(LineFailed("the connection broke"))

    async def _take(self, chunk: bytes) -> None:
        for found in self._frames.feed(chunk):
            if not isinstance(found, Frame):
                raise LineFailed("the answer is not HL7 v2")
            await self._act(found.content)
        if self._frames.stray:
            raise LineFailed("the answer is not HL7 v2")

    async def _act(self, content: bytes) -> None:
        try:
            decoded = decode(content)
            message = read(decoded.text, decoded.codec)
        except NotHl7 as problem:
            raise LineFailed("the answer is not HL7 v2") from problem
        answer = answer_of(message)
        if answer is None:
            raise LineFailed("the answer acknowledges nothing")
        if answer.acknowledged is not None:
            await self._tell(answer.acknowledged, message)
        awaited = self._awaited
        if awaited is not None and answer.control_id == awaited[0]:
            self._answered.append(answer.control_id)
            if not awaited[1].done():
                awaited[1].set_result(answer)
        elif answer.acknowledged is None and answer.control_id not in self._answered:
            raise LineFailed("the answer is to another message")

    async def _tell(self, status: AlarmStatus, message: Message) -> None:
        reply = await self._heard(status, message)
        if reply and not self._writer.is_closing():
            self._writer.write(framed(reply.encode()))

    def _fail(self, why: LineFailed) -> None:
        self._failure = self._failure or why
        if self._awaited is not None and not self._awaited[1].done():
            self._awaited[1].set_exception(self._failure)
