"""One keep-alive HTTP/1.1 connection, one request at a time: what it costs must not hide what the server does.

A general client library spends several times what an answer costs here; parsing is httptools' (the parser of Node).
"""

import asyncio
import gzip
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

import httptools
import orjson

ANSWER_SECONDS: Final = 120.0


class ConnectionLostError(OSError):
    """The server closed the connection before it had answered."""


@dataclass(slots=True)
class Answer:
    """An HTTP answer; `headers` have lower-case names."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> dict[str, object]:
        """Return the body, which must be a JSON object. Raises ValueError."""
        content = self.body
        if self.headers.get(b"content-encoding") == b"gzip":
            content = gzip.decompress(content)
        found: dict[str, object] = orjson.loads(content)
        return found


@dataclass(frozen=True, slots=True)
class Target:
    """A FHIR base URL, and a bearer token where the server wants one."""

    base: str
    token: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port. Raises ValueError for anything but http."""
        parts = urlsplit(self.base)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("the base URL begins with http://")
        return parts.hostname, parts.port or 80

    @property
    def path(self) -> str:
        """The path of the base URL, without a slash at its end."""
        return urlsplit(self.base).path.rstrip("/")

    def headers(self) -> bytes:
        """Return the lines every request has."""
        host, port = self.address
        lines = [
            f"host: {host}:{port}",
            "accept: application/json",
            "accept-encoding: gzip",
            "cache-control: no-cache",
        ]
        if self.token:
            lines.append(f"authorization: Bearer {self.token}")
        return "".join(line + "\r\n" for line in lines).encode()


class Connection(asyncio.Protocol):
    """A connection to a `Target`, opened by `open`."""

    def __init__(self, target: Target) -> None:
        """Speak to `target`, once connected."""
        self._prefix = target.path
        self._headers = target.headers()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._chunks: list[bytes] = []
        self._waiting: asyncio.Future[Answer] | None = None

    @classmethod
    async def open(cls, target: Target) -> Self:
        """Return a connected one. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: cls(target), *target.address)
        return protocol

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        more: str = "",
    ) -> Answer:
        """Return the answer to `method` on `path` below the base URL.

        `more` are further header lines, each ended by CRLF. Raises `ConnectionLostError`, and TimeoutError after
        two minutes.
        """
        transport = self._transport
        if transport is None:
            raise ConnectionLostError("the server closed the connection")
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n".encode() + self._headers
        if body:
            head += f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n".encode()
        self._waiting = asyncio.get_running_loop().create_future()
        transport.write(head + more.encode() + b"\r\n" + body)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._waiting

    def close(self) -> None:
        """Close; nothing more can be asked."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionLostError(f"not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        self._fail(ConnectionLostError(str(exc or "the server closed the connection")))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._answer = Answer()
        self._chunks = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._answer.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._answer.status = self._parser.get_status_code()
        self._answer.body = b"".join(self._chunks)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._answer)

    def _fail(self, error: OSError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
