"""However a relationship ends, the socket that lived on it is closed within a second."""

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.relationships import denial, on_call, until_sees
from tests.integration.websocket.conftest import (
    Ward,
    alarm,
    care_team,
    listening,
    put,
    subscription,
    token_for,
)
from tests.patience import unhurried

OMAR = {"resourceType": "Practitioner", "id": "omar"}
DUTY = on_call("Practitioner/omar") | {"id": "duty"}
ROLE: Json = {
    "resourceType": "PractitionerRole",
    "id": "ward-nurse",
    "practitioner": {"reference": "Practitioner/omar"},
}
DENIAL = denial("no-omar", "ann", "Practitioner/omar")


async def post(client: httpx.AsyncClient, url: str, **given: str) -> None:
    parameters = [{"name": name, "valueString": value} for name, value in given.items()]
    body = {"resourceType": "Parameters", **({"parameter": parameters} if parameters else {})}
    answer = await client.post(url, json=body)
    assert answer.is_success, answer.text


async def begin(ward: Ward, how: str, omar: httpx.AsyncClient) -> None:
    await put(ward.admin, OMAR)
    if how == "break-glass":
        await post(omar, "Patient/ann/$break-glass", reason="help")
    elif how == "on-call":
        await put(ward.admin, DUTY)
        await put(ward.admin, care_team("Practitioner/nina", "CareTeam/duty"))
    elif how == "role":
        await put(ward.admin, ROLE)
        await put(ward.admin, care_team("Practitioner/nina", "PractitionerRole/ward-nurse"))
    else:
        await put(ward.admin, care_team("Practitioner/nina", "Practitioner/omar"))


async def end(ward: Ward, how: str, omar: httpx.AsyncClient) -> None:
    if how == "break-glass":
        await post(omar, "Patient/ann/$end-break-glass")
    elif how == "on-call":
        await put(ward.admin, {**DUTY, "status": "inactive"})
    elif how == "role":
        await put(ward.admin, {**ROLE, "active": False})
    elif how == "consent":
        await put(ward.admin, DENIAL)
    else:
        await post(ward.admin, "CareTeam/team-ann/$remove-member", member="Practitioner/omar")


@pytest.mark.parametrize("how", ["break-glass", "on-call", "role", "consent", "removal"])
async def test_the_socket_is_closed_within_a_second(ward: Ward, how: str) -> None:
    omar = await ward.place.client_of("practitioner", "Practitioner/omar")
    await begin(ward, how, omar)
    await until_sees(omar, "Patient/ann")
    await put(omar, subscription(content="full-resource"))
    got = await token_for(omar, "s1")
    async with listening(got["websocket-url"]) as subscriber:
        await subscriber.bind(got["token"])
        await subscriber.next()
        await alarm(ward.admin, 1)
        await subscriber.next()
        await end(ward, how, omar)
        async with unhurried(1.0):
            assert (await subscriber.closed())[0] == 1008
