"""The load generator's connection: every way an answer may come in, and none."""

import asyncio
import gzip
from typing import Any

import pytest

from conformance.load.rest.http import Answer, Connection, ConnectionLostError, Target

TARGET = Target("http://h:8080/fhir/", "secret")
PLAIN = b'HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 10\r\n\r\n{"id":"a"}'
CHUNKED = (
    b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n"
    b'4\r\n{"id\r\n6\r\n":"a"}\r\n0\r\n\r\n'
)
EMPTY = b"HTTP/1.1 204 No Content\r\netag: x\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True


def connected() -> tuple[Connection, Wire]:
    connection, wire = Connection(TARGET, asyncio.get_running_loop()), Wire()
    connection.connection_made(wire)
    return connection, wire


async def test_a_request_is_written_as_a_whole() -> None:
    connection, wire = connected()
    connection.request("POST", "/Patient", b"{}", more="prefer: return=minimal\r\n").cancel()
    connection.connection_lost(None)
    head, _, body = wire.written.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /fhir/Patient HTTP/1.1"
    assert body == b"{}"
    assert set(lines) == {
        b"host: h:8080",
        b"accept: application/json",
        b"accept-encoding: gzip",
        b"cache-control: no-cache",
        b"authorization: Bearer secret",
        b"content-type: application/json",
        b"content-length: 2",
        b"prefer: return=minimal",
    }


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [(PLAIN, 200, b'{"id":"a"}'), (CHUNKED, 201, b'{"id":"a"}'), (EMPTY, 204, b"")],
)
async def test_an_answer_may_come_in_any_pieces(text: bytes, status: int, body: bytes) -> None:
    connection, _ = connected()
    for size in range(1, len(text) + 1):
        waiting = connection.request("GET", "/x")
        for start in range(0, len(text), size):
            assert not waiting.done()
            connection.data_received(text[start : start + size])
        answer = waiting.result()
        assert (answer.status, answer.body) == (status, body)
    connection.connection_lost(None)


async def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(b'{"id":"a"}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    connection, _ = connected()
    waiting = connection.request("GET", "/x")
    connection.data_received(head + packed)
    assert waiting.result().json() == {"id": "a"}
    chunked = head.replace(b"content-length: %d" % len(packed), b"Transfer-Encoding: chunked")
    waiting = connection.request("GET", "/x")
    connection.data_received(chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed))
    assert waiting.result().json() == {"id": "a"}
    connection.connection_lost(None)


async def test_a_body_that_is_no_object_is_no_json() -> None:
    with pytest.raises(ValueError, match="line 1"):
        Answer(200, b"", b"nothing").json()


@pytest.mark.parametrize("come", [b"", PLAIN[:20], PLAIN[:-1], CHUNKED[:-2]])
async def test_a_lost_connection_is_told(come: bytes) -> None:
    connection, _ = connected()
    waiting = connection.request("GET", "/x")
    if come:
        connection.data_received(come)
    connection.connection_lost(None)
    with pytest.raises(ConnectionLostError):
        await waiting
    with pytest.raises(ConnectionLostError):
        connection.request("GET", "/x")


async def test_what_is_no_http_is_told() -> None:
    connection, wire = connected()
    waiting = connection.request("GET", "/x")
    connection.data_received(b"SSH-2.0-server ready\r\n\r\n")
    with pytest.raises(ConnectionLostError):
        await waiting
    assert wire.closed
    connection.connection_lost(None)
