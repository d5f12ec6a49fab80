"""What a client's Subscription must be for this server to take it; each fault is one problem.

The create-time checks of the Backport guide (components, "Creating Subscriptions"): topic and
filters known, channel supported, endpoint acceptable, payload and content supported together.
Refused with 422 rather than accepted in a changed form: a client that asked for something must not
believe it has it.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.core.channel_kind import ChannelKinds
from subscriptions.core.client_subscription import Wishes, wishes
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.filter_criteria import BadFilter, demands, search_demand
from subscriptions.core.secret_fingerprint import fingerprint_of
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Catalog

LONGEST_TIMEOUT: Final = 60
SHORTEST_HEARTBEAT: Final = 10
LARGEST_BATCH: Final = 1000
MOST_FILTERS: Final = 100
_CONTENTS: Final = ("empty", "id-only", "full-resource")
_STATUSES: Final = ("requested", "active", "off")
# Elements of R5 and later, as extensions on R4.
_CROSS_VERSION: Final = re.compile(
    r"http://hl7\.org/fhir/[0-9.]+/StructureDefinition/extension-Subscription(?:$|[.#])"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server has for clients: topics, channels by code, and where they may lead."""

    topics: Catalog
    channels: ChannelKinds
    endpoints: EndpointPolicy


def check(resource: Json, previous: Json | None, offer: Offer, now: datetime) -> list[Problem]:
    """Return everything that is wrong with a client's Subscription, [] when it can be taken.

    `previous` is what it replaces.
    """
    wanted = wishes(resource)
    return [
        *_topic(wanted, offer.topics),
        *_same(wanted, previous),
        *_channel(wanted, offer),
        *_content(wanted, resource),
        *_limits(wanted),
        *_status(resource, previous),
        *_secret(wanted, resource, previous),
        *_cross_version(resource),
        *_end(wanted, now),
    ]


def status_to_store(resource: Json, offer: Offer) -> str:
    """Return the status a faultless Subscription of a client begins with.

    A client may start it (again) or end it. That the endpoint works is for the server to find out,
    where there is anything to find out; from an error it only comes back when the client says so.
    """
    status = str(resource["status"])
    if status in ("off", "error"):
        return status
    wanted = wishes(resource)
    kind = offer.channels[wanted.way]
    return "requested" if kind.needs_handshake and not wanted.plain else "active"


def ended(end: str, now: datetime) -> bool:
    """Return whether the instant `end` has passed."""
    return datetime.fromisoformat(end) <= now


def _problem(expression: str, message: str) -> Problem:
    return Problem("error", "business-rule", f"Subscription.{expression}", message)


def _topic(wanted: Wishes, topics: Catalog) -> Iterator[Problem]:
    topic = topics.find(wanted.topic)
    if topic is None:
        yield _problem("criteria", f"unknown topic {wanted.topic!r}")
    elif topic.is_internal:
        yield _problem("criteria", "this topic is evaluated by the server's own rule engine only")
    elif len(wanted.filters) > MOST_FILTERS:
        yield _problem("criteria.extension", f"more than {MOST_FILTERS} filters")
    else:
        yield from _filters(wanted, topic)


def _filters(wanted: Wishes, topic: Topic) -> Iterator[Problem]:
    try:
        if wanted.plain:
            search_demand(topic, wanted.filters[0])
        else:
            demands(topic, wanted.filters)
    except BadFilter as refusal:
        place, what = ("criteria", "criteria") if wanted.plain else ("criteria.extension", "filter")
        for problem in refusal.problems:
            yield _problem(place, f"{what} not supported: {problem}")


def _same(wanted: Wishes, previous: Json | None) -> Iterator[Problem]:
    """Yield a problem where events that are owed already would be told under another topic."""
    if previous is None:
        return
    before = wishes(previous)
    if (before.plain, _url(before)) != (wanted.plain, _url(wanted)):
        yield _problem("criteria", "a Subscription keeps its topic: create another one")


def _url(wanted: Wishes) -> str:
    return wanted.topic.partition("|")[0]


def _channel(wanted: Wishes, offer: Offer) -> Iterator[Problem]:
    code = wanted.way
    kind = offer.channels.get(code)
    if kind is not None:
        yield from kind.faults(wanted, offer.endpoints)
    elif wanted.custom_channel is not None:
        yield _problem("channel.type.extension", f"unsupported channel type {code!r}")
    elif code == "sms":
        yield _problem(
            "channel.type",
            "text message Subscriptions are made by the server for members of a CareTeam and"
            " proven by their owner",
        )
    else:
        yield _problem("channel.type", f"unsupported channel type {code!r}")


def _content(wanted: Wishes, resource: Json) -> Iterator[Problem]:
    place = "channel.payload.extension"
    if wanted.plain:
        if resource.get("_criteria") is not None:
            yield _problem("criteria.extension", "filters need a topic; put them into the search")
        if resource.get("channel", {}).get("_payload") is not None:
            yield _problem(place, "a content level needs a topic; leave payload out for none")
    elif wanted.content is None:
        yield _problem(place, "backport-payload-content is required")
    elif wanted.content not in _CONTENTS:
        yield _problem(place, f"unsupported payload content {wanted.content!r}")


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


def _status(resource: Json, previous: Json | None) -> Iterator[Problem]:
    status = resource.get("status")
    if status == "error" and previous is not None and previous.get("status") == "error":
        return
    if status not in _STATUSES:
        yield _problem("status", f"status {status!r} is found by the server; ask with 'requested'")


def _secret(wanted: Wishes, resource: Json, previous: Json | None) -> Iterator[Problem]:
    said = fingerprint_of(resource)
    if said is None or wanted.secret is not None:
        return
    if previous is None or fingerprint_of(previous) != said:
        yield _problem("channel.extension", "the fingerprint is of no secret known here: send it")


def _cross_version(resource: Json) -> Iterator[Problem]:
    if any(_CROSS_VERSION.match(url) for url in _extension_urls(resource)):
        yield _problem("extension", "R5 cross-version extensions are not supported here")


def _extension_urls(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _extension_urls(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("extension", "modifierExtension") and isinstance(one, list):
                yield from (str(e.get("url", "")) for e in one if isinstance(e, dict))
            yield from _extension_urls(one)


def _end(wanted: Wishes, now: datetime) -> Iterator[Problem]:
    if wanted.end is not None and ended(wanted.end, now):
        yield _problem("end", "the Subscription would have ended already")
