"""Checks of what a server says about itself: capabilities and topics.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html
"""

from typing import Any, Final

from conformance.subscriptions.check import Checks, Failed, Scene, Skipped
from conformance.subscriptions.scene import TOPICS, subscription_resource, topics_of
from conformance.subscriptions.subscription import BACKPORT, PROFILE

Json = dict[str, Any]

CHECKS: Final = Checks()
_INSTANTIATES: Final = BACKPORT + "CapabilityStatement/backport-subscription-server-r4"
_STATUS: Final = BACKPORT + "OperationDefinition/backport-subscription-status"


async def _said(scene: Scene) -> Json:
    found = subscription_resource(await scene.statement())
    if found is None:
        raise Failed("the CapabilityStatement does not name Subscription")
    return found


@CHECKS.add("capability-subscription", "SHALL", "Subscription can be read and written")
async def _interactions(scene: Scene) -> str:
    codes = {one.get("code") for one in (await _said(scene)).get("interaction", [])}
    missing = {"read", "create", "update", "delete"} - codes
    if missing:
        raise Failed(f"Subscription lacks {', '.join(sorted(missing))}")
    return "read, create, update and delete are stated"


@CHECKS.add("capability-profile", "SHALL", "the Subscription profile is in supportedProfile")
async def _profile(scene: Scene) -> str:
    profiles = (await _said(scene)).get("supportedProfile", [])
    if not any(str(one).partition("|")[0] == PROFILE for one in profiles):
        raise Failed(f"supportedProfile is {profiles}")
    return PROFILE


@CHECKS.add("capability-instantiates", "SHOULD", "the statement instantiates the guide's server")
async def _instantiates(scene: Scene) -> str:
    said = (await scene.statement()).get("instantiates", [])
    if not any(str(one).partition("|")[0] == _INSTANTIATES for one in said):
        raise Failed(f"instantiates is {said}")
    return _INSTANTIATES


@CHECKS.add("capability-search-url", "SHALL", "Subscription can be searched by url")
async def _search_url(scene: Scene) -> str:
    names = {one.get("name") for one in (await _said(scene)).get("searchParam", [])}
    if "url" not in names:
        raise Failed(f"search parameters: {', '.join(sorted(map(str, names)))}")
    return "url is stated"


@CHECKS.add("capability-search-status", "SHOULD", "Subscription can be searched by status")
async def _search_status(scene: Scene) -> str:
    names = {one.get("name") for one in (await _said(scene)).get("searchParam", [])}
    if "status" not in names:
        raise Failed(f"search parameters: {', '.join(sorted(map(str, names)))}")
    return "status is stated"


@CHECKS.add("capability-status-operation", "SHALL", "$status is stated with its definition")
async def _status_operation(scene: Scene) -> str:
    operations = (await _said(scene)).get("operation", [])
    found = [str(one.get("definition", "")).partition("|")[0] for one in operations]
    if _STATUS not in found:
        raise Failed(f"operations: {', '.join(found) or 'none'}")
    return _STATUS


@CHECKS.add("topic-discovery", "SHOULD", "topics are listed in the CapabilityStatement")
async def _topics(scene: Scene) -> str:
    topics = topics_of(await scene.statement())
    if not topics:
        raise Failed(f"no extension {TOPICS} on Subscription")
    return ", ".join(topics)


@CHECKS.add("topics-are-taken", "SHALL", "a topic that is listed can be subscribed to")
async def _topics_taken(scene: Scene) -> str:
    async with scene.live("topic", active=False) as live:
        return f"{live.wish.topic} was taken"


@CHECKS.add("search-by-url", "SHALL", "a Subscription is found by the url of its endpoint")
async def _found_by_url(scene: Scene) -> str:
    async with scene.live("search") as live:
        found = await scene.client.get(f"Subscription?url={live.endpoint.url}")
        ids = [entry.get("resource", {}).get("id") for entry in found.get("entry", [])]
        if ids != [live.id]:
            raise Failed(f"found {ids}, not {live.id}")
        return f"found {live.id} alone"


def operation_stated(statement: Json, name: str) -> bool:
    """Return whether a CapabilityStatement offers the operation `name` (without $) on Subscription."""
    said = subscription_resource(statement) or {}
    return any(
        one.get("name") == name or str(one.get("definition", "")).endswith("-" + name)
        for one in said.get("operation", [])
    )


async def needs_operation(scene: Scene, name: str) -> None:
    """Raise `Skipped` when the server does not offer `name`."""
    if not operation_stated(await scene.statement(), name):
        raise Skipped(f"the server does not offer ${name}")
