"""Websockets byte by byte: a confirmation is the client's answer to the ping behind what was sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from fhirserver.rest.socket_connection import LINE, MAX_MESSAGE_BYTES, SocketConnection

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def taken(self) -> bytes:
        data = bytes(self.written)
        self.written.clear()
        return data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing is read from a test."""

    def resume_reading(self) -> None:
        """Nothing is read from a test."""


class Peer:
    """The client's side of one connection, without I/O, and the server's line to it."""

    def __init__(self) -> None:
        self.line: Any = None
        self.wire = Wire()
        self.client = ClientProtocol(parse_uri("ws://test/ws/subscriptions"))
        self.done = asyncio.Event()
        self.accepted = asyncio.Event()
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            log_config=None,
            ws_per_message_deflate=False,
            ws_max_size=MAX_MESSAGE_BYTES,
            lifespan="off",
        )
        config.load()
        self.server = SocketConnection(config, ServerState(), {})
        self.server.connection_made(self.wire)

    async def _app(self, scope: Any, receive: Receive, send: Send) -> None:
        self.line = scope["extensions"][LINE]
        await receive()
        await send({"type": "websocket.accept"})
        self.accepted.set()
        await self.done.wait()

    async def open(self) -> None:
        self.client.send_request(self.client.connect())
        self.to_server()
        async with asyncio.timeout(10):
            await self.accepted.wait()
        self.to_client()

    def to_server(self) -> None:
        for data in self.client.data_to_send():
            self.server.data_received(data)

    def to_client(self) -> list[Any]:
        self.client.receive_data(self.wire.taken())
        return self.client.events_received()

    async def end(self) -> None:
        self.done.set()
        if not self.server.disconnected:
            self.server.connection_lost(None)
        await asyncio.gather(*self.server.tasks)


@pytest.fixture
async def peer() -> Any:
    peer = Peer()
    await peer.open()
    yield peer
    await peer.end()


async def test_a_confirmation_waits_for_the_clients_pong(peer: Peer) -> None:
    confirmed = await peer.line.post("hello")
    assert not confirmed.done()
    message, ping = (one for one in peer.to_client() if isinstance(one, Frame))
    assert (message.opcode, bytes(message.data)) == (Opcode.TEXT, b"hello")
    assert ping.opcode is Opcode.PING
    peer.to_server()
    assert confirmed.done()
    assert not confirmed.cancelled()


async def test_one_pong_answers_every_ping_before_it(peer: Peer) -> None:
    first, second, third = [await peer.line.post("hello") for _ in range(3)]
    frames = [one for one in peer.to_client() if isinstance(one, Frame)]
    pings = [one for one in frames if one.opcode is Opcode.PING]
    list(peer.client.data_to_send())
    peer.client.send_pong(bytes(pings[1].data))
    peer.to_server()
    assert first.done()
    assert second.done()
    assert not third.done()


async def test_a_foreign_pong_confirms_nothing(peer: Peer) -> None:
    confirmed = await peer.line.post("hello")
    peer.client.send_pong(b"hello")
    peer.to_server()
    assert not confirmed.done()


async def test_what_was_not_confirmed_never_will_be_once_the_connection_is_gone(
    peer: Peer,
) -> None:
    confirmed = await peer.line.post("hello")
    await peer.end()
    assert confirmed.cancelled()
    with pytest.raises(ClientDisconnected):
        await peer.line.post("more")


async def test_after_closing_nothing_can_be_sent(peer: Peer) -> None:
    peer.line.shut(4409, "taken over")
    with pytest.raises(ClientDisconnected):
        await peer.line.post("more")
    peer.to_client()
    assert peer.client.close_rcvd is not None
    assert (peer.client.close_rcvd.code, peer.client.close_rcvd.reason) == (4409, "taken over")


async def test_a_client_that_answers_the_close_is_let_go_in_peace(peer: Peer) -> None:
    peer.line.shut(1001, "stop")
    peer.to_client()
    peer.to_server()
    assert peer.wire.closed
    assert not peer.wire.aborted


async def test_a_client_that_reads_nothing_is_cut_off(peer: Peer) -> None:
    peer.server.close_timeout = 0.0
    peer.line.shut(1013, "slow")
    assert not peer.wire.closed
    async with asyncio.timeout(10):
        while not peer.wire.aborted:  # noqa: ASYNC110 - a timer of the loop
            await asyncio.sleep(0)


async def test_closing_twice_says_it_once(peer: Peer) -> None:
    peer.line.shut(1001, "stop")
    peer.wire.taken()
    peer.line.shut(1013, "slow")
    assert peer.wire.taken() == b""


async def test_an_application_that_goes_on_sending_learns_that_nobody_is_there(peer: Peer) -> None:
    peer.line.shut(1013, "slow")
    with pytest.raises(ClientDisconnected):
        await peer.server.send({"type": "websocket.send", "text": "more"})


async def test_a_message_that_is_too_long_ends_the_socket(peer: Peer) -> None:
    peer.client.send_text(b"x" * 5000)
    peer.to_server()
    peer.to_client()
    assert peer.client.close_rcvd is not None
    assert peer.client.close_rcvd.code == 1009


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
async def test_messages_of_every_size_arrive_whole(peer: Peer, size: int) -> None:
    await peer.line.post("x" * size)
    message, ping = (one for one in peer.to_client() if isinstance(one, Frame))
    assert bytes(message.data) == b"x" * size
    assert ping.opcode is Opcode.PING


async def test_a_pong_that_comes_in_pieces_or_with_more_is_understood(peer: Peer) -> None:
    first, second = await peer.line.post("a"), await peer.line.post("b")
    peer.to_client()
    pongs = b"".join(peer.client.data_to_send())
    assert len(pongs) == 28
    peer.server.data_received(pongs[:5])
    assert not first.done()
    peer.server.data_received(pongs[5:])
    assert first.done()
    assert second.done()
