"""What a client's Subscription must be for this server to take it; each fault is one problem.

The create-time checks of the Backport guide (components, "Creating Subscriptions"): topic and
filters known, channel supported, endpoint acceptable, payload and content supported together.
Refused with 422 rather than accepted in a changed form: a client that asked for something must not
believe it has it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from fhirserver.kernel.canonical import TOPIC_READING
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.core.address import refusal
from subscriptions.core.client_subscription import Wishes, wishes
from subscriptions.core.filter_criteria import BadFilter, conditions
from subscriptions.core.topic_catalog import Catalog

CROSS_VERSION: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription"
LONGEST_TIMEOUT: Final = 60
SHORTEST_HEARTBEAT: Final = 10
LARGEST_BATCH: Final = 1000
_CONTENTS: Final = ("empty", "id-only", "full-resource")
_FHIR_JSON: Final = ("application/fhir+json", "application/json")
_VERSIONS: Final = ("4.0", "4.0.1")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[\x20-\x7e\t]*")
# Set by the server, or able to change whom the request is really for.
_OWN_HEADERS: Final = frozenset(
    (
        "host",
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
    )
)


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """Where notifications may go. `allow_insecure` permits http and private addresses (tests)."""

    allow_insecure: bool


def check(resource: Json, topics: Catalog, policy: EndpointPolicy, now: datetime) -> list[Problem]:
    """Return everything that is wrong with a client's Subscription, [] when it can be taken."""
    wanted = wishes(resource)
    return [
        *_topic(wanted, topics),
        *_channel(wanted, policy),
        *_payload(wanted),
        *_limits(wanted),
        *_extensions(resource),
        *_end(resource, now),
    ]


def _problem(expression: str, message: str) -> Problem:
    return Problem("error", "business-rule", f"Subscription.{expression}", message)


def _topic(wanted: Wishes, topics: Catalog) -> Iterator[Problem]:
    topic = topics.find(wanted.topic)
    if topic is None:
        yield _problem("criteria", f"unknown topic {wanted.topic!r}")
        return
    if topic.url == TOPIC_READING:
        yield _problem("criteria", "this topic is evaluated by the server's own rule engine only")
    for filter_text in wanted.filters:
        try:
            conditions(topic, [filter_text])
        except BadFilter as problem:
            yield _problem("criteria.extension", f"filter not supported: {problem}")


def _channel(wanted: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
    if wanted.custom_channel is not None:
        yield _problem(
            "channel.type.extension", f"unsupported channel type {wanted.custom_channel!r}"
        )
    if wanted.channel == "sms":
        yield _problem(
            "channel.type",
            "text message Subscriptions are made by the server for members of a CareTeam and"
            " proven by their owner",
        )
        return
    if wanted.channel != "rest-hook":
        yield _problem("channel.type", f"unsupported channel type {wanted.channel!r}")
        return
    fault = endpoint_fault(wanted.endpoint, policy)
    if fault is not None:
        yield _problem("channel.endpoint", fault)
    for header in wanted.headers:
        if not _HEADER.fullmatch(header):
            yield _problem("channel.header", "a header must be 'Name: value' in printable ASCII")
        elif header.partition(":")[0].strip().lower() in _OWN_HEADERS:
            yield _problem("channel.header", "this header is set by the server")


def endpoint_fault(endpoint: str | None, policy: EndpointPolicy) -> str | None:
    """Return why `endpoint` cannot be called, as far as its text says; None when it may be."""
    if not endpoint:
        return "a rest-hook needs an endpoint"
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError:
        return "not a URL"
    if url.scheme not in ("https", "http") or not url.hostname or port == 0:
        return "not an https URL"
    if any(ord(c) <= 0x20 or ord(c) == 0x7F for c in endpoint):
        return "not a URL"
    if url.username is not None or url.password is not None or url.fragment:
        return "an endpoint must not carry a user, a password or a fragment"
    return None if policy.allow_insecure else _unsafe(url.scheme, url.hostname)


def _unsafe(scheme: str, host: str) -> str | None:
    if scheme == "http":
        return "plain http is refused; use https"
    if host == "localhost" or host.endswith(".localhost"):
        return "a loopback address is refused"
    is_address = host.replace(".", "").isdigit() or ":" in host
    if is_address and (reason := refusal(host)) is not None:
        return f"this address is refused: {reason}"
    return None


def _payload(wanted: Wishes) -> Iterator[Problem]:
    if wanted.channel not in ("rest-hook", ""):
        return
    if wanted.payload is None:
        yield _problem("channel.payload", "a payload type is required")
    elif not _is_fhir_json(wanted.payload):
        yield _problem("channel.payload", f"unsupported payload type {wanted.payload!r}")
    if wanted.content is None:
        yield _problem("channel.payload.extension", "backport-payload-content is required")
    elif wanted.content not in _CONTENTS:
        yield _problem(
            "channel.payload.extension", f"unsupported payload content {wanted.content!r}"
        )


def _is_fhir_json(payload: str) -> bool:
    mime, *parameters = (part.strip() for part in payload.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "fhirversion" and value.strip('" ') not in _VERSIONS:
            return False
    return mime.lower() in _FHIR_JSON


def _limits(wanted: Wishes) -> Iterator[Problem]:
    if wanted.timeout is not None and not 1 <= wanted.timeout <= LONGEST_TIMEOUT:
        yield _problem(
            "channel.extension", f"backport-timeout must be 1 to {LONGEST_TIMEOUT} seconds"
        )
    if wanted.heartbeat is not None and wanted.heartbeat < SHORTEST_HEARTBEAT:
        yield _problem(
            "channel.extension",
            f"backport-heartbeat-period must be at least {SHORTEST_HEARTBEAT} seconds",
        )
    if wanted.max_count is not None and not 1 <= wanted.max_count <= LARGEST_BATCH:
        yield _problem("channel.extension", f"backport-max-count must be 1 to {LARGEST_BATCH}")


def _extensions(resource: Json) -> Iterator[Problem]:
    elements = (resource, resource.get("_criteria"), resource.get("channel"))
    for element in elements:
        if not isinstance(element, dict):
            continue
        for extension in element.get("extension", []):
            if str(extension.get("url", "")).startswith(CROSS_VERSION):
                yield _problem("extension", "R5 cross-version extensions are not supported here")


def _end(resource: Json, now: datetime) -> Iterator[Problem]:
    end = resource.get("end")
    if isinstance(end, str) and ended(end, now):
        yield _problem("end", "the Subscription would have ended already")


def ended(end: str, now: datetime) -> bool:
    """Return whether the instant `end` has passed."""
    return datetime.fromisoformat(end) <= now
