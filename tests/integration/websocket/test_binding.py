"""The token operation, and what opens a socket and what does not."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from fhirserver.validation import validate
from tests.conftest import Database
from tests.integration.websocket.conftest import (
    Ward,
    alarm,
    listening,
    open_ward,
    put,
    read_token,
    status_of,
    subscription,
    token_for,
)


async def test_a_websocket_subscription_is_active_at_once(ward: Ward) -> None:
    answer = await put(ward.nurse, subscription())
    assert answer.json()["status"] == "active"


async def test_the_token_comes_by_type_and_instance_by_get_and_post(ward: Ward) -> None:
    await put(ward.nurse, subscription("s1"))
    await put(ward.nurse, subscription("s2"))
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "id", "valueId": "s2"}, {"name": "id", "valueId": "s1"}],
    }
    one = {"s1"}
    for answer, expected in (
        (await ward.nurse.get("Subscription/s1/$get-ws-binding-token"), one),
        (await ward.nurse.post("Subscription/s1/$get-ws-binding-token"), one),
        (await ward.nurse.get("Subscription/$get-ws-binding-token?id=s1"), one),
        (await ward.nurse.get("Subscription/$get-ws-binding-token"), {"s1", "s2"}),
        (
            await ward.nurse.post("Subscription/$get-ws-binding-token", json=parameters),
            {"s1", "s2"},
        ),
    ):
        assert answer.status_code == 200, answer.text
        assert not validate(answer.json()), answer.text
        got = read_token(answer.json())
        assert set(got["subscriptions"]) == expected
        assert got["websocket-url"] == ward.place.url.replace("http", "ws") + "/ws/subscriptions"
        left = datetime.fromisoformat(got["expiration"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        assert len(got["token"]) >= 32


async def test_tokens_are_kept_as_hashes_only(ward: Ward, database: Database) -> None:
    await put(ward.nurse, subscription())
    token = (await token_for(ward.nurse, "s1"))["token"]
    with psycopg.connect(database.dsn) as connection:
        rows = connection.execute(
            "SELECT binding_token::text FROM binding_token WHERE tenant = %s", (ward.place.tenant,)
        ).fetchall()
    assert len(rows) == 1
    assert token not in rows[0][0]
    assert token.encode().hex() not in rows[0][0]


async def test_tokens_are_for_those_who_own_or_administer(ward: Ward) -> None:
    await put(ward.nurse, subscription("s1"))
    await put(ward.admin, subscription("s2"))
    path = "Subscription/{}/$get-ws-binding-token"
    assert (await ward.nurse.get(path.format("s2"))).status_code == 403
    assert (await ward.nurse.get(path.format("none"))).status_code == 404
    assert (await ward.admin.get(path.format("s1"))).status_code == 200
    stranger = await ward.place.client_of("practitioner", "Practitioner/omar")
    assert (await stranger.get(path.format("s1"))).status_code == 404
    assert (await stranger.get("Subscription/$get-ws-binding-token")).status_code == 422
    assert (await token_for(ward.nurse))["subscriptions"] == ["s1"]
    assert (await token_for(ward.admin))["subscriptions"] == ["s1", "s2"]


async def test_no_token_for_what_has_no_socket_or_is_not_active(ward: Ward) -> None:
    hook = subscription("hook", channel={"type": "rest-hook", "endpoint": "http://127.0.0.1:9/x"})
    await put(ward.nurse, hook)
    path = "Subscription/{}/$get-ws-binding-token"
    assert (await ward.nurse.get(path.format("hook"))).status_code == 422
    await put(ward.nurse, {**subscription("s1"), "status": "off"})
    assert (await ward.nurse.get(path.format("s1"))).status_code == 422


@pytest.mark.parametrize("colon", [True, False])
async def test_both_forms_of_the_frame_bind(ward: Ward, colon: bool) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"], colon=colon)
        handshake = await subscriber.next()
        assert handshake["type"] == "history"
        status = status_of(handshake)
        assert status["type"] == "handshake"
        assert status["status"] == "active"
        assert status["events-since-subscription-start"] == "0"
        assert not validate(handshake)


async def test_an_unknown_token_closes(ward: Ward) -> None:
    url = ward.place.url.replace("http", "ws") + "/ws/subscriptions"
    async with listening(url) as subscriber:
        await subscriber.bind("x" * 43)
        assert (await subscriber.closed())[0] == 1008


async def test_an_expired_token_closes_and_an_open_socket_ends_with_its_token(
    ward: Ward,
) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        ward.place.clock.ahead = timedelta(minutes=61)
        assert (await subscriber.closed())[0] == 1008
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        assert (await subscriber.closed())[0] == 1008


async def test_bound_anew_in_time_the_socket_stays_and_repeats_nothing(ward: Ward) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await alarm(ward.admin, 1)
        await subscriber.until(1)
        ward.place.clock.ahead = timedelta(minutes=50)
        again = await token_for(ward.nurse, "s1")
        await subscriber.bind(again["token"])
        told = status_of(await subscriber.next())["type"]
        while told == "heartbeat":  # due, for fifty minutes have passed
            told = status_of(await subscriber.next())["type"]
        assert told == "handshake"
        ward.place.clock.ahead = timedelta(minutes=70)
        await alarm(ward.admin, 2)
        assert await subscriber.until(2) == [1, 2]


async def test_what_is_no_bind_frame_closes(ward: Ward) -> None:
    url = ward.place.url.replace("http", "ws") + "/ws/subscriptions"
    for message, code in (("hello", 1008), ("x" * 600, 1009), ("x" * 5000, 1009), (b"x", 1003)):
        async with listening(url) as subscriber:
            await subscriber.socket.send(message)
            assert (await subscriber.closed())[0] == code


async def test_a_socket_on_which_nothing_is_bound_is_closed(ward: Ward) -> None:
    url = ward.place.url.replace("http", "ws") + "/ws/subscriptions"
    async with listening(url) as subscriber:
        ward.place.clock.ahead = timedelta(seconds=11)
        assert (await subscriber.closed())[0] == 4408


async def test_frames_without_end_are_stopped(ward: Ward) -> None:
    await put(ward.nurse, subscription())
    got = await token_for(ward.nurse, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        for _ in range(40):
            await subscriber.bind(got["token"])
        assert (await subscriber.closed())[0] == 4429


async def test_pages_of_other_origins_are_refused(database: Database) -> None:
    async with open_ward(database, origins=("https://app.example.org",)) as ward:
        await put(ward.nurse, subscription())
        got = await token_for(ward.nurse, "s1")
        with pytest.raises(InvalidStatus) as refused:
            async with listening(got["websocket-url"], origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        for origin in ("https://app.example.org", None):
            async with listening(got["websocket-url"], origin=origin) as subscriber:
                await subscriber.bind(got["token"])
                await subscriber.next()


async def test_what_a_websocket_cannot_do_is_refused_when_it_is_created(ward: Ward) -> None:
    resource = subscription(channel={"endpoint": "https://ehr.example.org/x"})
    answer = await ward.nurse.put("Subscription/s1", json=resource)
    assert answer.status_code == 422
    assert "Subscription.channel.endpoint" in answer.text
