"""A sender over MLLP that loses nothing: what nobody answered is sent again, with the same MSH-10.

One message at a time, as order is kept. Spec: HL7 Transport Specification: MLLP, Release 2.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from simulator.hl7v2.messages import Spoken

_VT: Final = b"\x0b"
_FS: Final = b"\x1c"
_LONGEST_ANSWER: Final = 1 << 20
_ACCEPTED: Final = ("AA", "CA")


class UnansweredError(RuntimeError):
    """Nobody answered a message, however often it was sent; the message says where to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an MSA says: its code (AA, CA, AE, CE, AR or CR), and the whole answer."""

    code: str
    text: str

    @property
    def is_accepted(self) -> bool:
        """Whether the message is in the receiver's record."""
        return self.code in _ACCEPTED


class Caller:
    """Sends to one receiver; use it as an asynchronous context manager."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        answered_within_s: float = 10.0,
        pause_s: float = 0.2,
        attempts: int = 30,
    ) -> None:
        """Wait `answered_within_s` for each answer, and `pause_s` before a message is sent again, `attempts` times in all."""
        self._address = (host, port)
        self._answered_within_s = answered_within_s
        self._pause_s = pause_s
        self._attempts = attempts
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.resent = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    async def send(self, message: Spoken) -> Answer:
        """Return the answer to `message`; raises `UnansweredError` when there was none in all attempts."""
        for attempt in range(self._attempts):
            if attempt:
                self.resent += 1
                await asyncio.sleep(self._pause_s)
            try:
                async with asyncio.timeout(self._answered_within_s):
                    return await self._once(message)
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
                await self.hang_up()
        host, port = self._address
        raise UnansweredError(
            f"{host}:{port} did not answer {message.control_id} {self._attempts} times"
        )

    async def hang_up(self) -> None:
        """Close the connection; the next message opens another."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()

    async def _once(self, message: Spoken) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=_LONGEST_ANSWER)
        reader, writer = self._streams
        writer.write(_VT + message.content + _FS + b"\r")
        await writer.drain()
        while True:
            frame = await reader.readuntil(_FS)
            answer = _read(
                frame.rpartition(_VT)[2][:-1].decode(errors="replace"), message.control_id
            )
            if answer is not None:
                return answer


def _read(text: str, control_id: str) -> Answer | None:
    """Return the answer to `control_id` in `text`, None where it is one to something else."""
    for segment in text.split("\r"):
        fields = segment.split("|")
        if fields[0] == "MSA" and len(fields) > 2 and fields[2] == control_id:
            return Answer(fields[1], text)
    return None
