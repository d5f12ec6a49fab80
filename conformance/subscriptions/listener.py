"""A websocket client that listens to one Subscription, drops its connection by dice and comes back.

What it reads is noted as the arrivals of an endpoint, so that it can be held against the same rules.
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
"""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from conformance.subscriptions.client import Client, UnexpectedAnswer
from conformance.subscriptions.history import NOTED_WITHIN
from conformance.subscriptions.receiver import Arrival, Endpoint

Json = dict[str, Any]

OPERATION: Final = "get-ws-binding-token"
AGAIN_SECONDS: Final = 0.2
SHORTEST_VISIT: Final = 0.3
LONGEST_VISIT: Final = 3.0
_EXPECTED: Final = (
    OSError, TimeoutError, httpx.TransportError, InvalidHandshake, UnexpectedAnswer, WebSocketException,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Binding:
    """What `$get-ws-binding-token` answered."""

    token: str
    url: str


async def binding(client: Client, subscription: str) -> Binding:
    """Return a fresh token and where to connect. Raises `UnexpectedAnswer` when something is missing."""
    body: Json = {"resourceType": "Parameters"}
    path = f"Subscription/{subscription}/${OPERATION}"
    reply = await client.must("POST", path, body)
    values = {
        one["name"]: next(value for key, value in one.items() if key != "name")
        for one in (reply.body or {}).get("parameter", [])
    }
    if not {"token", "expiration", "websocket-url"} <= values.keys():
        raise UnexpectedAnswer(f"POST {path} (without token, expiration or URL)", reply)
    return Binding(str(values["token"]), str(values["websocket-url"]))


class Listener:
    """Listens to `subscription` until cancelled; `restless` until told to `stay`."""

    def __init__(self, client: Client, subscription: str, endpoint: Endpoint, seed: str) -> None:
        """Note what comes at `endpoint`; `seed` decides how long each visit lasts."""
        self._client = client
        self._subscription = subscription
        self._endpoint = endpoint
        self._dice = random.Random(seed)
        self._stays = asyncio.Event()
        self.last_problem = "none"

    def stay(self) -> None:
        """Drop no connection any more."""
        self._stays.set()

    async def run(self) -> None:
        """Connect, bind and read, again and again."""
        while True:
            try:
                bound = await binding(self._client, self._subscription)
                async with connect(bound.url, proxy=None, close_timeout=0.5) as socket:
                    await socket.send(f"bind-with-token: {bound.token}")
                    await self._visit(socket)
            except _EXPECTED as problem:
                self.last_problem = f"{type(problem).__name__}: {problem}"
            finally:
                self._unsure()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _visit(self, socket: ClientConnection) -> None:
        """Read until the connection ends, or it is time to drop it without a word."""
        reading = asyncio.ensure_future(self._read(socket))
        leaving = asyncio.ensure_future(self._leave())
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                socket.transport.abort()
                # The library has confirmed what it holds: that counts as read and must not be thrown away.
                await asyncio.wait((reading,), timeout=AGAIN_SECONDS * 5)
        finally:
            leaving.cancel()
            reading.cancel()
            await asyncio.gather(reading, leaving, return_exceptions=True)

    async def _leave(self) -> None:
        """Return when it is time to go: never, once told to stay."""
        visit = self._dice.uniform(SHORTEST_VISIT, LONGEST_VISIT)
        try:
            await asyncio.wait_for(self._stays.wait(), visit)
        except TimeoutError:
            return
        await asyncio.Event().wait()

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            at = time.time()
            body = frame.encode() if isinstance(frame, str) else frame
            self._endpoint.arrivals.append(Arrival("websocket", at, {}, body, "taken", at))
            await self._endpoint.note()

    def _unsure(self) -> None:
        """Of the last frames before an end the server may not know that they were read."""
        since = time.time() - NOTED_WITHIN
        for arrival in reversed(self._endpoint.arrivals):
            if arrival.at < since:
                break
            arrival.answered = "uncertain"
