"""Events over sockets: in order, once a socket, resumed without a gap, ended when access ends."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from fhirserver.kernel.canonical import BACKPORT
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from subscriptions.core.websocket_binding import Limits
from tests.conftest import Database
from tests.integration.websocket.conftest import (
    Ward,
    alarm,
    care_team,
    listening,
    open_ward,
    put,
    status_of,
    subscription,
    token_for,
)
from tests.patience import PATIENCE_SECONDS, unhurried


def extension(name: str, **value: Any) -> Json:
    return {"url": BACKPORT + name, **value}


async def delivered(ward: Ward, id_: str = "s1") -> int:
    """The last event number that the server has recorded as arrived."""
    rows = await ward.place.record.scan(
        "SELECT delivered_through FROM subscription_cursor WHERE tenant = %s AND subscription = %s",
        (ward.place.tenant, id_),
    )
    return int(rows[0][0])


async def confirmed(ward: Ward, number: int, id_: str = "s1") -> None:
    """Wait until the server has recorded that event `number` arrived."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await delivered(ward, id_) >= number:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_an_event_comes_with_the_content_that_was_asked_for(ward: Ward, content: str) -> None:
    await put(ward.nurse, subscription(content=content))
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        await alarm(ward.admin, 1)
        bundle = await subscriber.next()
    assert not validate(bundle)
    assert status_of(bundle)["events"] == [1]
    assert status_of(bundle)["events-since-subscription-start"] == "1"
    flags = [e["resource"] for e in bundle["entry"] if "resource" in e][1:]
    assert ("Flag/ann-1" in json.dumps(bundle)) is (content != "empty")
    assert bool([f for f in flags if f["resourceType"] == "Flag"]) is (content == "full-resource")


async def test_missed_events_come_first_then_live_ones(ward: Ward) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    for number in range(1, 6):
        await alarm(ward.admin, number)
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        assert status_of(await subscriber.next())["type"] == "handshake"
        assert await subscriber.until(5) == [1, 2, 3, 4, 5]
        await alarm(ward.admin, 6)
        assert await subscriber.until(6) == [1, 2, 3, 4, 5, 6]
        await confirmed(ward, 6)
    await alarm(ward.admin, 7)
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        assert await subscriber.until(7) == [7]


async def test_batches_keep_to_max_count(ward: Ward) -> None:
    wish = extension("backport-max-count", valuePositiveInt=2)
    await put(ward.nurse, subscription(extensions=[wish]))
    for number in range(1, 6):
        await alarm(ward.admin, number)
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.until(5)
    batches = [events for _, kind, events in subscriber.heard if kind == "event-notification"]
    assert all(len(events) <= 2 for events in batches)


async def test_several_subscriptions_share_a_socket(ward: Ward) -> None:
    await put(ward.admin, subscription("s1"))
    await put(ward.admin, subscription("s2", patient="joe", content="full-resource"))
    first, second = await token_for(ward.admin, "s1"), await token_for(ward.admin, "s2")
    async with listening(first["websocket-url"]) as subscriber:
        await subscriber.bind(first["token"])
        await subscriber.bind(second["token"], colon=False)
        await subscriber.next()
        await subscriber.next()
        assert [(of, kind) for of, kind, _ in subscriber.heard] == [
            ("s1", "handshake"),
            ("s2", "handshake"),
        ]
        await alarm(ward.admin, 1, "joe")
        await alarm(ward.admin, 1, "ann")
        await subscriber.until(1, "s1")
        await subscriber.until(1, "s2")


