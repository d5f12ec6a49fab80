"""Requests to endpoints that clients chose, and to nowhere else.

The host is resolved once for each delivery; every address it has must be allowed (`core.address`),
and the connection goes to the very address that was checked, under the host's name, so a name that
changes its mind between check and use gains nothing. A kept connection serves only the same name at
the same address, and only after that address was checked again. Redirects are answers like any
other, nothing of the environment (proxies) is used, and answers are read up to a bound in size and
time (server-side request forgery: CWE-918).
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final, cast
from urllib.parse import SplitResult, urlsplit

import certifi
import httpcore

from subscriptions.channels.line import KEPT_SECONDS, Line, Place
from subscriptions.channels.names import Names, Resolve
from subscriptions.core.address import refusal
from subscriptions.core.endpoint import EndpointPolicy, endpoint_fault

LARGEST_ANSWER: Final = 64 * 1024
# An answer counts by its status; its body is only waited for so that the connection can be kept.
ANSWER_SECONDS: Final = 1.0
LONGEST_PAUSE: Final = 60.0
_KEPT_EACH: Final = 8
_KEPT_IN_ALL: Final = 1024
_ADDRESSES_TRIED: Final = 3
_AGENT: Final = (b"User-Agent", b"fhirserver")


class EndpointFailed(Exception):
    """The endpoint was not reached, may not be called, or did not answer in HTTP or in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered. `retry_after`: the pause in seconds it asks for, at most 60."""

    status: int
    retry_after: float | None = None


class Egress:
    """Sends. One object for a process; close it when done."""

    def __init__(
        self,
        policy: EndpointPolicy,
        *,
        resolver: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Call what `policy` allows. `tls` judges certificates: by default the authorities
        of the system (or of SSL_CERT_FILE), and the public ones where it has none.
        """
        self._policy = policy
        self._resolve = Names() if resolver is None else resolver
        self._tls = tls
        self._kept: dict[Place, list[Line]] = {}
        self._next_look = 0.0

    async def close(self) -> None:
        """Close the kept connections."""
        kept, self._kept = self._kept, {}
        for lines in kept.values():
            for line in lines:
                await line.close()

    async def post(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout_seconds: float
    ) -> Answer:
        """POST `body` and return the answer, whatever its status.

        Raises `EndpointFailed` when there is none within `timeout_seconds`, name lookup included.
        """
        await self._hang_up_unused()
        lines = (*headers, ("Content-Length", str(len(body))))
        line, response = await self._asked(b"POST", url, lines, body, timeout_seconds)
        try:
            kept = await _read_to_its_end(response) is not None and self._keep(line)
        except BaseException:
            await line.close()
            raise
        if not kept:
            await line.close()
        return Answer(response.status, _retry_after(response.headers))

    async def get(
        self, url: str, headers: Sequence[tuple[str, str]], timeout_seconds: float
    ) -> bytes:
        """Return the document at `url`, of 64 KiB at most, which is answered with 200.

        Raises `EndpointFailed` when there is none within `timeout_seconds`.
        """
        line, response = await self._asked(b"GET", url, headers, b"", timeout_seconds)
        try:
            body = await _read_to_its_end(response)
        finally:
            await line.close()
        if response.status != HTTPStatus.OK:
            raise EndpointFailed(f"the answer is {response.status}")
        if body is None:
            raise EndpointFailed("the answer is too long or did not come to its end")
        return body

    async def connected(
        self, url: str, shown: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return an open connection to the host and port of `url`, with TLS for https, for another protocol than HTTP.

        `shown` judges certificates instead of ours, and has one to show. Raises `EndpointFailed`; takes as long as it
        takes.
        """
        if (reason := endpoint_fault(url, self._policy)) is not None:
            raise EndpointFailed(reason)
        parts = urlsplit(url)
        try:
            places = await self._places(parts)
            tls = await self._judge(parts)
            if tls is not None and shown is not None:
                tls = shown
            *others, last = places[:_ADDRESSES_TRIED]
            for place in others:
                with suppress(ConnectionError):
                    return await _stream(place, tls)
            return await _stream(last, tls)
        except (OSError, UnicodeError) as problem:
            raise EndpointFailed(_in_words(problem)) from problem

    async def _judge(self, parts: SplitResult) -> ssl.SSLContext | None:
        """Return what judges certificates where there are any."""
        if parts.scheme != "https":
            return None
        if self._tls is None:
            self._tls = await asyncio.to_thread(_public_tls)
        return self._tls

    async def _asked(
        self,
        method: bytes,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        timeout_seconds: float,
    ) -> tuple[Line, httpcore.Response]:
        """Return what is answered within the time. Raises `EndpointFailed`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._send(method, url, headers, body)
        except TimeoutError as problem:
            raise EndpointFailed("no answer in time") from problem
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            OSError,
            UnicodeError,
        ) as problem:
            raise EndpointFailed(_in_words(problem)) from problem

    async def _send(
        self, method: bytes, url: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Line, httpcore.Response]:
        if (reason := endpoint_fault(url, self._policy)) is not None:
            raise EndpointFailed(reason)
        parts = urlsplit(url)
        lines = [
            (b"Host", parts.netloc.encode()),
            *((name.encode(), value.encode()) for name, value in headers),
        ]
        if not any(name.lower() == "user-agent" for name, _ in headers):
            lines.append(_AGENT)
        target = ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode()
        places = await self._places(parts)
        kept = self._kept_line(places)
        if kept is not None:
            return await _over(kept, method, target, lines, body)
        tls = await self._judge(parts)
        *others, last = places[:_ADDRESSES_TRIED]
        for place in others:
            # Without a connection nothing was sent, and another address of the host may have one.
            with suppress(httpcore.ConnectError):
                return await _over(Line(place, tls), method, target, lines, body)
        return await _over(Line(last, tls), method, target, lines, body)

    async def _places(self, parts: SplitResult) -> list[Place]:
        """Return where the host is now; nowhere unless every one of its addresses is allowed."""
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = [host] if _is_address(host) else await self._resolve(host, port)
        if not addresses:
            raise EndpointFailed("the host has no address")
        if not self._policy.allow_insecure:
            for address in addresses:
                if (reason := refusal(address, self._policy.networks)) is not None:
                    raise EndpointFailed(f"an address of the host is refused: {reason}")
        return [Place(parts.scheme, host, port, address) for address in addresses]

    def _kept_line(self, places: Sequence[Place]) -> Line | None:
        for place in places:
            lines = self._kept.get(place, [])
            for index, line in enumerate(lines):
                if line.is_free:
                    del lines[index]
                    return line
        return None

    def _keep(self, line: Line) -> bool:
        lines = self._kept.get(line.place, [])
        if not line.is_free or len(lines) >= _KEPT_EACH or len(self._kept) >= _KEPT_IN_ALL:
            return False
        self._kept[line.place] = [*lines, line]
        return True

    async def _hang_up_unused(self) -> None:
        """Now and then close what was kept and not used, or was closed by the other side."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + KEPT_SECONDS / 4
        stale = [line for lines in self._kept.values() for line in lines if not line.is_free]
        free = {
            place: [line for line in lines if line.is_free] for place, lines in self._kept.items()
        }
        self._kept = {place: lines for place, lines in free.items() if lines}
        for line in stale:
            await line.close()


async def _stream(
    place: Place, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = None if tls is None else place.host
    return await asyncio.open_connection(place.address, place.port, ssl=tls, server_hostname=name)


async def _over(
    line: Line,
    method: bytes,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
) -> tuple[Line, httpcore.Response]:
    try:
        return line, await line.send(method, target, headers, body)
    except BaseException:
        await line.close()
        raise


async def _read_to_its_end(response: httpcore.Response) -> bytes | None:
    """Return the answer's body; None when it did not come whole within the bounds of size and time."""
    body = bytearray()
    chunks = cast("AsyncGenerator[bytes, None]", aiter(response.aiter_stream()))
    try:
        async with asyncio.timeout(ANSWER_SECONDS), aclosing(chunks):
            async for chunk in chunks:
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    return None
    except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        return None
    await response.aclose()
    return bytes(body)


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """Return the pause asked for in seconds; None for none, for one that is over, and for nonsense."""
    given = {name.lower(): value for name, value in reversed(headers)}
    value = given.get(b"retry-after", b"")
    if value.isdigit():
        return min(float(value), LONGEST_PAUSE)
    until = _moment(value)
    if until is None:
        return None
    # The receiver means its own clock: what that says stands beside it.
    now = _moment(given.get(b"date", b"")) or datetime.now(UTC)
    seconds = (until - now).total_seconds()
    return min(seconds, LONGEST_PAUSE) if seconds > 0 else None


def _moment(text: bytes) -> datetime | None:
    """Return an HTTP date (RFC 9110 section 5.6.7), None for anything else."""
    try:
        moment = parsedate_to_datetime(text.decode("ascii"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _in_words(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLError) or isinstance(problem.__cause__, ssl.SSLError):
        return "no trusted TLS connection"
    if isinstance(problem, httpcore.ConnectError | ConnectionRefusedError):
        return "no connection"
    if isinstance(problem, httpcore.ProtocolError):
        return "the answer is not HTTP"
    if isinstance(problem, socket.gaierror | UnicodeError):
        return "the host's name does not resolve"
    return "the connection broke"


@cache
def _public_tls() -> ssl.SSLContext:
    """Return the judge of certificates. Reading the authorities blocks for a while: once is enough."""
    return trusting()


def trusting() -> ssl.SSLContext:
    """Return a new judge of certificates, by the authorities of the system, else the public ones."""
    tls = ssl.create_default_context()
    if not tls.cert_store_stats()["x509_ca"]:  # no store of the system, as in small containers
        tls.load_verify_locations(certifi.where())
    return tls
