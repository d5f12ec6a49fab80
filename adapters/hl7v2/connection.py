"""One MLLP connection: frames in, answers out, one message at a time and in order."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.hl7v2.intake import Intake
from adapters.hl7v2.sites import Peer
from fhirserver.kernel.errors import Unavailable
from fhirserver.wire.hl7v2.mllp import Found, Frame, FrameReader, Stray, TooLong, framed

_CHUNK: Final = 65536

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may do.

    `message`: bytes of a message. `idle`: seconds between messages. `pause`: seconds of silence within a message, and
    for taking an answer.
    """

    message: int
    idle: float
    pause: float = 30.0


class Connection:
    """Serves one peer until it leaves, is silent for too long, or `finish` is called."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        peer: Peer,
        intake: Intake,
        bounds: Bounds,
    ) -> None:
        """Read and write `streams`."""
        self._reader, self._writer = streams
        self._peer = peer
        self._intake = intake
        self._bounds = bounds
        self._frames = FrameReader(bounds.message)
        self._busy = False
        self._finishing = False
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve; whatever ends it, the connection is closed after."""
        self._task = asyncio.current_task()
        try:
            await self._serve()
        except (OSError, asyncio.IncompleteReadError) as loss:
            self._told("connection lost", cause=type(loss).__name__)
        except TimeoutError:
            self._told("connection was silent", inside=self._frames.is_inside)
        except Unavailable:
            # Whoever gets no answer sends again; AE would make some senders give up.
            self._told("the record cannot be reached, hanging up without an answer")
        finally:
            self._writer.close()

    def finish(self) -> None:
        """End after the answer to the message that is being processed, at once where there is none."""
        self._finishing = True
        if self._task is not None and not self._busy:
            self._task.cancel()

    async def _serve(self) -> None:
        while not self._is_ending():
            limit = self._bounds.pause if self._frames.is_inside else self._bounds.idle
            async with asyncio.timeout(limit):
                data = await self._reader.read(_CHUNK)
            if not data:
                if self._frames.is_inside:
                    self._told("connection ended within a message")
                return
            self._busy = True
            for found in self._frames.feed(data):
                await self._found(found)
                if self._is_ending():
                    return
            self._busy = False
            if self._frames.stray > self._bounds.message:
                self._told("this is not MLLP, hanging up")
                return

    async def _found(self, found: Found) -> None:
        match found:
            case Frame(content):
                answers = await self._intake.take(content, self._peer)
            case TooLong():
                answers = await self._intake.refuse_long(self._peer, self._bounds.message)
            case Stray(count):
                self._told("bytes outside a message", bytes=count)
                return
        for answer in answers:
            self._writer.write(framed(answer))
        if self._writer.transport.get_write_buffer_size():
            async with asyncio.timeout(self._bounds.pause):
                await self._writer.drain()

    def _is_ending(self) -> bool:
        return self._finishing

    def _told(self, what: str, **more: object) -> None:
        log.info(what, peer=self._peer.address, **more)
