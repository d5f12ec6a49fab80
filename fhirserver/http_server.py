"""The HTTP server as one part of a process that does more."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from fhirserver.settings import Settings


class HttpServer(uvicorn.Server):
    """A server that leaves signals to the process it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listeners(settings: Settings) -> list[socket.socket] | None:
    """Return the socket that several processes of this role listen on together, None for a single one."""
    if sum("api" in roles for roles in settings.workers) < 2:
        return None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    return [socket.create_server(address, family=family, reuse_port=True, backlog=2048)]
