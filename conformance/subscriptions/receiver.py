"""An HTTP endpoint for notifications: notes what arrives and when, and answers as it is told.

Runs in the event loop of whoever started it. Endpoints are paths; each has a mood, which decides how
it answers: as it should, or in one of the ways endpoints fail.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook
"""

import asyncio
import json
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp import web

from conformance.subscriptions.notification import Status, Unreadable, read

Mood = Literal["takes", "slow", "error", "gone", "redirects", "hangs", "resets", "huge"]
# How an answer stands afterwards: handed to the sender whole and 2xx, whole and something else, or
# not (whole) at all. Of a huge one the sender may read as much as it likes.
Answered = Literal["taken", "refused", "unanswered", "uncertain"]

HUGE: Final = 10 * 1024 * 1024
LARGEST_NOTIFICATION: Final = 64 * 1024 * 1024
SLOW_SECONDS: Final = 0.4
HANG_SECONDS: Final = 120.0
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Arrival:
    """One POST: when its head had arrived (`at`, seconds of the clock), and how it was answered.

    `port`: the one it was sent from, 0 when not known. `ended` None and `answered` None while it is being answered.
    """

    path: str
    at: float
    headers: Mapping[str, str]
    body: bytes
    answered: Answered | None = None
    ended: float | None = None
    port: int = 0
    _status: Status | None = None

    def bundle(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        return json.loads(self.body)

    def status(self) -> Status:
        """Return what the notification says. Raises `Unreadable`."""
        if self._status is None:
            try:
                self._status = read(self.bundle())
            except ValueError as error:
                raise Unreadable(str(error)) from error
        return self._status


@dataclass(eq=False)
class Endpoint:
    """One path of a `Receiver`. `mood` is asked at each POST, with the time in seconds."""

    url: str
    mood: Callable[[float], Mood] = lambda _: "takes"
    arrivals: list[Arrival] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def always(self, mood: Mood) -> None:
        """Answer like this from now on."""
        self.mood = lambda _: mood

    def of_kind(self, kind: str) -> list[Arrival]:
        """Return the arrivals that are notifications of `kind`."""
        return [one for one in self.arrivals if _kind(one) == kind]

    async def wait(self, found: Callable[["Endpoint"], bool], seconds: float) -> bool:
        """Wait until `found(self)`, looked at after each arrival and answer; False when it never was."""
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(lambda: found(self))
        except TimeoutError:
            return False
        return True

    async def wait_kind(self, kind: str, seconds: float, *, count: int = 1) -> list[Arrival]:
        """Return the arrivals of `kind` once there are `count`, or what there is after `seconds`."""
        await self.wait(lambda it: len(it.of_kind(kind)) >= count, seconds)
        return self.of_kind(kind)

    async def note(self) -> None:
        """Wake whoever waits."""
        async with self.changed:
            self.changed.notify_all()


def _kind(arrival: Arrival) -> str | None:
    try:
        return arrival.status().kind
    except Unreadable:
        return None


class Receiver:
    """Listens; `endpoint` makes a path of its own. `url` is how the sender reaches it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._endpoints: dict[str, Endpoint] = {}

    def endpoint(self, name: str) -> Endpoint:
        """Return the endpoint called `name` (letters, digits, dashes), made at the first call."""
        path = f"/{name}"
        if path not in self._endpoints:
            self._endpoints[path] = Endpoint(self.url + path)
        return self._endpoints[path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note one POST and answer it as its endpoint is disposed to."""
        at = time.time()
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return web.Response(status=404)
        mood = endpoint.mood(at)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = None if request.transport is None else request.transport.get_extra_info("peername")
        arrival = Arrival(request.path, at, headers, body, port=peer[1] if peer else 0)
        endpoint.arrivals.append(arrival)
        await endpoint.note()
        try:
            return await self._answer(request, arrival, mood)
        except (OSError, asyncio.CancelledError):
            arrival.answered = "uncertain" if mood == "huge" else "unanswered"
            raise
        finally:
            arrival.ended = time.time()
            await endpoint.note()

    async def _answer(
        self, request: web.Request, arrival: Arrival, mood: Mood
    ) -> web.StreamResponse:
        match mood:
            case "error":
                return await self._say(request, arrival, web.Response(status=500))
            case "gone":
                return await self._say(request, arrival, web.Response(status=410))
            case "redirects":
                moved = web.Response(status=307, headers={"Location": self.url + "/elsewhere"})
                return await self._say(request, arrival, moved)
            case "hangs":
                await asyncio.sleep(HANG_SECONDS)
                raise ConnectionResetError("the sender waited too long")
            case "resets":
                self._reset(request)
                raise ConnectionResetError("reset on purpose")
            case "huge":
                arrival.answered = "uncertain"
                huge = web.Response(body=b"x" * HUGE, content_type="text/plain")
                return await self._say(request, arrival, huge)
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
        return await self._say(request, arrival, web.Response(status=200))

    async def _say(
        self, request: web.Request, arrival: Arrival, answer: web.Response
    ) -> web.StreamResponse:
        """Write the whole answer here, so that it is known whether it left."""
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the sender has gone")
        await answer.prepare(request)
        await answer.write_eof()
        if arrival.answered is None:
            arrival.answered = "taken" if 200 <= answer.status < 300 else "refused"
        return answer

    def _reset(self, request: web.Request) -> None:
        if request.transport is None:
            return
        connection = request.transport.get_extra_info("socket")
        if connection is not None:
            # Without lingering, closing sends RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        request.transport.abort()


@asynccontextmanager
async def listening(
    host: str = "127.0.0.1", port: int = 0, url: str | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver on `host` and `port` (0: a free one); `url` is how senders reach it, when otherwise."""
    listener = socket.create_server((host, port))
    bound = int(listener.getsockname()[1])
    receiver = Receiver(url or f"http://{host}:{bound}")
    application = web.Application(client_max_size=LARGEST_NOTIFICATION)
    application.router.add_post("/{name}", receiver.handle)
    # Senders that leave, and answers cut off on purpose, are what is looked at here: no errors.
    quiet = logging.getLogger("conformance.receiver")
    quiet.disabled = True
    runner = web.AppRunner(application, access_log=None, logger=quiet, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield receiver
    finally:
        await runner.cleanup()
        listener.close()
