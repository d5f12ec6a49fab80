"""One MLLP connection of a sender that loses nothing: what nobody answered is sent again with the same MSH-10.

Spec: HL7 Transport Specification: MLLP, Release 2.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

RETRY_SECONDS: Final = 0.1
# Longer than any server takes to come back.
GIVE_UP_SECONDS: Final = 300.0
_END: Final = b"\x1c\r"


class UnansweredError(RuntimeError):
    """Nobody answered for minutes; the message says whom was asked."""


class Line:
    """Sends to `address`, one message at a time."""

    def __init__(self, address: tuple[str, int], *, answered_within_s: float = 15.0) -> None:
        """A message without an answer is sent again after `answered_within_s`, over a new connection."""
        self._address = address
        self.answered_within_s = answered_within_s
        self.new_socket: Callable[[], socket.socket] | None = None
        """Makes the sockets, where it matters where they are."""
        self.resent = 0
        self._wire: _Wire | None = None

    async def deliver(self, message: bytes, control_id: str) -> str:
        """Return the code of the answer to `message`. Raises `UnansweredError`."""
        about = b"|" + control_id.encode()
        begun = time.monotonic()
        while time.monotonic() - begun < GIVE_UP_SECONDS:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self.answered_within_s):
                    return await self._once(message, about)
            self.close()
            self.resent += 1
            await asyncio.sleep(RETRY_SECONDS)
        host, port = self._address
        raise UnansweredError(
            f"{host}:{port} did not answer {control_id} for {GIVE_UP_SECONDS:.0f} s"
        )

    def close(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _once(self, message: bytes, about: bytes) -> str:
        if self._wire is None:
            self._wire = await self._connected()
        return await self._wire.ask(message, about)

    async def _connected(self) -> "_Wire":
        loop = asyncio.get_running_loop()
        if self.new_socket is None:
            _, wire = await loop.create_connection(_Wire, *self._address)
            return wire
        sock = self.new_socket()
        try:
            await loop.sock_connect(sock, self._address)
        except BaseException:
            sock.close()
            raise
        _, wire = await loop.create_connection(_Wire, sock=sock)
        return wire


class _Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._about = b""
        self._answer: asyncio.Future[str] | None = None

    async def ask(self, message: bytes, about: bytes) -> str:
        """Return the code in the MSA about this message. Raises `ConnectionError` when the connection is lost."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._about = about
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"\x0b" + message + _END)
        return await self._answer

    def close(self) -> None:
        """Close it, whatever is still to be written."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while _END in self._held:
            frame, _, self._held = self._held.partition(_END)
            code, _, rest = frame.partition(b"\rMSA|")[2].partition(b"|")
            control_id = rest.partition(b"\r")[0].partition(b"|")[0]
            waiting = self._answer
            if b"|" + control_id == self._about and waiting is not None and not waiting.done():
                waiting.set_result(code.decode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the other end hung up"))
