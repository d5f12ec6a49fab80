"""Connections that POSTs travel on, and answers that count: kept, closed, bounded in time."""

import asyncio
import ssl
from collections.abc import Sequence

import pytest
import trustme

from subscriptions.channels import egress as egress_module
from subscriptions.channels.egress import Answer, Egress, EndpointFailed
from subscriptions.channels.names import Names
from tests.contract.receivers import Manner, certificate, http_receiver
from tests.contract.sending import ANYWHERE, NAME, ONLY_ONE, Stub, post, sending
from tests.patience import PATIENCE_SECONDS


async def test_a_connection_serves_the_same_name_at_the_same_address() -> None:
    stub = Stub([["127.0.0.1"]])
    async with http_receiver() as receiver, sending(stub=stub) as out:
        for _ in range(3):
            await post(out, receiver.url(NAME))
        assert receiver.connections == 1
        await post(out, receiver.url("other.example.org"))
        assert receiver.connections == 2
    assert len(stub.asked) == 4


async def test_a_connection_the_receiver_closed_is_not_used_again() -> None:
    async with http_receiver() as receiver, sending() as out:
        receiver.answer_headers = {"Connection": "close"}
        for _ in range(3):
            assert (await post(out, receiver.url())).status == 200
    assert receiver.connections == 3


async def test_a_kept_connection_that_broke_is_replaced() -> None:
    async with sending() as out:
        async with http_receiver() as receiver:
            port = receiver.port
            await post(out, receiver.url())
        async with http_receiver(port=port) as again:
            assert (await post(out, again.url())).status == 200


async def test_closing_leaves_nothing_open() -> None:
    async with http_receiver() as receiver:
        async with sending() as out:
            await post(out, receiver.url())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await receiver.left.wait()


async def test_connections_nobody_uses_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscriptions.channels.line.KEPT_SECONDS", 0.0)
    async with http_receiver() as receiver, sending() as out:
        await post(out, receiver.url())
        out._next_look = 0.0
        with pytest.raises(EndpointFailed):
            await post(out, "https://ehr.example.org:0/")
        await receiver.left.wait()
        assert out._kept == {}


# Answers


@pytest.mark.parametrize("status", [201, 204, 301, 307, 308, 400, 401, 404, 500, 503])
async def test_any_status_is_an_answer(status: int) -> None:
    async with http_receiver() as receiver, sending() as out:
        receiver.status = status
        assert (await post(out, receiver.url())).status == status


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        ("3600", 60.0),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:07 GMT", 7.0),
        ("Wednesday, 21-Oct-26 07:28:07 GMT", 7.0),
        ("Wed Oct 21 07:28:07 2026", 7.0),
        ("Wed, 21 Oct 2026 09:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", None),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
        ("soon", None),
    ],
)
async def test_the_pause_a_receiver_asks_for(header: str, seconds: float | None) -> None:
    """A date is one of the receiver's clock, which stands in its answer."""
    async with http_receiver() as receiver, sending() as out:
        receiver.status = 503
        receiver.answer_headers = {"Retry-After": header, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
        assert await post(out, receiver.url()) == Answer(503, seconds)


async def test_an_answer_counts_though_its_body_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(egress_module, "ANSWER_SECONDS", 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        await reader.read()  # until the sender goes
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with sending() as out:
        assert await post(out, url) == Answer(200)
    server.close()


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/9 nope\r\n\r\n", b""])
async def test_what_is_not_http_is_no_answer(nonsense: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(nonsense)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with sending() as out:
        with pytest.raises(EndpointFailed):
            await post(out, url)
    server.close()


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_time_is_bounded_with_tls_too(
    manner: Manner, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with (
        http_receiver(tls=certificate(authority, NAME)) as receiver,
        sending(ONLY_ONE, tls=trusting, stub=Stub([["127.0.0.1"]])) as out,
    ):
        receiver.manner = manner
        with pytest.raises(EndpointFailed, match="in time"):
            await post(out, receiver.url(NAME), 0.3)


async def test_a_tls_handshake_that_hangs_is_given_up_and_closed(
    trusting: ssl.SSLContext,
) -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        ended.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with sending(ONLY_ONE, tls=trusting, stub=Stub([["127.0.0.1"]])) as out:
        with pytest.raises(EndpointFailed, match="in time"):
            await post(out, f"https://{NAME}:{port}/", 0.2)
        await ended.wait()
    server.close()


async def test_a_name_server_that_hangs_holds_up_only_who_asks_about_that_name() -> None:
    import threading

    answer = threading.Event()
    questions: list[str] = []

    def look_up(host: str, _port: int) -> Sequence[str]:
        questions.append(host)
        if host == "hangs.example.org":
            answer.wait(20)
            raise OSError("no such name")
        return ["127.0.0.1"]

    names = Names(look_up)
    async with http_receiver() as receiver:
        out = Egress(ANYWHERE, resolver=names)
        for _ in range(3):
            with pytest.raises(EndpointFailed, match="in time"):
                await post(out, f"http://hangs.example.org:{receiver.port}/", 0.05)
        assert (await post(out, receiver.url("works.example.org"))).status == 200
        answer.set()
        await out.close()
    assert questions == ["hangs.example.org", "works.example.org"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while names._asked:  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.01)


async def test_a_name_that_does_not_exist_is_said() -> None:
    def look_up(_host: str, _port: int) -> Sequence[str]:
        import socket

        raise socket.gaierror(-2, "Name or service not known")

    async with asyncio.timeout(PATIENCE_SECONDS):
        out = Egress(ANYWHERE, resolver=Names(look_up))
        with pytest.raises(EndpointFailed, match="resolve"):
            await post(out, "http://nowhere.example.org/")
        await out.close()
