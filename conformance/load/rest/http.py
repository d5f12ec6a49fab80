"""One keep-alive HTTP/1.1 connection, one request at a time: what it costs must not hide what the server does.

A general client library spends several times what an answer costs here. The head of an answer that says its length is
searched for that number and nothing else; any other answer goes through httptools (the parser of Node).

Spec: https://www.rfc-editor.org/rfc/rfc9112
"""

import asyncio
import re
import zlib
from dataclasses import dataclass
from typing import Final, Self, cast
from urllib.parse import urlsplit

import httptools
import orjson

ANSWER_SECONDS: Final = 120.0
_WATCH_SECONDS: Final = 5.0

_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
_PACKED: Final = re.compile(rb"\r\ncontent-encoding:[ \t]*gzip[ \t]*\r\n", re.IGNORECASE)
# Window bits that mean: a gzip wrapper.
_GZIP: Final = 31
# "HTTP/1.1 200": where the status stands.
_STATUS: Final = slice(9, 12)
_BODILESS: Final = (b"204", b"304")


class ConnectionLostError(OSError):
    """The server closed the connection before it had answered."""


@dataclass(slots=True)
class Answer:
    """An HTTP answer; `head` is everything before the body, as it came."""

    status: int
    head: bytes
    body: bytes

    def json(self) -> dict[str, object]:
        """Return the body, which must be a JSON object. Raises ValueError."""
        found: dict[str, object] = orjson.loads(self.content())
        return found

    def content(self) -> bytes:
        """Return the body, unpacked. Raises `zlib.error` for a broken one."""
        return zlib.decompress(self.body, _GZIP) if _PACKED.search(self.head) else self.body


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

    def __init__(self, target: Target, loop: asyncio.AbstractEventLoop) -> None:
        """Speak to `target`, once connected."""
        self._prefix = target.path
        self._after = " HTTP/1.1\r\n" + target.headers().decode()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._asked = 0.0
        self._waiting: asyncio.Future[Answer] | None = None
        self._received = b""
        # Where the head and the body end of the answer that has begun to come; 0: its head is not complete.
        self._head = self._end = 0
        self._parsed: _Parsed | None = None

    @classmethod
    async def open(cls, target: Target) -> Self:
        """Return a connected one. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: cls(target, loop), *target.address)
        return protocol

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        more: str = "",
    ) -> "asyncio.Future[Answer]":
        """Send `method` on `path` below the base URL and return the answer to come.

        `more` are further header lines, each ended by CRLF. Raises `ConnectionLostError`; so does the answer, also
        after two minutes without one.
        """
        transport = self._transport
        if transport is None:
            raise ConnectionLostError("the server closed the connection")
        head = f"{method} {self._prefix}{path}{self._after}{more}"
        if body:
            head += f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
        self._asked = self._loop.time()
        self._waiting = waiting = self._loop.create_future()
        transport.write(head.encode() + b"\r\n" + body)
        return waiting

    def close(self) -> None:
        """Close; nothing more can be asked."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        # uvloop's transports are of a family of their own.
        self._transport = cast("asyncio.Transport", transport)
        self._watch = self._loop.call_later(_WATCH_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._parsed is not None:
            self._parse(data)
            return
        if self._received:
            data = self._received + data
        if not self._end and not self._begun(data):
            return
        end = self._end
        if len(data) < end:
            self._received = data
            return
        answer = Answer(int(data[_STATUS]), data[: self._head], data[self._head : end])
        self._received, self._end = data[end:], 0
        self._answered(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        self._fail(ConnectionLostError(str(exc or "the server closed the connection")))

    def _begun(self, data: bytes) -> bool:
        """Return whether `data` holds a whole head, after noting where its answer ends."""
        found = data.find(_END)
        if found < 0:
            self._received = data
            return False
        self._head = found + len(_END)
        length = _LENGTH.search(data, 0, found + 2)
        if length is not None:
            self._end = self._head + int(length[1])
        elif data[_STATUS] in _BODILESS:
            self._end = self._head
        else:
            self._received = b""
            self._parsed = _Parsed()
            self._parse(data)
            return False
        return True

    def _parse(self, data: bytes) -> None:
        assert self._parsed is not None
        try:
            answer = self._parsed.feed(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionLostError(f"not HTTP: {error}"))
            self.close()
            return
        if answer is not None:
            self._parsed = None
            self._answered(answer)

    def _answered(self, answer: Answer) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)

    def _look(self) -> None:
        """Give up on an answer that takes too long; one timer for all requests costs none of them anything."""
        waits = self._waiting is not None and not self._waiting.done()
        if waits and self._loop.time() - self._asked > ANSWER_SECONDS:
            self._fail(ConnectionLostError(f"no answer within {ANSWER_SECONDS:.0f} s"))
            self.close()
            return
        self._watch = self._loop.call_later(_WATCH_SECONDS, self._look)

    def _fail(self, error: OSError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


class _Parsed:
    """An answer that does not say its length: in chunks, or without a body."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head: list[bytes] = []
        self._chunks: list[bytes] = []
        self._complete = False

    def feed(self, data: bytes) -> Answer | None:
        """Return the answer once it is complete. Raises `httptools.HttpParserError`."""
        self._parser.feed_data(data)
        if not self._complete:
            return None
        head = b"\r\n" + b"".join(self._head) + b"\r\n"
        return Answer(self._parser.get_status_code(), head, b"".join(self._chunks))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._head.append(name + b": " + value + b"\r\n")

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._complete = True
