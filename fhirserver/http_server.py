"""The HTTP server as one part of a process that does more."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.types import ASGIApp

from fhirserver.settings import Settings

if TYPE_CHECKING:
    from fhirserver.rest.rate_limits import Rates

# How long an idle connection is kept.
KEEP_ALIVE_SECONDS: Final = 75


class HttpServer(uvicorn.Server):
    """A server that leaves signals to the process it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def http_server(
    application: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    proxies: Sequence[str] = (),
) -> HttpServer:
    """Return what serves `application` over HTTP and websockets once its `serve` runs; port 0 takes a free one.

    With `tls` it speaks https. `proxies` are addresses and networks whose X-Forwarded-For and -Proto
    are believed.
    """
    from fhirserver.rest.connection import Connection  # noqa: PLC0415 - for processes that answer requests alone
    from fhirserver.rest.socket_connection import (  # noqa: PLC0415 - as above
        MAX_MESSAGE_BYTES,
        PING_INTERVAL_SECONDS,
        PING_TIMEOUT_SECONDS,
        SocketConnection,
    )

    return HttpServer(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=Connection,
            ws=SocketConnection,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_INTERVAL_SECONDS,
            ws_ping_timeout=PING_TIMEOUT_SECONDS,
            # It would cost memory and time for each socket, and tell lengths of what is secret.
            ws_per_message_deflate=False,
            # Everybody else may write into these headers what they like.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            ssl_context_factory=None if tls is None else _always(tls),
            # Longer than pools of clients and proxies keep a connection (5 to 60 seconds): whoever closes first must
            # be the one who sends, or a request meets a closed door.
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            server_header=False,
        )
    )


def _always(
    context: ssl.SSLContext,
) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    return lambda _config, _default: context


def rates(settings: Settings) -> "Rates":
    """Return how often one caller may ask."""
    from fhirserver.rest.rate_limits import Rates  # noqa: PLC0415 - for processes that answer requests alone

    return Rates(
        account=settings.rate_account,
        client=settings.rate_client,
        strangers=settings.rate_strangers,
        sign_in=settings.rate_sign_in,
        alarms=settings.rate_alarms,
    )


def listeners(settings: Settings) -> list[socket.socket] | None:
    """Return the socket that several processes of this role listen on together, None for a single one."""
    if sum("api" in roles for roles in settings.workers) < 2:
        return None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    return [socket.create_server(address, family=family, reuse_port=True, backlog=2048)]
