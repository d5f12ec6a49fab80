"""The MLLP listener: one port for each tenant, bounded in connections, finished before it is gone.

Spec: HL7 Transport Specification: MLLP, Release 2.
"""

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import structlog

from adapters.hl7v2.connection import Bounds, Connection
from adapters.hl7v2.intake import Intake
from adapters.hl7v2.sites import Peer

_FINISH_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """Where to listen. `connections` at once in all, `per_peer` of one address.

    `shared`: other processes of this server listen there too, and each connection is with one of them.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    connections: int
    per_peer: int
    shared: bool = False


class Listener:
    """Listens between `start` and `stop`."""

    def __init__(self, door: Door, intake: Intake, bounds: Bounds) -> None:
        """Hand frames to `intake`."""
        self._door = door
        self._intake = intake
        self._bounds = bounds
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[Any], Connection] = {}
        self._peers: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    @property
    def connections(self) -> int:
        """How many are connected now."""
        return len(self._open)

    async def start(self) -> None:
        """Begin to listen. Raises `OSError` when the port is taken."""
        self._server = await asyncio.start_server(
            self._accept,
            self._door.host,
            self._door.port,
            ssl=self._door.tls,
            reuse_port=self._door.shared or None,
        )

    async def stop(self) -> None:
        """Let nobody in any more, answer what is being processed, and close."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._open.values():
            connection.finish()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=_FINISH_SECONDS)
            for task in late:
                task.cancel()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        if (
            len(self._open) >= self._door.connections
            or self._peers[peer.address] >= self._door.per_peer
        ):
            log.warning("too many connections", peer=peer.address, open=len(self._open))
            writer.close()
            return
        connection = Connection((reader, writer), peer, self._intake, self._bounds)
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = connection
        self._peers[peer.address] += 1
        try:
            await connection.run()
        except asyncio.CancelledError:
            # `stop` ends those who wait for their next message; the task ends with it.
            return
        except Exception:
            log.exception("connection failed", peer=peer.address)
        finally:
            del self._open[task]
            self._peers[peer.address] -= 1


def _peer(writer: asyncio.StreamWriter) -> Peer:
    name = writer.get_extra_info("peername")
    shown = writer.get_extra_info("peercert") or {}
    subject = [
        f"CN={value}"
        for part in shown.get("subject", ())
        for key, value in part
        if key == "commonName"
    ]
    return Peer(str(name[0]) if name else "0.0.0.0", subject[0] if subject else None)  # noqa: S104 - nobody
