"""An alarm that was answered may be silent for a while; what may not, and what ends it."""

import pytest

from fhirserver.kernel.errors import Unprocessable
from tests.integration.response.conftest import BOB, Place
from tests.integration.response.on_call import BOB_AS_CLIENT, a_finding, finds


async def test_what_was_answered_may_be_paused_and_rings_again(place: Place) -> None:
    await finds(place, a_finding(place, "device-silent"))
    (page,) = [t for t in await place.all("Task") if "partOf" in t]
    until = {"period": {"end": "2026-08-01T09:03:00Z"}}
    with pytest.raises(Unprocessable):
        await place.client_put({**page, "status": "on-hold", "restriction": until}, BOB_AS_CLIENT)
    await place.client_put({**page, "status": "received"}, BOB_AS_CLIENT)
    page = await place.get("Task", page["id"])
    too_long = {"period": {"end": "2026-08-01T09:06:00Z"}}
    with pytest.raises(Unprocessable):
        await place.client_put(
            {**page, "status": "on-hold", "restriction": too_long}, BOB_AS_CLIENT
        )
    await place.client_put({**page, "status": "on-hold", "restriction": until}, BOB_AS_CLIENT)
    assert (await place.query("SELECT signal FROM alert"))[0] == ("paused",)
    await place.after(179)
    assert len(place.pages()) == 1
    await place.after(2)
    assert place.pages(BOB, "sms")[-1].at.minute == 3
    assert (await place.query("SELECT signal, response FROM alert"))[0] == ("on", "notifying")


async def test_a_value_that_gets_worse_ends_a_pause(place: Place) -> None:
    await finds(place, a_finding(place, "device-silent"))
    (page,) = [t for t in await place.all("Task") if "partOf" in t]
    await place.client_put({**page, "status": "received"}, BOB_AS_CLIENT)
    page = await place.get("Task", page["id"])
    await place.client_put({**page, "status": "on-hold"}, BOB_AS_CLIENT)
    await place.after(10)
    await finds(place, a_finding(place, "device-silent", what="still-breached"))
    assert len(place.pages()) == 1
    await finds(place, a_finding(place, "device-silent", what="still-breached", worse=True))
    assert place.pages(BOB, "sms")[-1].at == place.now


async def test_a_haemorrhage_is_not_paused_by_anybody(place: Place) -> None:
    await place.alarm()
    (page,) = [t for t in await place.all("Task") if "partOf" in t]
    await place.client_put({**page, "status": "accepted"}, BOB_AS_CLIENT)
    page = await place.get("Task", page["id"])
    with pytest.raises(Unprocessable):
        await place.client_put({**page, "status": "on-hold"}, BOB_AS_CLIENT)
