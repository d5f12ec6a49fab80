"""HTTP connections byte by byte: whole answers at once, everything else as uvicorn does it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from fhirserver.rest import connection as connection_module
from fhirserver.rest.connection import MAX_HEAD, Connection

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
DATE = (b"date", b"Fri, 21 Nov 2025 15:00:00 GMT")


class Wire(asyncio.Transport):
    """Keeps what is written, one item a write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.news = asyncio.Event()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self.news.set()

    def close(self) -> None:
        self.closed = True
        self.news.set()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing is read from a test."""

    def resume_reading(self) -> None:
        """Nothing is read from a test."""

    @property
    def text(self) -> bytes:
        return b"".join(self.written)

    async def until(self, end: bytes) -> bytes:
        """Return everything written once it ends with `end`."""
        async with asyncio.timeout(10):
            while not self.text.endswith(end):
                self.news.clear()
                await self.news.wait()
        return self.text

    async def until_closed(self) -> None:
        async with asyncio.timeout(10):
            while not self.closed:
                self.news.clear()
                await self.news.wait()


def connected(app: Any, **options: Any) -> tuple[Connection, Wire]:
    """A connection to `app` as the server makes it."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", proxy_headers=False, **options
    )
    config.load()
    state = ServerState()
    state.default_headers = [DATE]
    connection, wire = Connection(config, state, {}), Wire()
    connection.connection_made(wire)
    return connection, wire


def answering(
    status: int, headers: list[tuple[bytes, bytes]], *bodies: bytes
) -> Callable[[Any, Receive, Send], Awaitable[None]]:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, body in enumerate(bodies):
            more = number + 1 < len(bodies)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return app


