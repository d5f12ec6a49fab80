"""Checks of `$status` and `$events`.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html
"""

from typing import Any, Final

from conformance.subscriptions.check import Checks, Failed, Scene
from conformance.subscriptions.discovery import needs_operation
from conformance.subscriptions.notification import bundle_faults, read, read_status, status_faults
from conformance.subscriptions.workflow import notified

Json = dict[str, Any]

CHECKS: Final = Checks()


def _searchset(bundle: Json) -> list[Json]:
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "searchset":
        raise Failed(f"answered a {bundle.get('resourceType')} of type {bundle.get('type')!r}")
    return [entry.get("resource", {}) for entry in bundle.get("entry", [])]


def _ids(found: list[Json]) -> set[str]:
    return {read_status(one).subscription.rpartition("/")[2] for one in found}


@CHECKS.add(
    "status", "SHALL", "$status of one Subscription: a searchset with its SubscriptionStatus"
)
async def _status(scene: Scene) -> str:
    async with scene.live("status") as live:
        await scene.fire(live)
        await notified(scene, live)
        found = _searchset(await scene.client.get(f"Subscription/{live.id}/$status"))
        if len(found) != 1:
            raise Failed(f"{len(found)} entries")
        faults = list(status_faults(found[0]))
        if faults:
            raise Failed("; ".join(faults))
        said = read_status(found[0])
        seen = (said.subscription, said.status, said.kind, said.since_start)
        expected = (f"Subscription/{live.id}", "active", "query-status", 1)
        if seen != expected:
            raise Failed(f"says {seen}, expected {expected}")
        return "active, query-status, 1 event"


@CHECKS.add("status-by-post", "SHALL", "$status can be asked by POST")
async def _status_post(scene: Scene) -> str:
    async with scene.live("status-post") as live:
        body: Json = {"resourceType": "Parameters"}
        reply = await scene.client.must("POST", f"Subscription/{live.id}/$status", body)
        if _ids(_searchset(reply.body or {})) != {live.id}:
            raise Failed("it does not answer the Subscription asked for")
        return "the same answer as by GET"


@CHECKS.add("status-of-several", "SHALL", "$status of the type: by id, by status, or all visible")
async def _status_type(scene: Scene) -> str:
    async with (
        scene.live("several-1") as one,
        scene.live("several-2") as two,
        scene.live("several-3", active=False, mood="error") as broken,
    ):
        await scene.settles(broken.id, "error")
        by_id = await scene.client.get(f"Subscription/$status?id={one.id}&id={two.id}")
        if _ids(_searchset(by_id)) != {one.id, two.id}:
            raise Failed(f"by id: {sorted(_ids(_searchset(by_id)))}")
        by_status = _ids(_searchset(await scene.client.get("Subscription/$status?status=error")))
        if broken.id not in by_status or by_status & {one.id, two.id}:
            raise Failed(f"by status error: {sorted(by_status)}")
        every = _ids(_searchset(await scene.client.get("Subscription/$status")))
        if not every >= {one.id, two.id, broken.id}:
            raise Failed(f"without parameters: {sorted(every)}")
    return "by id, by status and all"


@CHECKS.add("events", "MAY", "$events repeats what was notified, by number, both ends included")
async def _events(scene: Scene) -> str:
    await needs_operation(scene, "events")
    async with scene.live("events") as live:
        focuses = [await scene.fire(live) for _ in range(3)]
        await live.endpoint.wait(
            lambda it: sum(len(one.status().events) for one in it.arrivals) >= 3, scene.patience
        )
        bundle = await scene.client.events(live.id, 2, 3)
        faults = bundle_faults(bundle, live.id, str(live.wish.content))
        said = read(bundle)
        if said.kind != "query-event":
            faults.append(f"the type is {said.kind!r}")
        if [(one.number, one.focus) for one in said.events] != [(2, focuses[1]), (3, focuses[2])]:
            faults.append(f"events {[(one.number, one.focus) for one in said.events]}")
        every = await scene.client.events_of(live.id)
        if every.numbers != (1, 2, 3):
            faults.append(f"without bounds: {every.numbers}")
        if faults:
            raise Failed("; ".join(faults))
    return "events 2 to 3, and all"


@CHECKS.add("events-while-failing", "MAY", "$events answers what could not be delivered")
async def _events_failing(scene: Scene) -> str:
    await needs_operation(scene, "events")
    async with scene.live("events-failing") as live:
        live.endpoint.always("error")
        focus = await scene.fire(live)
        await notified(scene, live)
        said = await scene.client.events_of(live.id)
        if [event.focus for event in said.events] != [focus]:
            raise Failed(f"answers {said.events}")
    return "the undelivered event is there"
