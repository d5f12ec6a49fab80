"""Many endpoints on one port that cost little: a POST is noted with the moment it began, and read later.

A path begins with its disposition once `spoiled`: it answers late, or never. Spec: https://www.rfc-editor.org/rfc/rfc9112
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, cast

import httptools

Disposition = Literal["slow", "dead"]
SLOW_SECONDS: Final = 3.0
_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_OK_CLOSING: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Post:
    """One POST to `path`; `at` is when its first byte was read (s)."""

    path: str
    at: float
    body: bytes


class FastReceiver:
    """What arrived, in order. `spoiled`: how a path answers, when not at once."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[Post] = []
        self.spoiled: dict[str, Disposition] = {}
        self.connections: set[_Connection] = set()
        self.empty = asyncio.Event()
        self.empty.set()

    def took(self, connection: "_Connection", post: Post, *, keeps: bool) -> None:
        """Note a POST and answer it."""
        self.posts.append(post)
        disposition = self.spoiled.get(post.path)
        if disposition is None:
            connection.answer(keeps=keeps)
        elif disposition == "slow":
            asyncio.get_running_loop().call_later(
                SLOW_SECONDS, lambda: connection.answer(keeps=keeps)
            )


class _Connection(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, receiver: FastReceiver) -> None:
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._at = 0.0
        self._path = ""
        self._body: list[bytes] = []

    def answer(self, *, keeps: bool) -> None:
        """Answer 200."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(_OK if keeps else _OK_CLOSING)
        if not keeps:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._receiver.connections.add(self)
        self._receiver.empty.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        self._receiver.connections.discard(self)
        if not self._receiver.connections:
            self._receiver.empty.set()

    def cut(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.cut()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._at = time.time()
        self._path = ""
        self._body = []

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        self._path += url.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        post = Post(self._path, self._at, b"".join(self._body))
        self._receiver.took(self, post, keeps=self._parser.should_keep_alive())


@asynccontextmanager
async def listening() -> AsyncIterator[FastReceiver]:
    """Run a receiver on a free port of loopback."""
    receiver = FastReceiver()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(receiver), "127.0.0.1", 0, backlog=1024)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        for connection in list(receiver.connections):
            connection.cut()
        await receiver.empty.wait()
