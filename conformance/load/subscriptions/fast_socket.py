"""Websockets that cost little: a message is noted with the moment it came, pings are answered, nothing else.

A general client spends more on a message than the server does, and a thousand of them on one machine would be what is
measured. Spec: https://www.rfc-editor.org/rfc/rfc6455
"""

import asyncio
import base64
import secrets
import struct
import time
from typing import Final, Self, cast
from urllib.parse import urlsplit

_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
# Clients must mask; the mask of zeros changes nothing.
_MASKED: Final = 0x80
_MASK: Final = bytes(4)
_SHORT: Final = 126
_LONG: Final = 127


class FastSocket(asyncio.Protocol):
    """One websocket, opened by `open`; `messages` are (moment in s, text) in order."""

    def __init__(self, path: str, host: str) -> None:
        """Ask for `path` once connected."""
        self.messages: list[tuple[float, bytes]] = []
        self.closed: int | None = None
        self._host = host
        self._path = path
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_open = False

    @classmethod
    async def open(cls, url: str) -> Self:
        """Return an open one. Raises OSError when the server does not want it."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(
            lambda: cls(parts.path, f"{host}:{port}"), host, port
        )
        await socket._opened  # noqa: SLF001 - its own
        return socket

    def send(self, text: str) -> None:
        """Send a short message."""
        self._send(_TEXT, text.encode())

    def close(self) -> None:
        """Be gone, without a word."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            f"GET {self._path} HTTP/1.1",
            f"Host: {self._host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        )
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        if not self._opened.done():
            self._opened.set_exception(OSError("the server closed before the socket was open"))

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        now = time.time()
        self._received += data
        if not self._is_open and not self._answered():
            return
        while (frame := self._next()) is not None:
            code, content = frame
            if code == _TEXT:
                self.messages.append((now, content))
            elif code == _PING:
                self._send(_PONG, content)
            elif code == _CLOSE:
                self.closed = int.from_bytes(content[:2], "big") if len(content) >= 2 else 0
                self.close()

    def _answered(self) -> bool:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head.partition(b"\r\n")[0]:
            self._opened.set_exception(OSError(head.decode("latin-1").partition("\r\n")[0]))
            self.close()
            return False
        self._received, self._is_open = rest, True
        self._opened.set_result(None)
        return True

    def _next(self) -> tuple[int, bytes] | None:
        """Return the next whole frame, which the server sends unmasked and in one piece."""
        data = self._received
        if len(data) < 2:
            return None
        size, begin = data[1], 2
        if size == _SHORT:
            if len(data) < 4:
                return None
            size, begin = struct.unpack_from("!H", data, 2)[0], 4
        elif size == _LONG:
            if len(data) < 10:
                return None
            size, begin = struct.unpack_from("!Q", data, 2)[0], 10
        if len(data) < begin + size:
            return None
        self._received = data[begin + size :]
        return data[0] & 0xF, data[begin : begin + size]

    def _send(self, code: int, content: bytes) -> None:
        if self._transport is None:
            return
        head = (
            bytes((_FINAL | code, _MASKED | len(content)))
            if len(content) < _SHORT
            else struct.pack("!BBH", _FINAL | code, _MASKED | _SHORT, len(content))
        )
        self._transport.write(head + _MASK + content)
