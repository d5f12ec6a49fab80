"""Checks of what a notification carries at each content level.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/payloads.html
"""

from collections.abc import Sequence
from typing import Any, Final

from conformance.subscriptions.check import Checks, Failed, Live, Scene
from conformance.subscriptions.notification import included
from conformance.subscriptions.receiver import Arrival
from conformance.subscriptions.workflow import notified, well_formed

Json = dict[str, Any]

CHECKS: Final = Checks()
# What a server says that has no $validate.
_NO_OPERATION: Final = (404, 405, 501)


async def _one(scene: Scene, live: Live) -> tuple[Arrival, str]:
    focus = await scene.fire(live)
    (arrival, *_) = await notified(scene, live)
    well_formed(arrival, live)
    return arrival, focus


@CHECKS.add("empty", "SHALL", "empty names neither focus nor topic and carries nothing")
async def _empty(scene: Scene) -> str:
    async with scene.live("empty", content="empty") as live:
        arrival, focus = await _one(scene, live)
        if live.stimulus.patient.encode() in arrival.body or focus.encode() in arrival.body:
            raise Failed("the record shows through")
        return "one entry, event 1 without focus"


@CHECKS.add("id-only", "SHALL", "id-only names the focus; entries have no resource")
async def _id_only(scene: Scene) -> str:
    async with scene.live("id-only", content="id-only") as live:
        arrival, focus = await _one(scene, live)
        (event,) = arrival.status().events
        if event.focus != focus:
            raise Failed(f"the focus is {event.focus}, not {focus}")
        return f"focus {focus}"


@CHECKS.add("full-resource", "SHALL", "full-resource carries each focus, and it is valid")
async def _full(scene: Scene) -> str:
    async with scene.live("full", content="full-resource") as live:
        arrival, focus = await _one(scene, live)
        (event,) = arrival.status().events
        if event.focus != focus:
            raise Failed(f"the focus is {event.focus}, not {focus}")
        resources = included(arrival.bundle())
        if focus not in {f"{one['resourceType']}/{one['id']}" for one in resources}:
            raise Failed(f"{focus} is not carried")
        judged = [await _invalid(scene, one) for one in resources]
        wrong = [text for text in judged if text]
        if wrong:
            raise Failed("; ".join(wrong))
        return f"{len(resources)} resources carried"


async def _invalid(scene: Scene, resource: Json) -> str:
    """Return what the server itself finds wrong with `resource`; empty when nothing, or unable to say."""
    kind = str(resource["resourceType"])
    reply = await scene.client.ask("POST", f"{kind}/$validate", resource)
    if reply.status in _NO_OPERATION:
        return ""
    issues = (reply.body or {}).get("issue", [])
    wrong = [one for one in issues if one.get("severity") in ("error", "fatal")]
    return f"{kind}/{resource.get('id')}: {wrong[0].get('diagnostics', wrong[0])}" if wrong else ""


@CHECKS.add("several-events", "MAY", "events that waited ride together, in order")
async def _several(scene: Scene) -> str:
    async with scene.live("several", content="id-only", max_count=10) as live:
        live.endpoint.always("error")
        focuses = [await scene.fire(live) for _ in range(4)]
        live.endpoint.always("takes")
        await live.endpoint.wait(lambda it: _last(it.arrivals) == 4, scene.patience)
        taken = [one for one in live.endpoint.arrivals if one.answered == "taken"]
        sizes = [len(one.status().events) for one in taken]
        seen = [event.focus for one in taken for event in one.status().events]
        for one in taken:
            well_formed(one, live)
        if seen != focuses:
            raise Failed(f"notified of {seen}, expected {focuses}")
        if max(sizes) == 1:
            raise Failed("each came alone")
        return f"up to {max(sizes)} events in one notification"


def _last(arrivals: Sequence[Arrival]) -> int:
    """Return the highest number of an event that was taken."""
    taken = (one.status().numbers for one in arrivals if one.answered == "taken")
    return max((number for numbers in taken for number in numbers), default=0)
