"""One websocket as uvicorn runs it, able to say when the client has what it was sent.

ASGI tells an application that bytes were handed to the network, not that they arrived: a process
that is killed, or a client that has gone, takes them along. A ping behind them tells it: RFC 6455
has every client answer, in order, and its library does so by itself. Offered to applications under
``fhirserver.line`` in the extensions of the scope (see `subscriptions.rest.websocket.Line`).

Spec: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2
"""

import asyncio
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

LINE: Final = "fhirserver.line"
# The longest message a client may send; a bind frame is a tenth of it.
MAX_MESSAGE_BYTES: Final = 4096
# Clients that are silently gone are noticed within the sum of these.
PING_INTERVAL_SECONDS: Final = 20.0
PING_TIMEOUT_SECONDS: Final = 20.0
_COUNT: Final = struct.Struct("!Q")
# Frames of RFC 6455, section 5.2: a whole text message, a ping of eight bytes, a masked pong of eight bytes.
_TEXT: Final = 0x81
_PING_HEAD: Final = b"\x89\x08"
_PONG_HEAD: Final = b"\x8a\x88"
_PONG_BYTES: Final = 14


class SocketConnection(WebSocketsSansIOProtocol):
    """A websocket; the `ws` setting of uvicorn."""

    def __init__(self, *args: Any, **named: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **named)
        self._count = 0
        self._unconfirmed: deque[tuple[bytes, asyncio.Future[None]]] = deque()

    async def post(self, text: str) -> "asyncio.Future[None]":
        """Send a message and a ping behind it, once the client has taken most of what was sent before.

        The future returned is done when the client has answered, and cancelled when it never will.
        Raises OSError when the connection has ended.
        """
        await self.writable.wait()
        if (
            self.close_sent
            or self.disconnected
            or self.transport.is_closing()
            or self.conn.state is not State.OPEN
        ):
            raise ClientDisconnected
        self._count += 1
        payload = _COUNT.pack(self._count)
        answered: asyncio.Future[None] = self.loop.create_future()
        self._unconfirmed.append((payload, answered))
        message = text.encode()
        self.transport.write(_head(len(message)) + message + _PING_HEAD + payload)
        return answered

    def shut(self, code: int, reason: str) -> None:
        """Send a close frame and be gone soon, also when the client reads nothing."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        try:
            self.conn.send_close(code, reason)
        except InvalidState:
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            # The client's own close frame is to be seen.
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    async def send(self, message: "ASGISendEvent") -> None:
        """Called by the application, which may not know yet that the connection has ended."""
        try:
            await super().send(message)
        except RuntimeError:
            if self.close_sent:
                raise ClientDisconnected from None
            raise

    def handle_connect(self, event: Request) -> None:
        """Called with the client's request, before the application runs."""
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[LINE] = self

    def data_received(self, data: bytes) -> None:
        """Called by the event loop. Answers to our pings are what comes most: they need no parser."""
        if (
            len(data) == _PONG_BYTES
            and data[:2] == _PONG_HEAD
            and self._answered(_unmasked(data[2:6], data[6:]))
        ):
            return
        super().data_received(data)

    def handle_pong(self, event: Frame) -> None:
        """Called with a pong."""
        if not self._answered(bytes(event.data)):
            super().handle_pong(event)

    def _answered(self, payload: bytes) -> bool:
        """Take `payload` as the answer to our ping with it and to every one before; False for none of ours."""
        if not any(payload == waiting for waiting, _ in self._unconfirmed):
            return False
        while self._unconfirmed:
            waiting, confirmed = self._unconfirmed.popleft()
            if not confirmed.done():
                confirmed.set_result(None)
            if waiting == payload:
                break
        return True

    def keepalive_timeout(self) -> None:
        """Called when a ping of uvicorn's own was not answered: such a client reads nothing either."""
        super().keepalive_timeout()
        if self.close_sent:
            self.loop.call_later(self.close_timeout, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        while self._unconfirmed:
            self._unconfirmed.popleft()[1].cancel()
        super().connection_lost(exc)


def _head(size: int) -> bytes:
    """Return what stands before a text message of `size` bytes, which the server sends unmasked."""
    if size < 126:
        return struct.pack("!BB", _TEXT, size)
    if size < 1 << 16:
        return struct.pack("!BBH", _TEXT, 126, size)
    return struct.pack("!BBQ", _TEXT, 127, size)


def _unmasked(mask: bytes, masked: bytes) -> bytes:
    return _COUNT.pack(int.from_bytes(mask * 2, "big") ^ int.from_bytes(masked, "big"))
