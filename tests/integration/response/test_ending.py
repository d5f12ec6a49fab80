"""Subscriptions whose end comes while nobody delivers them."""

from datetime import timedelta

from subscriptions.worker.worker import ENDING_SECONDS
from tests.integration.response.conftest import Place
from tests.integration.response.test_rest_hook import URL, subscribe, subscription


async def test_the_end_of_what_nobody_delivers_is_noticed_too(place: Place) -> None:
    end = (place.now + timedelta(hours=1)).isoformat()
    place.receiver.failing.add(URL)
    await subscribe(place, {**subscription("in-error"), "end": end})
    socket = {**subscription("no-socket", status="active"), "end": end}
    channel = {k: v for k, v in socket["channel"].items() if k in ("_payload", "payload")}
    await place.put({**socket, "channel": {**channel, "type": "websocket"}})
    statuses = [
        (await place.get("Subscription", id_))["status"] for id_ in ("in-error", "no-socket")
    ]
    assert statuses == ["error", "active"]
    await place.worker.ending.run_due()
    assert (await place.get("Subscription", "no-socket"))["status"] == "active"
    place.now += timedelta(minutes=61)
    await place.worker.ending.run_due()
    for id_ in ("in-error", "no-socket"):
        stored = await place.get("Subscription", id_)
        assert (stored["status"], stored.get("error")) == ("off", None)
    assert ENDING_SECONDS < 60
