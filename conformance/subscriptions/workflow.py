"""Checks of a Subscription's life over the rest-hook channel: create, handshake, events, errors, end.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/workflow.html
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/errors.html
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import httpx

from conformance.subscriptions.check import Checks, Failed, Live, NotTaken, Scene, Skipped
from conformance.subscriptions.notification import bundle_faults
from conformance.subscriptions.receiver import Arrival
from conformance.subscriptions.subscription import FHIR_JSON, Wish

Json = dict[str, Any]

CHECKS: Final = Checks()
HEARTBEAT_SECONDS: Final = 10
# How long nothing may come before it counts as nothing.
QUIET_SECONDS: Final = 1.0
# Answer and handshake travel through two sockets of this process; which is read first is chance, and on a busy machine
# the other one may be read late: nobody is early who was in time once.
SAME_MOMENT_SECONDS: Final = 0.02
HANDSHAKES: Final = 3


async def notified(scene: Scene, live: Live, *, count: int = 1) -> list[Arrival]:
    """Return the event-notifications of `live` once there are `count`. Raises `Failed`."""
    found = await live.endpoint.wait_kind("event-notification", scene.patience, count=count)
    if len(found) < count:
        raise Failed(f"{len(found)} of {count} notifications arrived in {scene.patience:.0f} s")
    return found


def well_formed(arrival: Arrival, live: Live) -> None:
    """Raise `Failed` when a notification is not of the shape the guide gives it."""
    faults = bundle_faults(arrival.bundle(), live.id, str(live.wish.content))
    if faults:
        raise Failed("; ".join(faults))


async def rewrite(scene: Scene, live: Live, wish: Wish, status: str = "requested") -> None:
    """Put the Subscription of `live` as `wish` says."""
    await scene.client.put(wish.resource(id_=live.id, status=status))


@CHECKS.add("create-requested", "SHALL", "a create answers 201 with the resource, requested")
async def _create(scene: Scene) -> str:
    endpoint = await scene.endpoint("create")
    stimulus = await scene.stimulus()
    wish = Wish(await scene.topic(), endpoint.url, filters=(stimulus.filter,))
    for status in ("requested", "active"):
        reply = await scene.client.ask("POST", "Subscription", wish.resource(status=status))
        stored = reply.body or {}
        try:
            if reply.status != 201:
                raise Failed(f"status {status}: answered {reply.problem()}")
            if stored.get("resourceType") == "Subscription" and stored["status"] != "requested":
                raise Failed(f"status {status}: the answer says {stored['status']!r}")
        finally:
            if "id" in stored:
                with suppress(httpx.HTTPError):
                    await scene.client.ask("DELETE", f"Subscription/{stored['id']}")
    return "201 and requested, whatever status was sent"


@CHECKS.add("handshake-after-answer", "SHALL", "the handshake follows the answer to the create")
async def _handshake(scene: Scene) -> str:
    early = [await _early(scene, f"handshake-{number}") for number in range(HANDSHAKES)]
    if min(early) > SAME_MOMENT_SECONDS:
        raise Failed(f"the handshake came {min(early):.3f} s before the answer")
    return f"{-min(early):.3f} s after the answer"


async def _early(scene: Scene, name: str) -> float:
    """Return how long before the answer to a create its handshake came (s). Raises `Failed`."""
    endpoint = await scene.endpoint(name)
    stimulus = await scene.stimulus()
    wish = Wish(await scene.topic(), endpoint.url, filters=(stimulus.filter,))
    reply = await scene.client.must("POST", "Subscription", wish.resource())
    stored = str((reply.body or {}).get("id"))
    try:
        arrived = await endpoint.wait_kind("handshake", scene.patience)
        if not arrived:
            raise Failed(f"no handshake in {scene.patience:.0f} s")
        faults = bundle_faults(arrived[0].bundle(), stored, "id-only")
        status = arrived[0].status()
        if status.status != "requested":
            faults.append(f"it says status {status.status!r}")
        if status.since_start != 0:
            faults.append(f"it counts {status.since_start} events")
        if faults:
            raise Failed("; ".join(faults))
    finally:
        with suppress(httpx.HTTPError):
            await scene.client.ask("DELETE", f"Subscription/{stored}")
    return reply.ended - arrived[0].at


@CHECKS.add("active-after-handshake", "SHALL", "an answered handshake makes it active")
async def _active(scene: Scene) -> str:
    async with scene.live("active") as live:
        return f"{len(live.endpoint.of_kind('handshake'))} handshake, then active"


@CHECKS.add("error-after-refused-handshake", "SHALL", "a refused handshake makes it error")
async def _refused_handshake(scene: Scene) -> str:
    async with scene.live("refused", active=False, mood="error") as live:
        await scene.settles(live.id, "error")
        status = await scene.client.status(live.id)
        if status.status != "error":
            raise Failed(f"$status says {status.status!r}")
    return "error, and $status says so"


@CHECKS.add("client-reactivates", "SHALL", "after error, requested again brings everything owed")
async def _reactivated(scene: Scene) -> str:
    async with scene.live("again") as live:
        live.endpoint.always("error")
        await rewrite(scene, live, live.wish)
        await scene.settles(live.id, "error")
        focuses = [await scene.fire(live) for _ in range(2)]
        before = len(live.endpoint.of_kind("event-notification"))
        await asyncio.sleep(QUIET_SECONDS)
        if len(live.endpoint.of_kind("event-notification")) > before:
            raise Failed("a notification was sent although the status is error")
        live.endpoint.always("takes")
        await rewrite(scene, live, live.wish)
        await scene.settles(live.id, "active")
        seen: list[str | None] = []
        await live.endpoint.wait(
            lambda it: _focuses(it.of_kind("event-notification")) == focuses, scene.patience
        )
        seen = _focuses(live.endpoint.of_kind("event-notification"))
        if seen != focuses:
            raise Failed(f"arrived {seen}, owed {focuses}")
    return "two events of the time in error arrived, in order"


def _focuses(arrivals: list[Arrival]) -> list[str | None]:
    """Return the focus of each event that was taken, the first time it was."""
    by_number: dict[int, str | None] = {}
    for arrival in arrivals:
        if arrival.answered == "taken":
            for event in arrival.status().events:
                by_number.setdefault(event.number, event.focus)
    return list(by_number.values())


@CHECKS.add("event-notification", "SHALL", "an event of the topic is notified, numbered from 1")
async def _event(scene: Scene) -> str:
    async with scene.live("event") as live:
        await scene.fire(live)
        await scene.fire(live)
        await live.endpoint.wait(
            lambda it: _numbers(it.of_kind("event-notification")) == [1, 2], scene.patience
        )
        arrived = await notified(scene, live)
        if _numbers(arrived) != [1, 2]:
            raise Failed(f"event numbers {_numbers(arrived)}, not 1 and 2")
        for arrival in arrived:
            well_formed(arrival, live)
            if arrival.status().status != "active":
                raise Failed(f"a notification says status {arrival.status().status!r}")
        return f"events 1 and 2 in {len(arrived)} notifications"


def _numbers(arrivals: list[Arrival]) -> list[int]:
    return [number for arrival in arrivals for number in arrival.status().numbers]


@CHECKS.add("content-type", "SHALL", "the Content-Type of the POST is channel.payload")
async def _content_type(scene: Scene) -> str:
    async with scene.live("content-type", payload=FHIR_JSON) as live:
        await scene.fire(live)
        sent = [*live.endpoint.of_kind("handshake"), *await notified(scene, live)]
        types = {one.headers.get("content-type") for one in sent}
        if types != {FHIR_JSON}:
            raise Failed(f"Content-Type was {types}")
        return FHIR_JSON


@CHECKS.add("headers", "SHALL", "each channel.header is sent")
async def _headers(scene: Scene) -> str:
    headers = ("Authorization: Bearer of-the-receiver", "X-Conformance: yes")
    async with scene.live("headers", headers=headers) as live:
        await scene.fire(live)
        for arrival in [*live.endpoint.of_kind("handshake"), *await notified(scene, live)]:
            for header in headers:
                name, _, value = header.partition(": ")
                if arrival.headers.get(name.lower()) != value:
                    raise Failed(f"{name} was {arrival.headers.get(name.lower())!r}")
        return "both headers came with handshake and notification"


@CHECKS.add("filter", "SHALL", "what the filter does not let pass is not notified")
async def _filtered(scene: Scene) -> str:
    other = (await scene.stimulus()).filter_of_another
    async with scene.live("filter", filters=(other,)) as live:
        await scene.fire(live)
        await asyncio.sleep(QUIET_SECONDS)
        if live.endpoint.of_kind("event-notification"):
            raise Failed("the event of another patient was notified")
        status = await scene.client.status(live.id)
        if status.since_start:
            raise Failed(f"the event of another patient was counted: {status.since_start}")
    return "neither notified nor counted"


@CHECKS.add("heartbeat", "SHALL", "a heartbeat is sent when nothing was for the period")
async def _heartbeat(scene: Scene) -> str:
    async with scene.live("heartbeat", heartbeat=HEARTBEAT_SECONDS) as live:
        beats = await live.endpoint.wait_kind("heartbeat", HEARTBEAT_SECONDS + scene.patience)
        if not beats:
            raise Failed(f"no heartbeat {HEARTBEAT_SECONDS} s after the handshake")
        well_formed(beats[0], live)
        if beats[0].status().since_start != 0:
            raise Failed(f"the heartbeat counts {beats[0].status().since_start} events")
        since = beats[0].at - live.endpoint.of_kind("handshake")[0].at
        return f"{since:.1f} s after the handshake, the count untouched"


@CHECKS.add("max-count", "SHALL", "no notification has more events than backport-max-count")
async def _max_count(scene: Scene) -> str:
    async with scene.live("max-count", max_count=2) as live:
        live.endpoint.always("error")
        for _ in range(5):
            await scene.fire(live)
        live.endpoint.always("takes")
        arrived = await notified(scene, live)
        await live.endpoint.wait(
            lambda it: max(_numbers(it.of_kind("event-notification")), default=0) >= 5,
            scene.patience,
        )
        arrived = live.endpoint.of_kind("event-notification")
        sizes = [len(one.status().events) for one in arrived]
        if max(sizes) > 2:
            raise Failed(f"a notification has {max(sizes)} events")
        if set(_numbers(arrived)) != {1, 2, 3, 4, 5}:
            raise Failed(f"events {sorted(set(_numbers(arrived)))} of 5 arrived")
        return f"at most {max(sizes)} events a notification"


@CHECKS.add(
    "failure-is-counted", "SHALL", "a delivery that failed is counted and repeated in order"
)
async def _failed_delivery(scene: Scene) -> str:
    async with scene.live("failing") as live:
        live.endpoint.always("error")
        await scene.fire(live)
        await notified(scene, live)
        status = await scene.client.status(live.id)
        if status.since_start != 1:
            raise Failed(f"events-since-subscription-start is {status.since_start} after 1 event")
        live.endpoint.always("takes")
        await live.endpoint.wait(lambda it: bool(_focuses(it.arrivals)), scene.patience)
        if not _focuses(live.endpoint.of_kind("event-notification")):
            raise Failed("the event was not sent again")
        numbers = set(_numbers(live.endpoint.of_kind("event-notification")))
        if numbers != {1}:
            raise Failed(f"it was sent again under another number: {sorted(numbers)}")
    return "counted at once, sent again under its number"


@CHECKS.add("timeout", "SHALL", "an answer later than backport-timeout is a failed delivery")
async def _timeout(scene: Scene) -> str:
    async with scene.live("timeout", timeout=1) as live:
        live.endpoint.always("hangs")
        await scene.fire(live)
        again = await notified(scene, live, count=2)
        if again[0].status().numbers != again[1].status().numbers:
            raise Failed("after a timeout something else was sent")
        return f"sent again {again[1].at - again[0].at:.1f} s later"


@CHECKS.add("no-redirects", "SHOULD", "a redirect is not followed")
async def _redirect(scene: Scene) -> str:
    async with scene.live("redirect", active=False, mood="redirects") as live:
        await scene.settles(live.id, "error")
    return "a redirected handshake is an error"


@CHECKS.add("off", "SHALL", "a Subscription that is off is sent nothing")
async def _off(scene: Scene) -> str:
    async with scene.live("off") as live:
        await rewrite(scene, live, live.wish, "off")
        before = len(live.endpoint.arrivals)
        await scene.fire(live)
        await asyncio.sleep(QUIET_SECONDS)
        if len(live.endpoint.arrivals) > before:
            raise Failed("something was sent")
        if (await scene.client.get(f"Subscription/{live.id}"))["status"] != "off":
            raise Failed("it did not stay off")
    return "nothing was sent"


@CHECKS.add("delete", "SHALL", "a Subscription that is deleted is sent nothing")
async def _delete(scene: Scene) -> str:
    async with scene.live("delete") as live:
        await scene.client.must("DELETE", f"Subscription/{live.id}")
        before = len(live.endpoint.arrivals)
        await scene.fire(live)
        await asyncio.sleep(QUIET_SECONDS)
        if len(live.endpoint.arrivals) > before:
            raise Failed("something was sent")
    return "nothing was sent"


@CHECKS.add("edit", "SHALL", "an update is shaken hands on again, numbers go on")
async def _edit(scene: Scene) -> str:
    async with scene.live("edit") as live:
        await scene.fire(live)
        await notified(scene, live)
        elsewhere = await scene.endpoint("edited")
        await rewrite(scene, live, replace(live.wish, endpoint=elsewhere.url))
        if not await elsewhere.wait_kind("handshake", scene.patience):
            raise Failed("no handshake at the new endpoint")
        await scene.settles(live.id, "active")
        await scene.fire(live)
        arrived = await elsewhere.wait_kind("event-notification", scene.patience)
        if _numbers(arrived) != [2]:
            raise Failed(f"events {_numbers(arrived)} at the new endpoint, not 2")
    return "handshake at the new endpoint, then event 2"


@CHECKS.add("plain-criteria", "MAY", "a Subscription with R4 search criteria is served")
async def _plain(scene: Scene) -> str:
    try:
        async with scene.live("plain", plain=True) as live:
            focus = await scene.fire(live)
            await live.endpoint.wait(lambda it: bool(_resources(it.arrivals)), scene.patience)
            found = _resources(live.endpoint.arrivals)
            if found != [focus]:
                raise Failed(f"arrived {found}, expected {focus}")
    except NotTaken as refused:
        raise Skipped(f"the server takes topics only: {refused}") from refused
    return f"{focus} itself was posted"


def _resources(arrivals: list[Arrival]) -> list[str]:
    found = []
    for arrival in arrivals:
        body = arrival.bundle() if arrival.body else {}
        if body.get("resourceType") not in (None, "Bundle", "Parameters"):
            found.append(f"{body['resourceType']}/{body['id']}")
    return found
