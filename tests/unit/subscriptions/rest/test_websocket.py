"""The door for websockets, on a server that offers ASGI and nothing more."""

import asyncio
import json
from typing import Any

import pytest

from subscriptions.channels import sockets
from subscriptions.channels.sockets import Sockets
from subscriptions.rest.websocket import route
from tests.unit.subscriptions.channels.memory import Store, presences, process, stored, token


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return stored(monkeypatch)


class Client:
    """One connection: what goes in by `say`, what came out in `heard`."""

    def __init__(self, hub: Sockets, *, origin: str | None = None, origins: tuple = ("*",)) -> None:
        headers = [] if origin is None else [(b"origin", origin.encode())]
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/ws/subscriptions",
            "headers": headers,
            "query_string": b"",
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[Any] = []
        self.news = asyncio.Event()
        self.inbox.put_nowait({"type": "websocket.connect"})
        door = route(hub, presences(Store()), origins)
        self.task = asyncio.ensure_future(door.handle(self.scope, self.inbox.get, self._out))

    async def _out(self, message: Any) -> None:
        self.heard.append(message)
        self.news.set()

    def say(self, text: str) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def until(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()
        return self.heard


async def test_what_was_handed_over_counts_as_arrived_where_no_better_is_known(
    store: Store,
) -> None:
    hub = process(store)
    store.happen("s1", 2)
    client = Client(hub)
    client.say(f"bind-with-token {token('s1')}")
    while not hub._bound:  # noqa: ASYNC110 - its task runs in between
        await asyncio.sleep(0)
    await hub.make()
    await client.until(2)
    await hub.make()
    _, shake, events = await client.until(3)
    assert json.loads(shake["text"])["kind"] == "handshake"
    assert json.loads(events["text"])["numbers"] == ["1", "2"]
    client.leave()
    await client.task
    await hub.record()
    assert store.cursors["s1"].delivered_through == 2
    assert store.cursors["s1"].lease_until is None


async def test_a_foreign_origin_meets_403(store: Store) -> None:
    client = Client(process(store), origin="https://evil.example", origins=("https://app.example",))
    heard = await client.until(1)
    assert (heard[0]["type"], heard[0]["status"]) == ("websocket.http.response.start", 403)
    await client.task


async def test_a_full_server_meets_503(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST_SOCKETS", 0)
    client = Client(process(store))
    heard = await client.until(1)
    assert (heard[0]["type"], heard[0]["status"]) == ("websocket.http.response.start", 503)
    await client.task


async def test_a_client_that_says_something_else_is_told_why(store: Store) -> None:
    client = Client(process(store))
    client.say("hello")
    heard = await client.until(2)
    assert heard[1]["code"] == 1008
    assert "bind-with-token" in heard[1]["reason"]
    await client.task


async def test_a_note_is_sent_and_not_counted(store: Store) -> None:
    hub = process(store)
    client = Client(hub)
    await client.until(1)
    (socket,) = hub._sockets
    socket.note = "somebody else has this chart open"
    socket.wake.set()
    _, note = await client.until(2)
    assert note["text"] == "somebody else has this chart open"
    assert socket.conversation.mark == 0
    client.leave()
    await client.task


async def test_a_chart_is_opened_on_what_is_bound_alone(store: Store) -> None:
    client = Client(process(store))
    client.say("presence: Patient/ann")
    _, closed = await client.until(2)
    assert closed["code"] == 4408
    await client.task
