"""Checks of the websocket channel: token, bind, events, and what was missed while nobody listened.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from conformance.subscriptions.check import Checks, Failed, Live, Scene
from conformance.subscriptions.discovery import needs_operation
from conformance.subscriptions.listener import OPERATION, binding
from conformance.subscriptions.notification import Status, bundle_faults, read

Json = dict[str, Any]

CHECKS: Final = Checks()
# Both stand in the guide.
FORMS: Final = ("bind-with-token {}", "bind-with-token: {}")


@asynccontextmanager
async def _socket(
    scene: Scene, live: Live, form: str = FORMS[1]
) -> AsyncIterator[ClientConnection]:
    """Connect and bind; the handshake was received when the block begins."""
    bound = await binding(scene.client, live.id)
    async with connect(bound.url, proxy=None, close_timeout=1) as socket:
        await socket.send(form.format(bound.token))
        shake = await _next(scene, socket, live)
        if shake.kind != "handshake":
            raise Failed(f"the first frame after binding is {shake.kind}, not a handshake")
        yield socket


async def _next(scene: Scene, socket: ClientConnection, live: Live) -> Status:
    try:
        async with asyncio.timeout(scene.patience):
            frame = await socket.recv()
    except TimeoutError:
        raise Failed(f"no frame in {scene.patience:.0f} s") from None
    except ConnectionClosed as closed:
        raise Failed(f"the server closed the socket: {closed}") from closed
    bundle = json.loads(frame)
    faults = bundle_faults(bundle, live.id, str(live.wish.content))
    if faults:
        raise Failed("; ".join(faults))
    return read(bundle)


async def _events(scene: Scene, socket: ClientConnection, live: Live, last: int) -> list[int]:
    """Return the event numbers of the frames up to the one with `last`."""
    numbers: list[int] = []
    while last not in numbers:
        said = await _next(scene, socket, live)
        if said.kind == "event-notification":
            numbers += said.numbers
    return numbers


def _on_socket(scene: Scene, label: str) -> Any:
    return scene.live(label, active=False, channel="websocket", endpoint=None)


@CHECKS.add("websocket", "MAY", "bind in both forms of the guide: handshake, then events")
async def _both_forms(scene: Scene) -> str:
    await needs_operation(scene, OPERATION)
    for position, form in enumerate(FORMS):
        async with (
            _on_socket(scene, f"socket-{position}") as live,
            _socket(scene, live, form) as socket,
        ):
            await scene.settles(live.id, "active")
            await scene.fire(live)
            numbers = await _events(scene, socket, live, 1)
            if numbers != [1]:
                raise Failed(f"{form}: events {numbers}")
    return "both forms"


@CHECKS.add("websocket-resume", "MAY", "what was missed comes first after binding again, then live")
async def _resume(scene: Scene) -> str:
    await needs_operation(scene, OPERATION)
    async with _on_socket(scene, "resume") as live:
        async with _socket(scene, live) as socket:
            await scene.fire(live)
            before = await _events(scene, socket, live, 1)
        await scene.fire(live)
        await scene.fire(live)
        async with _socket(scene, live) as socket:
            missed = await _events(scene, socket, live, 3)
            await scene.fire(live)
            after = await _events(scene, socket, live, 4)
    # A client that left at once may meet the last one again: nothing told the server it was read.
    if [*dict.fromkeys(before + missed), *after] != [1, 2, 3, 4]:
        raise Failed(f"events {before}, then {missed}, then {after}")
    return "1, disconnected, 2 and 3, then 4"


@CHECKS.add("websocket-bad-token", "SHALL", "an unknown token binds nothing and ends the socket")
async def _bad_token(scene: Scene) -> str:
    await needs_operation(scene, OPERATION)
    async with _on_socket(scene, "bad-token") as live:
        bound = await binding(scene.client, live.id)
        async with connect(bound.url, proxy=None, close_timeout=1) as socket:
            await socket.send(FORMS[0].format("not-a-token"))
            try:
                async with asyncio.timeout(scene.patience):
                    frame = await socket.recv()
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else None
                return f"closed with {code}"
            except TimeoutError:
                raise Failed("the socket stays open") from None
            raise Failed(f"answered {frame[:80]!r}")
