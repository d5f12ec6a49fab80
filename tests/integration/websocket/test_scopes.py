"""What a Subscription was written under, it is sent under: scopes hold for sockets too."""

from collections.abc import Sequence

import httpx

from fhirserver.kernel.principal import Grant
from fhirserver.kernel.resource import Json
from tests.integration.websocket.conftest import (
    Ward,
    listening,
    put,
    subscription,
    token_for,
)

TECHNICAL = ("user/Subscription.cruds", "user/Flag.rs?code=device-silent", "user/Patient.rs")


async def app(ward: Ward, scopes: Sequence[str], patient: str | None = None) -> httpx.AsyncClient:
    """The nurse's client with a token that `scopes` narrow."""
    client = await ward.place.client_of("practitioner", "Practitioner/nina")
    narrowed = client.headers["authorization"].removeprefix("Bearer ")
    genuine = ward.place.record.grant

    async def grant(token: str) -> Grant | None:
        found = await genuine(token)
        if found is None or token != narrowed:
            return found
        return Grant(found.principal, tuple(scopes), patient)

    ward.place.record.grant = grant  # type: ignore[method-assign]
    return client


async def flag(client: httpx.AsyncClient, id_: str, code: str) -> None:
    resource: Json = {
        "resourceType": "Flag",
        "id": id_,
        "status": "active",
        "code": {"coding": [{"system": "urn:codes", "code": code}]},
        "subject": {"reference": "Patient/ann"},
    }
    await put(client, resource)


async def test_a_socket_is_sent_what_the_scopes_of_its_subscription_cover(ward: Ward) -> None:
    narrow = await app(ward, TECHNICAL)
    await put(narrow, subscription("narrow", content="full-resource"))
    await put(ward.nurse, subscription("wide", content="full-resource"))
    got = await token_for(narrow, "narrow")
    other = await token_for(ward.nurse, "wide")
    async with (
        listening(got["websocket-url"]) as machine,
        listening(other["websocket-url"]) as everything,
    ):
        await machine.bind(got["token"])
        await machine.next()
        await everything.bind(other["token"])
        await everything.next()
        for id_, code in (("body", "low-pressure"), ("machine", "device-silent")):
            await flag(ward.admin, id_, code)
        assert await everything.until(2, "wide") == [1, 2]
        # The first event of this one is already the second Flag: nothing was counted for the other.
        bundle = await machine.next()
    assert machine.numbers("narrow") == [1]
    flags = [
        one["resource"]["id"]
        for one in bundle["entry"]
        if one["resource"]["resourceType"] == "Flag"
    ]
    assert flags == ["machine"]
    events = (await narrow.get("Subscription/narrow/$events")).text
    assert "Flag/machine" in events
    assert "Flag/body" not in events


async def test_a_socket_is_given_to_the_same_scopes_only(ward: Ward) -> None:
    await put(ward.nurse, subscription("wide"))
    narrow = await app(ward, TECHNICAL)

    answer = await narrow.get("Subscription/wide/$get-ws-binding-token")
    assert answer.status_code == 403
    assert "other scopes" in answer.text
    assert (await narrow.get("Subscription/$get-ws-binding-token?id=wide")).status_code == 403
    assert (await narrow.get("Subscription/$get-ws-binding-token")).status_code in (403, 422)
