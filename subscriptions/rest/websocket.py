"""The door for websockets: ``/ws/subscriptions``.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets,
https://www.rfc-editor.org/rfc/rfc6455. Opening a socket proves nothing and gives nothing: what a
client gets, it gets by a token ($get-ws-binding-token), so a page of a foreign origin could do no
harm; origins that may not call the API are refused all the same.

A notification has arrived when the client's side has answered the ping sent behind it, which every
websocket library does by itself. Servers without that (`Line` missing) count what was handed over.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Protocol

from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from fhirserver.kernel.audit import REFUSED_WITH
from subscriptions.channels.bound import Socket
from subscriptions.channels.presences import Presences
from subscriptions.channels.sockets import Sockets
from subscriptions.core.presence import Look
from subscriptions.core.websocket_binding import PATH, Bind, Close

LINE: Final = "fhirserver.line"
_ANY_ORIGIN: Final = "*"


class Line(Protocol):
    """What the HTTP server offers beyond ASGI, under `LINE` in the extensions of the scope."""

    async def post(self, text: str) -> "asyncio.Future[None]":
        """Send `text`; what is returned is done once the client has it, cancelled if it never will.

        Raises OSError when the connection has ended.
        """

    def shut(self, code: int, reason: str) -> None:
        """Close without waiting for a client that does not read."""


def route(sockets: Sockets, presences: Presences, origins: Sequence[str]) -> WebSocketRoute:
    """Return the route; pages of `origins` (``*``: of any) may connect, and whoever is no page."""
    allowed = frozenset(origin.rstrip("/") for origin in origins)

    async def endpoint(websocket: WebSocket) -> None:
        origin = websocket.headers.get("origin")
        if origin is not None and _ANY_ORIGIN not in allowed and origin not in allowed:
            await websocket.send_denial_response(
                PlainTextResponse("This origin may not connect.", status_code=403)
            )
            return
        socket = sockets.open()
        if socket is None:
            await websocket.send_denial_response(
                PlainTextResponse("Try again later.", status_code=503)
            )
            return
        try:
            await websocket.accept()
            await _Session(websocket, sockets, presences, socket).run()
        except (WebSocketDisconnect, OSError):
            pass  # the client has gone: what it was not sent, its next socket gets
        finally:
            presences.gone(socket)
            sockets.gone(socket)

    return WebSocketRoute(PATH, endpoint)


class _Session:
    """Serves one socket until either side ends it."""

    def __init__(
        self, websocket: WebSocket, sockets: Sockets, presences: Presences, socket: Socket
    ) -> None:
        self._websocket = websocket
        self._sockets = sockets
        self._presences = presences
        self._socket = socket
        extensions: dict[str, Any] = websocket.scope.get("extensions") or {}
        self._line: Line | None = extensions.get(LINE)

    async def run(self) -> None:
        """Read and write side by side; whichever ends first ends the other."""
        work = [
            asyncio.ensure_future(self._read()),
            asyncio.ensure_future(self._write()),
            asyncio.ensure_future(self._socket.ended.wait()),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in work:
                one.cancel()
            outcomes = await asyncio.gather(*work, return_exceptions=True)
        if self._socket.close is not None:
            await self._close(self._socket.close)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _read(self) -> None:
        conversation, clock = self._socket.conversation, self._sockets.clock
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            meant = conversation.received(message.get("text"), clock())
            match meant:
                case Bind():
                    why = await self._sockets.bind(self._socket, meant.token)
                case Look():
                    why = self._presences.look(self._socket, meant)
                case Close():
                    why = meant
            if why is not None:
                self._socket.end(why)
                return

    async def _write(self) -> None:
        conversation, clock = self._socket.conversation, self._sockets.clock
        wake = self._socket.wake
        while True:
            await wake.wait()
            wake.clear()
            now = clock()
            note, self._socket.note = self._socket.note, None
            if note is not None:
                await self._send(note)
            while (frame := conversation.next(now)) is not None:
                mark = conversation.mark
                answer = await self._send(frame.text)
                if answer is None:
                    self._have_arrived(mark)
                else:
                    answer.add_done_callback(partial(self._answered, mark))

    async def _send(self, text: str) -> "asyncio.Future[None] | None":
        """Send `text`; return what is done once it has arrived, None where nobody can tell."""
        if self._line is None:
            await self._websocket.send_text(text)
            return None
        return await self._line.post(text)

    def _answered(self, mark: int, answer: "asyncio.Future[None]") -> None:
        if not answer.cancelled():
            self._have_arrived(mark)

    def _have_arrived(self, mark: int) -> None:
        self._socket.conversation.confirmed(mark)
        self._sockets.arrived(self._socket)

    async def _close(self, why: Close) -> None:
        # Whoever watches the door tells the audit of what was refused.
        self._websocket.scope.setdefault("state", {})[REFUSED_WITH] = why.code
        if self._line is not None:
            self._line.shut(why.code, why.reason)
        else:
            await self._websocket.close(why.code, why.reason)
