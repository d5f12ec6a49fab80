"""Checks that a server refuses what it cannot do.

A refusal counts when the answer is a 4xx, or when what was stored no longer has the value that is not
supported. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html#creating-subscriptions
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

import httpx

from conformance.subscriptions.check import Checks, Failed, Scene
from conformance.subscriptions.subscription import (
    CHANNEL_TYPE,
    CONTENT,
    CROSS_VERSION,
    FILTER,
    Wish,
)

Json = dict[str, Any]
Spoil = Callable[[Json], str]

CHECKS: Final = Checks()


async def _refused(scene: Scene, label: str, spoil: Spoil) -> str:
    """Spoil a good Subscription; `spoil` changes it and returns text that must not be stored."""
    stimulus = await scene.stimulus()
    endpoint = await scene.endpoint(label)
    wish = Wish(await scene.topic(), endpoint.url, filters=(stimulus.filter,))
    resource = deepcopy(wish.resource())
    value = spoil(resource)
    reply = await scene.client.ask("POST", "Subscription", resource)
    if reply.is_refusal:
        if (reply.body or {}).get("resourceType") != "OperationOutcome":
            raise Failed(f"refused with {reply.status}, but without an OperationOutcome")
        return f"answered {reply.problem()}"
    if reply.status != 201 or reply.body is None:
        raise Failed(f"answered {reply.problem()}")
    stored = str(reply.body.get("id"))
    try:
        kept = await scene.client.get(f"Subscription/{stored}")
    finally:
        with suppress(httpx.HTTPError):
            await scene.client.ask("DELETE", f"Subscription/{stored}")
    if value and _holds(kept, value):
        raise Failed(f"taken as it was, with {value!r}")
    if not value:
        raise Failed("taken as it was")
    return f"taken without {value!r}"


def _holds(node: Any, text: str) -> bool:
    if isinstance(node, dict):
        return any(_holds(value, text) for value in node.values())
    if isinstance(node, list):
        return any(_holds(value, text) for value in node)
    return bool(node == text)


@CHECKS.add("reject-topic", "SHALL", "an unknown topic is refused")
async def _topic(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        resource["criteria"] = f"http://example.org/SubscriptionTopic/{secrets.token_hex(8)}"
        return str(resource["criteria"])

    return await _refused(scene, "topic", spoil)


@CHECKS.add("reject-filter", "SHALL", "a filter the topic does not have is refused")
async def _filter(scene: Scene) -> str:
    kind = (await scene.stimulus()).type

    def spoil(resource: Json) -> str:
        text = f"{kind}?no-such-parameter=1"
        resource["_criteria"] = {"extension": [{"url": FILTER, "valueString": text}]}
        return text

    return await _refused(scene, "filter", spoil)


@CHECKS.add("reject-filter-text", "SHALL", "a filter that is no filter is refused")
async def _filter_text(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        resource["_criteria"] = {"extension": [{"url": FILTER, "valueString": "&&=="}]}
        return "&&=="

    return await _refused(scene, "filter-text", spoil)


@CHECKS.add("reject-channel-type", "SHALL", "a channel type the server does not have is refused")
async def _channel_type(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        coding = {"system": "http://example.org/channel-type", "code": "carrier-pigeon"}
        resource["channel"]["_type"] = {"extension": [{"url": CHANNEL_TYPE, "valueCoding": coding}]}
        return "carrier-pigeon"

    return await _refused(scene, "channel-type", spoil)


@CHECKS.add("reject-endpoint", "SHALL", "an endpoint of a scheme nobody posts to is refused")
async def _endpoint(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        resource["channel"]["endpoint"] = "file:///etc/hostname"
        return "file:///etc/hostname"

    return await _refused(scene, "endpoint", spoil)


@CHECKS.add("reject-no-endpoint", "SHALL", "a rest-hook without an endpoint is refused")
async def _no_endpoint(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        del resource["channel"]["endpoint"]
        return ""

    return await _refused(scene, "no-endpoint", spoil)


@CHECKS.add("reject-payload-type", "SHALL", "a payload type the server does not have is refused")
async def _payload_type(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        resource["channel"]["payload"] = "application/x-conformance"
        return "application/x-conformance"

    return await _refused(scene, "payload-type", spoil)


@CHECKS.add("reject-fhir-version", "SHALL", "a FHIR version the server does not have is refused")
async def _fhir_version(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        resource["channel"]["payload"] = "application/fhir+json; fhirVersion=2.0"
        return "application/fhir+json; fhirVersion=2.0"

    return await _refused(scene, "fhir-version", spoil)


@CHECKS.add("reject-content", "SHALL", "a content level that does not exist is refused")
async def _content(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        extension = {"url": CONTENT, "valueCode": "everything"}
        resource["channel"]["_payload"] = {"extension": [extension]}
        return "everything"

    return await _refused(scene, "content", spoil)


@CHECKS.add("reject-payload-channel", "SHALL", "a payload the channel cannot carry is refused")
async def _pair(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        resource["channel"]["payload"] = "text/plain"
        extension = {"url": CONTENT, "valueCode": "full-resource"}
        resource["channel"]["_payload"] = {"extension": [extension]}
        return "text/plain"

    return await _refused(scene, "pair", spoil)


@CHECKS.add("reject-cross-version", "SHOULD", "an R5 cross-version extension is refused")
async def _cross_version(scene: Scene) -> str:
    def spoil(resource: Json) -> str:
        extension = {"url": CROSS_VERSION, "valueCanonical": resource["criteria"]}
        resource["extension"] = [extension]
        return CROSS_VERSION

    return await _refused(scene, "cross-version", spoil)
