"""Real receivers made by others: an aiohttp server, and an aiosmtpd mail server, that misbehave when told to."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

Manner = Literal[
    "takes",
    "busy",
    "never-this",
    "never-here",
    "hangs",
    "resets",
    "drips",
    "floods",
    "redirects",
]
SAID = "the patient is Ann"
FLOOD = 256
"""Mebibytes that a flooding receiver would write if it were read."""
_MEBIBYTE = b"x" * 1_048_576


def certificate(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """What a receiver of these names shows a sender."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@dataclass
class Request:
    """What arrived in one POST."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int


@dataclass
class Receiver:
    """What any receiver tells a test. `arrived` and `left` are set when a sender comes and goes."""

    host: str
    port: int = 0
    manner: Manner = "takes"
    connections: int = 0
    flooded: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def drip(self, transport: asyncio.WriteTransport, text: bytes) -> None:
        """Write a byte at a time until the sender goes or the test is over."""
        for byte in text:
            if transport.is_closing() or self.over.is_set():
                return
            transport.write(bytes([byte]))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), 0.02)


def reset(transport: Any) -> None:
    """Break a connection with RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


@dataclass
class HttpReceiver(Receiver):
    """An aiohttp server."""

    got: list[Request] = field(default_factory=list)
    status: int = 200
    answer_headers: dict[str, str] = field(default_factory=dict)
    elsewhere: str = ""
    scheme: str = "http"
    names: list[str | None] = field(default_factory=list)

    def url(self, name: str = "", path: str = "/hook") -> str:
        """The endpoint, under another name if wanted."""
        return f"{self.scheme}://{name or self.host}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take a POST in the manner told."""
        transport = request.transport
        assert transport is not None
        body = await request.read()
        self.arrived.set()
        if self.manner == "hangs":
            await self.over.wait()
        if self.manner == "resets":
            reset(transport)
            return web.Response()
        if self.manner == "drips":
            await self.drip(transport, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000)
            return web.Response()
        if self.manner == "floods":
            return await self._flood(request)
        number = getattr(request.protocol, "number", 0)
        headers = list(request.headers.items())
        self.got.append(Request(request.raw_path, headers, body, number))
        return web.Response(status=self._status(), headers=self._headers(), text=SAID, reason="OK")

    def _status(self) -> int:
        statuses = {"busy": 503, "never-this": 422, "never-here": 410, "redirects": 307}
        return statuses.get(self.manner, self.status)

    def _headers(self) -> dict[str, str]:
        if self.manner == "redirects":
            return {**self.answer_headers, "Location": self.elsewhere}
        return self.answer_headers

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            for _ in range(FLOOD):
                await response.write(_MEBIBYTE)
                self.flooded += 1
        return response


@asynccontextmanager
async def http_receiver(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpReceiver]:
    """Run an aiohttp server."""
    receiver = HttpReceiver(host, scheme="http" if tls is None else "https")
    if tls is not None:
        tls.sni_callback = lambda _object, name, _context: receiver.names.append(name)

    loop = asyncio.get_running_loop()
    server = web.Server(receiver.answer)  # type: ignore[arg-type]

    class Watched(web.RequestHandler):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            receiver.connections += 1
            self.number = receiver.connections
            super().connection_made(transport)

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            receiver.left.set()

    def protocol() -> asyncio.Protocol:
        return Watched(server, loop=loop)

    listening = await loop.create_server(protocol, host, port, ssl=tls)
    receiver.port = listening.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.over.set()
        listening.close()
        await server.shutdown(0.1)
        await listening.wait_closed()


@dataclass
class MailReceiver(Receiver):
    """An aiosmtpd server; `got` are the messages it took."""

    got: list[Envelope] = field(default_factory=list)
    users: list[tuple[str, str]] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        self.arrived.set()
        answers = {"never-here": f"550 {SAID}", "redirects": "551 try <eve@elsewhere.example>"}
        if self.manner in answers:
            return answers[self.manner]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.secured.append(session.ssl is not None)
        transport: Any = server.transport
        if self.manner == "hangs":
            await self.over.wait()
        elif self.manner == "resets":
            reset(transport)
        elif self.manner == "drips":
            await self.drip(transport, b"250-" + b"x" * 10_000)
        elif self.manner == "floods":
            await self._flood(transport)
        elif self.manner in ("busy", "never-this"):
            return f"{451 if self.manner == 'busy' else 554} {SAID}"
        self.got.append(envelope)
        return "250 OK"

    async def _flood(self, transport: Any) -> None:
        for _ in range(FLOOD):
            if transport.is_closing():
                return
            transport.write(b"250-" + _MEBIBYTE + b"\r\n")
            self.flooded += 1
            while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - a transport has no event for it
                await asyncio.sleep(0.001)

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Let in whoever is in `users`."""
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given in self.users, handled=False)


@asynccontextmanager
async def mail_receiver(
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
) -> AsyncIterator[MailReceiver]:
    """Run an aiosmtpd server: plain, with STARTTLS required, or TLS from the first byte."""
    receiver = MailReceiver("127.0.0.1")
    loop = asyncio.get_running_loop()
    sessions: list[Any] = []

    class Watched(SMTP):
        def connection_made(self, transport: Any) -> None:
            receiver.connections += 1
            sessions.append(transport)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            receiver.left.set()

    def protocol() -> SMTP:
        return Watched(
            receiver,
            hostname="mail.example.org",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=receiver.authenticate if login else None,
            auth_required=login,
            auth_require_tls=starttls is not None,
            loop=loop,
        )

    listening = await loop.create_server(protocol, receiver.host, 0, ssl=tls)
    receiver.port = listening.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.over.set()
        listening.close()
        for transport in sessions:
            if not transport.is_closing():
                transport.abort()
        await asyncio.sleep(0)
        await listening.wait_closed()
