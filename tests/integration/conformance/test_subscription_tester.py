"""The tester against servers that do less than they say: it must notice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from conformance.subscriptions.check import Outcome, Result
from conformance.subscriptions.receiver import listening
from conformance.subscriptions.scene import TOPICS, Given
from conformance.subscriptions.tester import Listen, examine

TOPIC = "http://example.org/SubscriptionTopic/patient-observation"


class Pretender:
    """Says it has Subscriptions and stores them; `eager` ones shake hands, once and wrongly. Never notifies."""

    def __init__(self, *, eager: bool) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.eager = eager

    async def answer(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path == "metadata":
            return web.json_response(_statement())
        if request.method == "POST" and path == "Subscription":
            return await self._create(await request.json())
        if request.method == "POST":
            return web.json_response({"resourceType": path, "id": "p1"}, status=201)
        if request.method == "DELETE":
            return web.Response(status=204)
        if path.endswith("$status"):
            return web.json_response({"resourceType": "Bundle", "type": "searchset", "entry": []})
        return web.json_response(self.stored[path.rpartition("/")[2]])

    async def _create(self, resource: dict[str, Any]) -> web.Response:
        number = str(len(self.stored) + 1)
        self.stored[number] = {**resource, "id": number, "status": "active"}
        if self.eager:
            async with ClientSession() as http:
                await http.post(resource["channel"]["endpoint"], json=_handshake(number))
        return web.json_response(self.stored[number], status=201)


def _statement() -> dict[str, Any]:
    extension = [{"url": TOPICS, "valueCanonical": TOPIC}]
    operations = [{"name": "get-ws-binding-token"}, {"name": "events"}]
    resource = {"type": "Subscription", "extension": extension, "operation": operations}
    return {"resourceType": "CapabilityStatement", "rest": [{"resource": [resource]}]}


def _handshake(number: str) -> dict[str, Any]:
    parameters = [
        {"name": "subscription", "valueReference": {"reference": f"Subscription/{number}"}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": "handshake"},
        {"name": "events-since-subscription-start", "valueString": "0"},
    ]
    status = {"resourceType": "Parameters", "parameter": parameters}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}


@asynccontextmanager
async def pretending(*, eager: bool) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/fhir/{path:.*}", Pretender(eager=eager).answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/fhir"
    finally:
        await runner.cleanup()


async def outcomes(base: str, only: Sequence[str]) -> dict[str, Outcome]:
    told: list[Result] = []
    await examine(
        base, "", given=Given(), listen=Listen(), only=only, patience=0.2, told=told.append
    )
    return {one.name: one.outcome for one in told}


async def test_a_server_that_only_stores_fails_by_name() -> None:
    only = [
        "capability-profile", "create-requested", "handshake-after-answer", "event-notification",
        "empty", "id-only", "full-resource", "status", "events", "websocket", "reject-topic",
        "reject-filter", "reject-channel-type", "reject-endpoint", "reject-payload-type",
        "reject-payload-channel", "reject-cross-version", "failure-is-counted", "edit",
    ]  # fmt: skip
    async with pretending(eager=False) as base:
        assert await outcomes(base, only) == dict.fromkeys(only, "failed")


async def test_what_it_does_right_passes() -> None:
    async with pretending(eager=False) as base:
        found = await outcomes(base, ["topic-discovery", "topics-are-taken", "filter"])
    # It cannot answer $status, so nothing says that the event was not counted.
    assert found == {"topic-discovery": "passed", "topics-are-taken": "passed", "filter": "failed"}


async def test_a_handshake_before_the_answer_and_of_the_wrong_shape_fails() -> None:
    async with pretending(eager=True) as base:
        assert await outcomes(base, ["handshake-after-answer"]) == {
            "handshake-after-answer": "failed"
        }


async def test_a_receiver_answers_in_every_mood() -> None:
    async with listening() as receiver, ClientSession() as http:
        endpoint = receiver.endpoint("moody")
        for mood, status in (("takes", 200), ("error", 500), ("gone", 410), ("slow", 200)):
            endpoint.always(mood)  # type: ignore[arg-type]
            async with http.post(endpoint.url, json={}) as answer:
                assert answer.status == status
        endpoint.always("huge")
        async with http.post(endpoint.url, json={}) as answer:
            assert len(await answer.read()) == 10 * 1024 * 1024
        endpoint.always("redirects")
        async with http.post(endpoint.url, json={}, allow_redirects=False) as answer:
            assert answer.status == 307
        endpoint.always("resets")
        try:
            async with http.post(endpoint.url, json={}):
                reset = False
        except OSError:
            reset = True
        assert reset
        await endpoint.wait(lambda it: it.arrivals[-1].ended is not None, 5.0)
    assert [one.answered for one in endpoint.arrivals] == [
        "taken", "refused", "refused", "taken", "uncertain", "refused", "unanswered",
    ]  # fmt: skip
