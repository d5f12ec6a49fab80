"""A connection to one checked address, spoken to under the name it was checked for.

HTTP itself is httpcore's; what is ours is where the connection goes: to the address that was judged,
never to what the name says a moment later. TLS asks for, and proves, the name.
"""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import httpcore

KEPT_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection goes. Connections are shared between equal places only."""

    scheme: str
    host: str
    port: int
    address: str


class _ToAddress(httpcore.AsyncNetworkBackend):
    """Connects to the checked address, whichever host httpcore asks for."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._backend = httpcore.AnyIOBackend()
        self._streams: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(
            self._address, port, timeout, local_address, socket_options
        )
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        """Close the socket itself: a TLS handshake that was given up leaves it open."""
        for stream in self._streams:
            await stream.aclose()


class Line:
    """One connection, connected by the first request."""

    def __init__(self, place: Place, tls: ssl.SSLContext | None) -> None:
        """Go to `place`; `tls` judges its certificate, None where it has none (http)."""
        self.place = place
        self._backend = _ToAddress(place.address)
        self._connection = httpcore.AsyncHTTPConnection(
            httpcore.Origin(place.scheme.encode(), place.host.encode(), place.port),
            ssl_context=tls,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=self._backend,
        )

    async def send(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> httpcore.Response:
        """Send and return the answer as soon as its headers are there; its body is unread."""
        place = self.place
        url = httpcore.URL(
            scheme=place.scheme.encode(), host=place.host.encode(), port=place.port, target=target
        )
        request = httpcore.Request(method, url, headers=list(headers), content=body)
        return await self._connection.handle_async_request(request)

    @property
    def is_free(self) -> bool:
        """Whether it waits for another request, as far as this side knows."""
        return self._connection.is_idle() and not self._connection.has_expired()

    async def close(self) -> None:
        """Close it in any state."""
        try:
            await self._connection.aclose()
        finally:
            await self._backend.close()
