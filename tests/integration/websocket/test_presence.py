"""Who else has a chart open, as sockets are told."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx

from subscriptions.core.presence import PRESENT_FOR
from subscriptions.store import presence_rows
from tests.integration.websocket.conftest import (
    Subscriber,
    Ward,
    care_team,
    listening,
    put,
    subscription,
    token_for,
)
from tests.patience import PATIENCE_SECONDS


async def bound(app: Subscriber, client: httpx.AsyncClient, id_: str) -> Subscriber:
    """Bind a Subscription of the client's own, which presence needs."""
    await put(client, subscription(id_))
    await app.bind((await token_for(client, id_))["token"])
    return app


async def url_of(client: httpx.AsyncClient, id_: str) -> str:
    await put(client, subscription(id_))
    return str((await token_for(client, id_))["websocket-url"])


async def told(app: Subscriber) -> tuple[str, list[str]]:
    """The next message about presence: the chart, and who else has it open."""
    while True:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message: Any = json.loads(await app.socket.recv())
        if message["resourceType"] == "Parameters":
            ((whose, *others),) = (one["part"] for one in message["parameter"])
            assert {one["name"] for one in others} <= {"viewer"}
            return (
                whose["valueReference"]["reference"],
                [one["valueReference"]["reference"] for one in others],
            )


async def partner_of(ward: Ward) -> httpx.AsyncClient:
    bob = {"resourceType": "RelatedPerson", "id": "bob", "patient": {"reference": "Patient/ann"}}
    await put(ward.admin, bob)
    await put(ward.admin, care_team("Practitioner/nina", "RelatedPerson/bob"))
    return await ward.place.client_of("related-person", "RelatedPerson/bob")


async def test_those_who_have_a_chart_open_learn_of_each_other(ward: Ward) -> None:
    partner = await partner_of(ward)
    url = await url_of(ward.nurse, "p1")
    async with listening(url) as nurse:
        await bound(nurse, ward.nurse, "p1")
        await nurse.socket.send("presence: Patient/ann")
        assert await told(nurse) == ("Patient/ann", [])
        async with listening(url) as bob:
            await bound(bob, partner, "p2")
            await bob.socket.send("presence: Patient/ann")
            assert await told(bob) == ("Patient/ann", ["Practitioner/nina"])
            assert await told(nurse) == ("Patient/ann", ["RelatedPerson/bob"])
            await bob.socket.send("presence:")
            assert await told(nurse) == ("Patient/ann", [])
            await bob.socket.send("presence: Patient/ann")
            assert await told(nurse) == ("Patient/ann", ["RelatedPerson/bob"])
        # The socket is closed, and so is the chart.
        assert await told(nurse) == ("Patient/ann", [])


async def test_what_another_process_holds_is_told_for_half_a_minute(
    ward: Ward,
) -> None:
    place = ward.place
    url = await url_of(ward.nurse, "p1")
    async with listening(url) as nurse:
        await bound(nurse, ward.nurse, "p1")
        await nurse.socket.send("presence: Patient/ann")
        assert await told(nurse) == ("Patient/ann", [])
        socket = UUID(int=7)
        async with place.record.work(place.tenant) as tx:
            opened = {socket: ("Practitioner/omar", "ann")}
            await presence_rows.keep(tx, opened, tx.now + PRESENT_FOR)
        assert await told(nurse) == ("Patient/ann", ["Practitioner/omar"])
        place.clock.ahead += PRESENT_FOR
        assert await told(nurse) == ("Patient/ann", [])


async def test_who_may_not_see_the_patient_learns_nothing_and_is_not_told_of(ward: Ward) -> None:
    url = await url_of(ward.nurse, "p1")
    await put(
        ward.admin,
        {
            **care_team("Practitioner/omar"),
            "id": "team-joe",
            "subject": {"reference": "Patient/joe"},
        },
    )
    omar = await ward.place.client_of("practitioner", "Practitioner/omar")
    await put(omar, subscription("p3", patient="joe"))
    async with listening(url) as nurse, listening(url) as stranger:
        await bound(nurse, ward.nurse, "p1")
        await nurse.socket.send("presence: Patient/ann")
        assert await told(nurse) == ("Patient/ann", [])
        await stranger.bind((await token_for(omar, "p3"))["token"])
        await stranger.socket.send("presence: Patient/ann")
        assert await told(stranger) == ("Patient/ann", [])
        await stranger.socket.send("presence: Patient/nobody")
        assert await told(stranger) == ("Patient/nobody", [])
        # Once omar is in the team, both learn of each other.
        await stranger.socket.send("presence: Patient/ann")
        assert await told(stranger) == ("Patient/ann", [])
        await put(ward.admin, care_team("Practitioner/nina", "Practitioner/omar"))
        assert await told(nurse) == ("Patient/ann", ["Practitioner/omar"])
        assert await told(stranger) == ("Patient/ann", ["Practitioner/nina"])
        # And out of it, neither.
        await put(ward.admin, care_team("Practitioner/nina"))
        assert await told(nurse) == ("Patient/ann", [])
        assert await told(stranger) == ("Patient/ann", [])


async def test_nothing_is_told_before_something_is_bound(ward: Ward) -> None:
    async with listening(await url_of(ward.nurse, "p1")) as app:
        await app.socket.send("presence: Patient/ann")
        assert (await app.closed())[0] == 4408
