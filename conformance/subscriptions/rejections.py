"""Checks that a server refuses what it cannot do.

A refusal counts when the answer is a 4xx, or when what was stored no longer has the value that is not
supported. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html#creating-subscriptions
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any, Final

import httpx

from conformance.subscriptions.check import Checks, Failed, Level, Scene
from conformance.subscriptions.subscription import (
    CHANNEL_TYPE,
    CONTENT,
    CROSS_VERSION,
    FILTER,
    Wish,
)

Json = dict[str, Any]
Spoil = Callable[[Json], str]


async def _refused(scene: Scene, *, label: str, spoil: Spoil) -> str:
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


def _topic(resource: Json) -> str:
    resource["criteria"] = f"http://example.org/SubscriptionTopic/{secrets.token_hex(8)}"
    return str(resource["criteria"])


def _filter(resource: Json) -> str:
    good = str(resource["_criteria"]["extension"][0]["valueString"])
    text = f"{good.partition('?')[0]}?no-such-parameter=1"
    resource["_criteria"] = _extended(FILTER, valueString=text)
    return text


def _filter_text(resource: Json) -> str:
    resource["_criteria"] = _extended(FILTER, valueString="&&==")
    return "&&=="


def _channel_type(resource: Json) -> str:
    coding = {"system": "http://example.org/channel-type", "code": "carrier-pigeon"}
    resource["channel"]["_type"] = _extended(CHANNEL_TYPE, valueCoding=coding)
    return "carrier-pigeon"


def _endpoint(resource: Json) -> str:
    resource["channel"]["endpoint"] = "file:///etc/hostname"
    return "file:///etc/hostname"


def _no_endpoint(resource: Json) -> str:
    del resource["channel"]["endpoint"]
    return ""


def _payload_type(resource: Json) -> str:
    resource["channel"]["payload"] = "application/x-conformance"
    return "application/x-conformance"


def _fhir_version(resource: Json) -> str:
    resource["channel"]["payload"] = "application/fhir+json; fhirVersion=2.0"
    return "application/fhir+json; fhirVersion=2.0"


def _content(resource: Json) -> str:
    resource["channel"]["_payload"] = _extended(CONTENT, valueCode="everything")
    return "everything"


def _payload_channel(resource: Json) -> str:
    resource["channel"]["payload"] = "text/plain"
    resource["channel"]["_payload"] = _extended(CONTENT, valueCode="full-resource")
    return "text/plain"


def _cross_version(resource: Json) -> str:
    resource |= _extended(CROSS_VERSION, valueCanonical=resource["criteria"])
    return CROSS_VERSION


def _extended(url: str, **value: Any) -> Json:
    return {"extension": [{"url": url, **value}]}


# Name, level, requirement, and what asks for it.
_REJECTIONS: Final[tuple[tuple[str, Level, str, Spoil], ...]] = (
    ("reject-topic", "SHALL", "an unknown topic is refused", _topic),
    ("reject-filter", "SHALL", "a filter the topic does not have is refused", _filter),
    ("reject-filter-text", "SHALL", "a filter that is no filter is refused", _filter_text),
    (
        "reject-channel-type",
        "SHALL",
        "a channel type the server does not have is refused",
        _channel_type,
    ),
    ("reject-endpoint", "SHALL", "an endpoint of a scheme nobody posts to is refused", _endpoint),
    ("reject-no-endpoint", "SHALL", "a rest-hook without an endpoint is refused", _no_endpoint),
    (
        "reject-payload-type",
        "SHALL",
        "a payload type the server does not have is refused",
        _payload_type,
    ),
    (
        "reject-fhir-version",
        "SHALL",
        "a FHIR version the server does not have is refused",
        _fhir_version,
    ),
    ("reject-content", "SHALL", "a content level that does not exist is refused", _content),
    (
        "reject-payload-channel",
        "SHALL",
        "a payload the channel cannot carry is refused",
        _payload_channel,
    ),
    ("reject-cross-version", "SHOULD", "an R5 cross-version extension is refused", _cross_version),
)


def _checks() -> Checks:
    checks = Checks()
    for name, level, requirement, spoil in _REJECTIONS:
        checks.add(name, level, requirement)(partial(_refused, label=name, spoil=spoil))
    return checks


CHECKS: Final = _checks()
