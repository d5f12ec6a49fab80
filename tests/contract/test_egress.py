"""Where a POST may go and what it carries, over real connections: names, certificates, addresses, headers."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from subscriptions.channels import egress as egress_module
from subscriptions.channels.egress import Answer, Egress, EndpointFailed
from subscriptions.channels.names import Names
from subscriptions.channels.rest_hook import RestHook
from subscriptions.core.endpoint import EndpointPolicy
from tests.contract.receivers import Manner, http_receiver
from tests.contract.test_channels import parcel

ANYWHERE = EndpointPolicy(allow_insecure=True)
# As if 127.0.0.1 were an address of the internet, and everything else inside.
ONLY_ONE = EndpointPolicy(allow_insecure=False, networks=(ip_network("127.0.0.1/32"),))
NAME = "ehr.example.org"
JSON = "application/fhir+json"
SECRET = "a secret of thirty-two characters"


@dataclass
class Stub:
    """A name server that may say something else each time."""

    answers: list[Sequence[str]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def certificate(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@asynccontextmanager
async def sending(
    policy: EndpointPolicy = ANYWHERE,
    *,
    tls: ssl.SSLContext | None = None,
    stub: Stub | None = None,
) -> AsyncIterator[Egress]:
    out = Egress(policy, resolver=stub, tls=tls)
    try:
        async with asyncio.timeout(20):
            yield out
    finally:
        await out.close()


async def post(out: Egress, url: str, timeout_seconds: float = 5.0) -> Answer:
    return await out.post(url, [("X-A", "b")], b"{}", timeout_seconds)


# What is sent


async def test_the_request_as_it_arrives() -> None:
    async with http_receiver() as receiver, sending() as out:
        headers = [("Authorization", "Bearer t"), ("X-Team", "a"), ("X-Team", "b")]
        answer = await out.post(receiver.url(path="/a/b?c=d%20e"), headers, b"{}", 5)
    assert answer == Answer(200)
    (request,) = receiver.got
    assert request.path == "/a/b?c=d%20e"
    assert request.body == b"{}"
    assert request.headers == [
        ("Host", f"127.0.0.1:{receiver.port}"),
        *headers,
        ("Content-Length", "2"),
        ("User-Agent", "fhirserver"),
    ]


async def test_every_header_and_the_content_type_as_the_client_wrote_them() -> None:
    async with http_receiver() as receiver, sending() as out:
        mime = "application/fhir+json; fhirVersion=4.0"
        lines = ("Authorization: Bearer secret", "X-Empty:", "User-Agent: ours", "X-Two: a, b")
        channel = RestHook(out)
        assert await channel.deliver(parcel(channel, receiver.url(), mime, headers=lines)) is None
    headers = receiver.got[0].headers
    for pair in [
        ("Authorization", "Bearer secret"),
        ("X-Empty", ""),
        ("User-Agent", "ours"),
        ("X-Two", "a, b"),
        ("Content-Type", mime),
    ]:
        assert headers.count(pair) == 1
    assert not [name for name, _ in headers if name.lower().startswith(("webhook", "x-hub"))]


async def test_plain_r4_without_payload_is_an_empty_post() -> None:
    async with http_receiver() as receiver, sending() as out:
        channel = RestHook(out)
        empty = parcel(channel, receiver.url(), JSON, body=b"", mime=None, content=None)
        assert await channel.deliver(empty) is None
    (request,) = receiver.got
    assert request.body == b""
    assert ("Content-Length", "0") in request.headers
    assert "Content-Type" not in dict(request.headers)


async def signed(**changes: Any) -> dict[str, Any]:
    async with http_receiver() as receiver, sending() as out:
        channel = RestHook(out)
        made = parcel(channel, receiver.url(), "application/fhir+json", secret=SECRET, **changes)
        assert await channel.deliver(made) is None
    return {"headers": dict(receiver.got[0].headers), "body": receiver.got[0].body}


async def test_a_standard_webhooks_library_accepts_the_signature() -> None:
    got = await signed(at=datetime.now(UTC))
    library = Webhook(base64.b64encode(SECRET.encode()).decode())
    library.verify(got["body"], got["headers"])
    with pytest.raises(WebhookVerificationError):
        library.verify(got["body"] + b" ", got["headers"])


async def test_a_standard_webhooks_library_refuses_an_old_post() -> None:
    got = await signed()
    library = Webhook(base64.b64encode(SECRET.encode()).decode())
    with pytest.raises(WebhookVerificationError, match="old"):
        library.verify(got["body"], got["headers"])


async def test_the_signature_of_the_body_alone() -> None:
    got = await signed()
    expected = hmac.new(SECRET.encode(), got["body"], hashlib.sha256).hexdigest()
    assert got["headers"]["X-Hub-Signature-256"] == f"sha256={expected}"


async def test_nothing_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with http_receiver() as receiver, sending() as out:
        assert (await post(out, receiver.url())).status == 200


# Where it goes


async def test_the_name_is_proven_and_the_checked_address_is_called(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    stub = Stub([["127.0.0.1"]])
    async with (
        http_receiver(tls=certificate(authority, NAME)) as receiver,
        sending(ONLY_ONE, tls=trusting, stub=stub) as out,
    ):
        assert (await post(out, receiver.url(NAME))).status == 200
    assert receiver.names == [NAME]
    assert dict(receiver.got[0].headers)["Host"] == f"{NAME}:{receiver.port}"
    assert stub.asked == [(NAME, receiver.port)]


async def test_a_certificate_of_another_name_is_refused(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with (
        http_receiver(tls=certificate(authority, "other.example.org", "127.0.0.1")) as receiver,
        sending(ONLY_ONE, tls=trusting, stub=Stub([["127.0.0.1"]])) as out,
    ):
        with pytest.raises(EndpointFailed, match="TLS"):
            await post(out, receiver.url(NAME))
    assert receiver.got == []


async def test_a_certificate_of_nobody_we_trust_is_refused(authority: trustme.CA) -> None:
    async with (
        http_receiver(tls=certificate(authority, NAME)) as receiver,
        sending(ONLY_ONE, stub=Stub([["127.0.0.1"]])) as out,
    ):
        with pytest.raises(EndpointFailed, match="TLS"):
            await post(out, receiver.url(NAME))
    assert receiver.got == []


async def test_a_name_that_changes_its_mind_gains_nothing(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """DNS rebinding: the checked address first, an inner one at the next question."""
    tls = certificate(authority, NAME)
    stub = Stub([["127.0.0.1"], ["127.0.0.2"]])
    async with http_receiver(tls=tls) as receiver:
        port = receiver.port
        async with (
            http_receiver("127.0.0.2", port, tls=certificate(authority, NAME)) as inside,
            sending(ONLY_ONE, tls=trusting, stub=stub) as out,
        ):
            assert (await post(out, receiver.url(NAME))).status == 200
            for _ in range(3):  # the kept connection is not used either: the name has moved
                with pytest.raises(EndpointFailed, match="loopback"):
                    await post(out, receiver.url(NAME))
    assert (len(receiver.got), inside.connections) == (1, 0)
    assert len(stub.asked) == 4


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["127.0.0.2"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.1", "169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["10.0.0.1"],
        ["100.64.0.1"],
        ["fd00:ec2::254"],
    ],
)
async def test_one_address_inside_is_enough_to_refuse(addresses: list[str]) -> None:
    async with (
        http_receiver("127.0.0.2") as inside,
        sending(ONLY_ONE, stub=Stub([addresses])) as out,
    ):
        with pytest.raises(EndpointFailed):
            await post(out, f"https://{NAME}:{inside.port}/")
    assert inside.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.2]/",
        "https://2130706434/",
        "https://0x7f000002/",
        "https://127.2/",
        "https://localhost./",
        "https://u:p@ehr.example.org/",
        "http://ehr.example.org/",
        "https://ehr.example.org:22/",
        "file:///etc/passwd",
        "https://ehr.example.org\\@127.0.0.2/",
    ],
)
async def test_no_name_server_is_asked_about_what_cannot_be_meant(url: str) -> None:
    stub = Stub([["127.0.0.1"]])
    async with sending(ONLY_ONE, stub=stub) as out:
        with pytest.raises(EndpointFailed):
            await post(out, url)
    assert stub.asked == []


async def test_the_next_address_of_the_host_when_one_has_no_connection() -> None:
    async with http_receiver("127.0.0.2") as receiver:
        stub = Stub([["127.0.0.1", "127.0.0.2"]])
        async with sending(stub=stub) as out:
            assert (await post(out, f"http://{NAME}:{receiver.port}/")).status == 200
    assert len(receiver.got) == 1


# Connections


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
        async with asyncio.timeout(20):
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
    [("5", 5.0), ("3600", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
async def test_the_pause_a_receiver_asks_for(header: str, seconds: float | None) -> None:
    async with http_receiver() as receiver, sending() as out:
        receiver.status = 503
        receiver.answer_headers = {"Retry-After": header}
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
    async with asyncio.timeout(20):
        while names._asked:  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.01)


async def test_a_name_that_does_not_exist_is_said() -> None:
    def look_up(_host: str, _port: int) -> Sequence[str]:
        import socket

        raise socket.gaierror(-2, "Name or service not known")

    async with asyncio.timeout(20):
        out = Egress(ANYWHERE, resolver=Names(look_up))
        with pytest.raises(EndpointFailed, match="resolve"):
            await post(out, "http://nowhere.example.org/")
        await out.close()
