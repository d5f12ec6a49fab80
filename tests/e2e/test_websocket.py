"""Websockets of the server as it is installed: told behind a proxy's name, and told when the server stops."""

import asyncio
import json

import httpx
from websockets.asyncio.client import connect

from tests.e2e.conftest import RunningServer, a_server
from tests.integration.websocket.conftest import (
    Subscriber,
    alarm,
    put,
    subscription,
    token_for,
)
from tests.patience import PATIENCE_SECONDS


async def bound(server: RunningServer, client: httpx.AsyncClient, subscriber: Subscriber) -> None:
    await put(client, {"resourceType": "Patient", "id": "ann"})
    await put(client, subscription())
    got = await token_for(client, "s1")
    assert got["websocket-url"] == "wss://fhir.example.org/ws/subscriptions"
    await subscriber.bind(got["token"])
    await subscriber.next()


async def test_a_bound_socket_is_told_an_event_and_then_that_the_server_stops() -> None:
    with a_server(PUBLIC_URL="https://fhir.example.org") as server:
        # A proxy would take wss://fhir.example.org to this port.
        local = f"ws://127.0.0.1:{server.process.place.port}/ws/subscriptions"
        headers = {
            "authorization": f"Bearer {server.token}",
            "content-type": "application/fhir+json",
        }
        async with (
            httpx.AsyncClient(
                base_url=f"{server.base}/", headers=headers, timeout=PATIENCE_SECONDS
            ) as client,
            connect(local, proxy=None, open_timeout=PATIENCE_SECONDS) as socket,
        ):
            subscriber = Subscriber(socket, [])
            await bound(server, client, subscriber)
            await alarm(client, 1)
            told = await subscriber.next()
            assert json.dumps(told).count("https://fhir.example.org/fhir/Subscription/s1") >= 2
            assert subscriber.numbers() == [1]
            stopping = asyncio.create_task(asyncio.to_thread(server.process.stop))
            assert (await subscriber.closed())[0] == 1001
            await stopping
