"""One open SMPP connection: requests and their responses by sequence number, and what is heard.

A response that does not come in time, or a line that breaks, leaves a submit_sm ambiguous.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import structlog

from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.errors import Unavailable as StoreUnavailable
from subscriptions.channels.telephony import Refused, Unavailable
from subscriptions.core import smpp
from subscriptions.core.smpp import Header, Malformed

# Takes the PDU of a deliver_sm; returns the status it is answered with, after the commit.
Heard = Callable[[bytes], Awaitable[int]]

QUIET_SECONDS: Final = 20.0
ANSWER_SECONDS: Final = 10.0
_HEARD_AT_ONCE: Final = 16

_log = structlog.get_logger("telephony")


class Line:
    """A connection; bind it, then let `read` and `watch` run until one of them ends."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard
    ) -> None:
        """Speak over `writer` and let `heard` act on every deliver_sm."""
        self._reader = reader
        self._writer = writer
        self._heard = heard
        self._sequences = count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Header, bytes]]] = {}
        self._hearing: set[asyncio.Task[None]] = set()
        self._ended = False
        self._room = asyncio.Semaphore(_HEARD_AT_ONCE)

    async def bind(self, system_id: str, password: str) -> None:
        """Bind as transceiver. Raises `Unavailable` when we are not let in."""
        head, _ = await self._ask(lambda n: smpp.bind(system_id, password, n), ANSWER_SECONDS)
        if head.status != smpp.OK:
            raise Unavailable(f"bind answered {head.status:#x}", ambiguous=False)

    async def submit(self, sender: str, to: str, text: str, *, receipt: bool) -> str:
        """Send a text and return the centre's id. Raises `Refused` and `Unavailable`."""
        head, body = await self._ask(
            lambda n: smpp.submit(sender, to, text, n, receipt=receipt), ANSWER_SECONDS
        )
        if head.status in smpp.DEAD_NUMBER:
            raise Refused("dead-number")
        if head.status != smpp.OK:
            raise Unavailable(f"submit answered {head.status:#x}", ambiguous=False)
        return smpp.submitted(body)

    async def unbind(self) -> None:
        """Say goodbye; whoever does not answer is left."""
        with contextlib.suppress(Unavailable):
            await self._ask(lambda n: smpp.bare(smpp.UNBIND, n), 2.0)

    async def watch(self) -> None:
        """Ask now and then whether the other side lives; ends by `Unavailable` when it does not."""
        while True:
            await asyncio.sleep(QUIET_SECONDS)
            await self._ask(lambda n: smpp.bare(smpp.ENQUIRE_LINK, n), ANSWER_SECONDS)

    async def read(self) -> None:
        """Act on what comes until the other side ends it. Raises `Malformed` and OSError."""
        try:
            while True:
                try:
                    start = await self._reader.readexactly(smpp.HEADER)
                    head = smpp.header(start)
                    body = await self._reader.readexactly(head.length - smpp.HEADER)
                except asyncio.IncompleteReadError:
                    return
                if not await self._act(head, start, body):
                    return
        finally:
            self._give_up()

    async def close(self) -> None:
        """Close the connection; what is being acted on is finished first."""
        await asyncio.gather(*self._hearing, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _act(self, head: Header, start: bytes, body: bytes) -> bool:
        """Return whether to read on."""
        if head.command & smpp.RESPONSE:
            waiting = self._waiting.get(head.sequence)
            if waiting is not None and not waiting.done():
                waiting.set_result((head, body))
            return True
        if head.command == smpp.DELIVER_SM:
            await self._room.acquire()
            task = asyncio.ensure_future(self._hear(head, start + body))
            self._hearing.add(task)
            task.add_done_callback(self._done)
            return True
        if head.command in (smpp.ENQUIRE_LINK, smpp.UNBIND):
            self._write(smpp.bare(head.command | smpp.RESPONSE, head.sequence))
            return head.command == smpp.ENQUIRE_LINK
        self._write(smpp.bare(smpp.GENERIC_NACK, head.sequence, smpp.UNKNOWN_COMMAND))
        return True

    def _done(self, task: asyncio.Task[None]) -> None:
        self._hearing.discard(task)
        self._room.release()
        if not task.cancelled() and (problem := task.exception()) is not None:
            # Unanswered, so that the centre delivers it again.
            _log.error("deliver_sm failed", exc_info=problem)

    async def _hear(self, head: Header, pdu: bytes) -> None:
        try:
            status = await self._heard(pdu)
        except Malformed:
            _log.warning("unreadable deliver_sm")
            status = smpp.REJECTED
        except (Conflict, StoreUnavailable):
            status = smpp.TRY_LATER
        self._write(smpp.answered(head.sequence, status))

    async def _ask(self, request: Callable[[int], bytes], seconds: float) -> tuple[Header, bytes]:
        if self._ended:
            raise Unavailable("the line is broken", ambiguous=False)
        sequence = next(self._sequences)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            self._write(request(sequence))
            async with asyncio.timeout(seconds):
                await self._writer.drain()
                found: tuple[Header, bytes] = await answer
                return found
        except TimeoutError as problem:
            raise Unavailable("no answer in time", ambiguous=True) from problem
        except OSError as problem:
            raise Unavailable("the line broke", ambiguous=True) from problem
        finally:
            del self._waiting[sequence]

    def _write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def _give_up(self) -> None:
        self._ended = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("the line broke", ambiguous=True))
