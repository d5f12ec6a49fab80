"""Patients and care partners are told by Subscriptions of their own, and touch nobody else's."""

import httpx
import pytest

from tests.integration.websocket.conftest import (
    Ward,
    alarm,
    care_team,
    listening,
    put,
    subscription,
    token_for,
)


@pytest.fixture
async def partner(ward: Ward) -> httpx.AsyncClient:
    """Bob, who is called when something is wrong with Ann."""
    bob = {"resourceType": "RelatedPerson", "id": "bob", "patient": {"reference": "Patient/ann"}}
    await put(ward.admin, bob)
    await put(ward.admin, care_team("Practitioner/nina", "RelatedPerson/bob"))
    return await ward.place.client_of("related-person", "RelatedPerson/bob")


@pytest.fixture
async def patient(ward: Ward, partner: httpx.AsyncClient) -> httpx.AsyncClient:
    assert not partner.is_closed
    return await ward.place.client_of("patient", "Patient/ann")


async def statuses(client: httpx.AsyncClient, id_: str) -> list[int]:
    """What reading, changing and deleting a Subscription is answered with."""
    changed = {**subscription(id_), "reason": "mine now"}
    return [
        (await client.get(f"Subscription/{id_}")).status_code,
        (await client.put(f"Subscription/{id_}", json=changed)).status_code,
        (await client.delete(f"Subscription/{id_}")).status_code,
    ]


async def ids(client: httpx.AsyncClient) -> set[str]:
    found = (await client.get("Subscription?status=active")).json().get("entry", ())
    return {one["resource"]["id"] for one in found}


async def test_a_care_partner_is_told_of_alarms(ward: Ward, partner: httpx.AsyncClient) -> None:
    await put(partner, subscription("of-bob"))
    got = await token_for(partner, "of-bob")
    async with listening(got["websocket-url"]) as app:
        await app.bind(got["token"])
        await app.next()
        await alarm(ward.admin, 71)
        assert await app.until(1, "of-bob") == [1]
    assert (await partner.delete("Subscription/of-bob")).status_code == 204


async def test_nobody_learns_of_strangers(partner: httpx.AsyncClient) -> None:
    answer = await partner.put("Subscription/joes", json=subscription("joes", patient="joe"))
    assert answer.status_code == 403
    anybody = subscription("all", patient=None)
    assert (await partner.put("Subscription/all", json=anybody)).status_code == 403


async def test_those_of_others_are_neither_seen_nor_ended(
    ward: Ward, partner: httpx.AsyncClient, patient: httpx.AsyncClient
) -> None:
    await put(ward.nurse, subscription("of-nina"))
    await put(patient, subscription("of-ann"))
    await put(partner, subscription("of-bob-2"))
    assert await statuses(partner, "of-nina") == [404, 404, 204]
    assert await statuses(partner, "of-ann") == [404, 404, 204]
    assert await ids(partner) == {"of-bob-2"}
    # A patient's record is the patient's to read, and those who are told are not theirs to cut off.
    assert await statuses(patient, "of-nina") == [200, 403, 403]
    assert await statuses(patient, "of-bob-2") == [200, 403, 403]
    assert (await ward.nurse.get("Subscription/of-nina")).json()["reason"] != "mine now"
    assert {"of-nina", "of-ann", "of-bob-2"} <= await ids(ward.nurse)


async def test_one_s_own_is_changed_and_stays_one_s_own(
    ward: Ward, partner: httpx.AsyncClient
) -> None:
    await put(partner, subscription("changing"))
    await put(partner, {**subscription("changing"), "reason": "on the kitchen tablet"})
    read = await partner.get("Subscription/changing")
    assert read.json()["reason"] == "on the kitchen tablet"
    await put(ward.nurse, {**read.json(), "reason": "corrected by the clinic"})
    assert (await partner.get("Subscription/changing")).status_code == 200