def asked(method: str = "GET", path: str = "/x", *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: h", *lines, "", "")).encode()


async def test_a_whole_answer_is_one_write() -> None:
    connection, wire = connected(answering(200, [(b"content-length", b"5")], b"hello"))
    connection.data_received(asked())
    await wire.until(b"hello")
    assert wire.written == [
        b"HTTP/1.1 200 OK\r\ndate: Fri, 21 Nov 2025 15:00:00 GMT\r\ncontent-length: 5\r\n\r\nhello"
    ]
    assert not wire.closed


async def test_a_large_body_follows_its_head() -> None:
    body = b"x" * 100_000
    connection, wire = connected(answering(200, [(b"content-length", b"100000")], body))
    connection.data_received(asked())
    await wire.until(b"\r\n\r\n" + body)
    assert wire.written[1] == body


async def test_the_scope_says_what_was_asked() -> None:
    scopes = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        content = (await receive())["body"]
        await answering(200, [(b"content-length", b"%d" % len(content))], content)(
            scope, receive, send
        )

    connection, wire = connected(app)
    connection.data_received(asked("POST", "/fhir/a%20b?c=%20d", "Content-Length: 3") + b"abc")
    await wire.until(b"\r\n\r\nabc")
    (scope,) = scopes
    assert scope["method"] == "POST"
    assert (scope["path"], scope["raw_path"]) == ("/fhir/a b", b"/fhir/a%20b")
    assert scope["query_string"] == b"c=%20d"
    assert scope["http_version"] == "1.1"
    assert (b"content-length", b"3") in scope["headers"]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_body_has_no_length(status: int) -> None:
    connection, wire = connected(answering(status, [(b"etag", b'W/"1"')], b""))
    connection.data_received(asked())
    text = await wire.until(b"\r\n\r\n")
    assert b"content-length" not in text
    assert b"transfer-encoding" not in text
    assert len(wire.written) == 1


async def test_head_is_answered_without_the_body() -> None:
    connection, wire = connected(answering(200, [(b"content-length", b"5")], b""))
    connection.data_received(asked("HEAD"))
    text = await wire.until(b"\r\n\r\n")
    assert b"content-length: 5\r\n" in text


async def test_an_answer_in_parts_comes_in_chunks() -> None:
    connection, wire = connected(answering(200, [], b"one", b"two"))
    connection.data_received(asked())
    text = await wire.until(b"0\r\n\r\n")
    assert b"transfer-encoding: chunked\r\n" in text
    assert text.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\x00b"])
async def test_a_header_that_would_be_two_is_never_sent(value: bytes) -> None:
    connection, wire = connected(
        answering(200, [(b"content-length", b"2"), (b"location", value)], b"ok")
    )
    connection.data_received(asked())
    await wire.until_closed()
    assert wire.text == b""


@pytest.mark.parametrize("length", [b"1", b"3", b"two"])
async def test_a_wrong_length_ends_the_connection(length: bytes) -> None:
    connection, wire = connected(answering(200, [(b"content-length", length)], b"ok"))
    connection.data_received(asked())
    await wire.until_closed()


async def test_requests_sent_together_are_answered_in_turn() -> None:
    begun: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        await asyncio.sleep(0)
        body = scope["path"].encode()
        await answering(200, [(b"content-length", b"%d" % len(body))], body)(scope, receive, send)

    connection, wire = connected(app)
    connection.data_received(asked("GET", "/1") + asked("GET", "/2") + asked("GET", "/3"))
    text = await wire.until(b"\r\n\r\n/3")
    assert begun == ["/1", "/2", "/3"]
    assert text.index(b"\r\n\r\n/1") < text.index(b"\r\n\r\n/2")


@pytest.mark.parametrize(
    "request_", [asked("GET", "/", "connection: close"), b"GET / HTTP/1.0\r\nhost: h\r\n\r\n"]
)
async def test_who_wants_no_more_is_let_go(request_: bytes) -> None:
    connection, wire = connected(answering(200, [(b"content-length", b"2")], b"ok"))
    connection.data_received(request_)
    text = await wire.until(b"ok")
    assert b"connection: close\r\n" in text
    assert wire.closed


async def test_an_answer_may_end_the_connection() -> None:
    connection, wire = connected(
        answering(200, [(b"content-length", b"2"), (b"connection", b"close")], b"ok")
    )
    connection.data_received(asked())
    text = await wire.until(b"ok")
    assert text.count(b"connection: close") == 1
    assert wire.closed


async def test_an_idle_connection_is_closed() -> None:
    connection, wire = connected(
        answering(200, [(b"content-length", b"2")], b"ok"), timeout_keep_alive=0
    )
    connection.data_received(asked())
    await wire.until(b"ok")
    await wire.until_closed()


async def test_a_connection_with_a_request_under_way_is_not_idle() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await answering(200, [(b"content-length", b"2")], b"ok")(scope, receive, send)

    connection, wire = connected(app, timeout_keep_alive=1000)
    connection.data_received(asked())
    await wire.until(b"ok")
    connection.data_received(asked("GET", "/slow"))
    connection._look()
    assert not wire.closed
    go_on.set()
    wire.written.clear()
    await wire.until(b"ok")
    connection._look()
    assert not wire.closed
    connection.connection_lost(None)


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /x HTTP/1.1\r\nhost: h\r\n", asked("POST", "/x", "content-length: 9") + b"{"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_request_that_does_not_arrive_in_time_ends_the_connection(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEAD_SECONDS", 0.0)
    monkeypatch.setattr(connection_module, "BODY_SECONDS", 0.0)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    connection, wire = connected(app)
    if begun:
        connection.data_received(begun)
    await wire.until_closed()
    connection.connection_lost(None)


async def test_dripping_does_not_buy_time(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, wire = connected(answering(200, [(b"content-length", b"2")], b"ok"))
    connection.data_received(b"GET /x HT")
    due = connection._arrive_until
    connection.data_received(b"TP/1.1\r\n")
    assert connection._arrive_until == due
    connection.data_received(b"\r\n")
    assert connection._arrive_until is None
    await wire.until(b"ok")
    connection.connection_lost(None)


async def test_a_head_without_end_is_not_kept() -> None:
    connection, wire = connected(answering(200, [(b"content-length", b"2")], b"ok"))
    connection.data_received(b"GET /x HTTP/1.1\r\n")
    line = b"x-filler: " + b"x" * 60_000 + b"\r\n"
    for _ in range(MAX_HEAD // len(line) + 1):
        assert not wire.closed
        connection.data_received(line)
    assert wire.closed
    assert not wire.written


async def test_a_shutdown_waits_for_the_answer() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await answering(200, [(b"content-length", b"2")], b"ok")(scope, receive, send)

    connection, wire = connected(app)
    connection.data_received(asked())
    connection.shutdown()
    assert not wire.closed
    go_on.set()
    text = await wire.until(b"ok")
    assert b"connection: close\r\n" in text
    assert wire.closed


async def test_who_left_is_not_answered() -> None:
    go_on, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await answering(200, [(b"content-length", b"2")], b"ok")(scope, receive, send)
        done.set()

    connection, wire = connected(app)
    connection.data_received(asked())
    await asyncio.sleep(0)
    connection.connection_lost(None)
    go_on.set()
    async with asyncio.timeout(10):
        await done.wait()
    assert wire.written == []


async def test_what_is_no_http_is_refused() -> None:
    connection, wire = connected(answering(200, [], b""))
    connection.data_received(b"\x16\x03\x01 no http\r\n\r\n")
    assert wire.text.startswith(b"HTTP/1.1 400 ")
    assert wire.closed


async def test_a_body_is_asked_for_before_it_comes() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        content = (await receive())["body"]
        await answering(200, [(b"content-length", b"%d" % len(content))], content)(
            scope, receive, send
        )

    connection, wire = connected(app)
    connection.data_received(asked("POST", "/", "Expect: 100-continue", "Content-Length: 3"))
    await wire.until(b"HTTP/1.1 100 Continue\r\n\r\n")
    connection.data_received(b"abc")
    await wire.until(b"\r\n\r\nabc")