async def test_many_sockets_get_one_event_each_with_its_own_numbers(ward: Ward) -> None:
    ids = [f"m{number}" for number in range(12)]
    for id_ in ids:
        await put(ward.admin, subscription(id_, content="full-resource"))
    tokens = [await token_for(ward.admin, id_) for id_ in ids]
    async with asyncio.timeout(PATIENCE_SECONDS):
        opened = [listening(got["websocket-url"]) for got in tokens]
        subscribers = [await one.__aenter__() for one in opened]
        for subscriber, got in zip(subscribers, tokens, strict=True):
            await subscriber.bind(got["token"])
            await subscriber.next()
        await alarm(ward.admin, 1)
        bundles = [await subscriber.next() for subscriber in subscribers]
        for one in opened:
            await one.__aexit__(None, None, None)
    for id_, bundle in zip(ids, bundles, strict=True):
        status = status_of(bundle)
        assert status["subscription"]["reference"] == f"{ward.place.base}/Subscription/{id_}"
        assert bundle["entry"][0]["request"]["url"].endswith(f"Subscription/{id_}/$status")
        assert status["events"] == [1]
        assert not validate(bundle)
    assert len({bundle["entry"][0]["fullUrl"] for bundle in bundles}) == len(ids)


async def test_a_newer_socket_takes_over_and_goes_on_behind(ward: Ward) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as older:
        await older.bind(got["token"])
        await alarm(ward.admin, 1)
        await older.until(1)
        await confirmed(ward, 1)
        async with listening(got["websocket-url"]) as newer:
            await newer.bind(got["token"])
            assert (await older.closed())[0] == 4409
            await alarm(ward.admin, 2)
            assert await newer.until(2) == [2]


async def test_a_heartbeat_comes_when_nothing_else_does(ward: Ward) -> None:
    wish = extension("backport-heartbeat-period", valueUnsignedInt=30)
    await put(ward.nurse, subscription(extensions=[wish]))
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        await asyncio.sleep(0)
        ward.place.clock.ahead = timedelta(seconds=31)
        assert status_of(await subscriber.next())["type"] == "heartbeat"


@pytest.mark.parametrize("how", ["delete", "off"])
async def test_a_subscription_that_ends_closes_its_socket_within_a_second(
    ward: Ward, how: str
) -> None:
    await put(ward.admin, subscription())
    got = await token_for(ward.admin, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        if how == "delete":
            assert (await ward.admin.delete("Subscription/s1")).status_code in (200, 204)
        else:
            await put(ward.admin, {**subscription(), "status": "off"})
        async with unhurried(1.0):
            assert (await subscriber.closed())[0] == 4410


async def test_who_leaves_the_care_team_is_closed_within_a_second(ward: Ward) -> None:
    await put(ward.nurse, subscription(content="full-resource"))
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        await put(ward.admin, care_team())
        async with unhurried(1.0):
            assert (await subscriber.closed())[0] == 1008
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        assert (await subscriber.closed())[0] == 1008


async def test_an_edit_is_followed_on_the_open_socket(ward: Ward) -> None:
    await put(ward.nurse, subscription(content="id-only"))
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        await put(ward.nurse, subscription(content="full-resource"))
        await alarm(ward.admin, 1)
        bundle = await subscriber.next()
        assert any(e.get("resource", {}).get("resourceType") == "Flag" for e in bundle["entry"])


async def test_a_client_that_does_not_read_is_let_go_and_resumes(database: Database) -> None:
    limits = Limits(stall=timedelta(seconds=2), frames=4, size=20_000)
    async with open_ward(database, limits=limits) as ward:
        await put(ward.nurse, subscription(content="full-resource"))
        got = await token_for(ward.nurse, "s1")
        host, port = ward.place.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            b"GET /ws/subscriptions HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        frame = f"bind-with-token: {got['token']}".encode()
        writer.write(bytes([0x81, 0x80 | len(frame)]) + bytes(4) + frame)
        for number in range(1, 13):
            await alarm(ward.admin, number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while ward.place.sockets._sockets:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        assert await delivered(ward) == 0, "nothing was confirmed, so nothing counts as delivered"
        writer.close()
        async with listening(got["websocket-url"]) as subscriber:
            await subscriber.bind(got["token"])
            assert await subscriber.until(12) == list(range(1, 13))


async def test_a_server_that_stops_says_so(ward: Ward) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        await ward.place.sockets.close()
        assert (await subscriber.closed())[0] == 1001
