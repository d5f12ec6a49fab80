"""One HTTP connection as uvicorn runs it, with the plain answer made short: one head, one body, one write.

uvicorn looks at every header of every answer twice with regular expressions, writes head and body apart, and sets and
cancels a timer for each request. Nearly all answers are whole and carry the same dozen headers, so here a header line
is checked once and remembered, and the timer of an idle connection is only moved on. Whatever is not that plain
(pipelined requests, streamed answers, upgrades) goes the way of uvicorn.

Spec: https://asgi.readthedocs.io/en/latest/specs/www.html, https://www.rfc-editor.org/rfc/rfc9112
"""

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_BODILESS: Final = (204, 304)
# What says how the connection goes on is left to uvicorn.
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
_JOINED_BELOW: Final = 64 * 1024
# A request must arrive: its head within these seconds and bytes (the application refuses less, in words), all of it
# within the longer time. Who sends slower or without end only holds the connection.
HEAD_SECONDS: Final = 20.0
BODY_SECONDS: Final = 300.0
MAX_HEAD: Final = 512 * 1024
_LINES: Final = 1024


class Connection(HttpToolsProtocol):
    """A connection; the `http` setting of uvicorn."""

    _timer: asyncio.TimerHandle | None = None
    _idle_until: float | None = None
    # While a request arrives: until when, whether its head is here, and how long that is so far.
    _arrive_until: float | None = None
    _arriving = False
    _in_body = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Called by the event loop."""
        super().connection_made(transport)
        self._expect(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        super().data_received(data)
        if not self._arriving:
            self._arrive_until = None
        elif self._in_body:
            if self._head:
                self._head = 0
                self._expect(BODY_SECONDS)
        else:
            if not self._head:
                self._expect(HEAD_SECONDS)
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        super().on_message_begin()
        self._arriving, self._in_body, self._head = True, False, 0

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._arriving = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Start answering. Called by the parser."""
        # At least one, so that the time of the body begins.
        self._in_body, self._head = True, self._head or 1
        parser = self.parser
        before = cast("RequestResponseCycle | None", self.cycle)
        if (
            parser.should_upgrade()
            or self.limit_concurrency is not None
            or self.root_path
            or not (before is None or before.response_complete)
        ):
            super().on_headers_complete()
            return
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # as uvicorn fills it
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        self.cycle = _Cycle(
            self.scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def on_response_complete(self) -> None:
        """Go on with what waits, or be idle. Called by the answer."""
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        self._look_at(self._idle_until)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_until = None

    def _expect(self, seconds: float) -> None:
        """Give what arrives now so much time."""
        self._arrive_until = self.loop.time() + seconds
        self._look_at(self._arrive_until)

    def _look_at(self, moment: float) -> None:
        """Look then at the latest; earlier looks stay, and set the next one themselves."""
        if self._timer is not None and self._timer.when() > moment:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(moment, self._look)

    def _look(self) -> None:
        """Close when nothing came for too long; while a request is answered, its end sets the timer anew."""
        self._timer = None
        due = self._idle_until if self._arrive_until is None else self._arrive_until
        if due is None:
            return
        if self.loop.time() < due:
            self._timer = self.loop.call_at(due, self._look)
        elif self._arrive_until is None:
            self.timeout_keep_alive_handler()
        else:
            self.transport.abort()


class _Cycle(RequestResponseCycle):
    """One request and its answer, whose head waits for the body."""

    _head: "ASGISendEvent | None" = None

    async def send(self, message: "ASGISendEvent") -> None:
        """Called by the application."""
        if not self.response_started and message["type"] == "http.response.start":
            self._head = message
            self.response_started = True
            self.waiting_for_100_continue = False
            return
        if self._head is None:
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        head, self._head = self._head, None
        if not self._send_whole(head, message):
            self.response_started = False
            await super().send(head)
            await super().send(message)

    def _send_whole(self, head: Any, message: Any) -> bool:
        """Send a whole answer at once; False, with nothing sent, for one that is not plain."""
        if self.access_log or message["type"] != "http.response.body" or message.get("more_body"):
            return False
        status: int = head["status"]
        body: bytes = message.get("body", b"")
        is_head = self.scope["method"] == "HEAD"
        parts = [STATUS_LINE[status], *[_line(name, value) for name, value in self.default_headers]]
        length: bytes | None = None
        for name, value in head.get("headers", ()):
            line = _line(name, value)
            if not line:
                return False
            if name == b"content-length":
                length = value
            parts.append(line)
        if length is None:
            if body or not (is_head or status in _BODILESS):
                return False
        elif not is_head and (not length.isdigit() or int(length) != len(body)):
            return False
        parts.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        if not is_head and len(body) < _JOINED_BELOW:
            parts.append(body)
        self.transport.write(b"".join(parts))
        if not is_head and len(body) >= _JOINED_BELOW:
            self.transport.write(body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


@lru_cache(maxsize=_LINES)
def _line(name: bytes, value: bytes) -> bytes:
    """Return the line of a header, empty for one that uvicorn is to look at itself, broken ones included."""
    if (
        name in _FRAMING
        or name != name.lower()
        or HEADER_RE.search(name)
        or HEADER_VALUE_RE.search(value)
    ):
        return b""
    return b"%b: %b\r\n" % (name, value)
