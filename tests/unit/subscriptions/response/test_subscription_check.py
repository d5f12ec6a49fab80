"""Each way a client's Subscription can be wrong, and some that are right."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from fhirserver.kernel.canonical import (
    BACKPORT,
    TOPIC_ALERT_TASK,
    TOPIC_DEVICE_ALERT,
    TOPIC_READING,
)
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.channels.rest_hook import RestHook
from subscriptions.channels.websocket import WEBSOCKET
from subscriptions.core.channel_kind import ChannelKind
from subscriptions.core.channel_secret import CHANNEL_SECRET
from subscriptions.core.client_subscription import wishes
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.secret_fingerprint import FINGERPRINT, fingerprint_of, with_fingerprint
from subscriptions.core.subscription_check import Offer, check, status_to_store
from subscriptions.response.shipped_topics import shipped

NOW = datetime(2026, 8, 1, tzinfo=UTC)
KINDS: dict[str, ChannelKind] = {
    "rest-hook": RestHook(cast("Any", None)),
    "websocket": WEBSOCKET,
}
OFFER = Offer(shipped(), KINDS, EndpointPolicy(allow_insecure=False))
PINNED = f"{TOPIC_DEVICE_ALERT}|{cast('Any', OFFER.topics.find(TOPIC_DEVICE_ALERT)).version}"
GOOD: Json = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "alerts",
    "criteria": TOPIC_DEVICE_ALERT,
    "_criteria": {
        "extension": [
            {"url": BACKPORT + "backport-filter-criteria", "valueString": "Flag?patient=Patient/1"}
        ]
    },
    "channel": {
        "type": "rest-hook",
        "endpoint": "https://ehr.example.org/hook",
        "payload": "application/fhir+json",
        "_payload": {
            "extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": "id-only"}]
        },
        "header": ["Authorization: Bearer x"],
        "extension": [
            {"url": BACKPORT + "backport-timeout", "valueUnsignedInt": 20},
            {"url": BACKPORT + "backport-max-count", "valuePositiveInt": 5},
            {"url": BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": 60},
        ],
    },
}


def changed(**paths: Any) -> Json:
    resource = deepcopy(GOOD)
    for path, value in paths.items():
        *parents, last = path.split("__")
        target = resource
        for parent in parents:
            target = target[parent]
        if value is None:
            target.pop(last, None)
        else:
            target[last] = value
    return resource


def filters(*texts: str) -> Json:
    url = BACKPORT + "backport-filter-criteria"
    return changed(_criteria={"extension": [{"url": url, "valueString": t} for t in texts]})


def content(code: str) -> Json:
    url = BACKPORT + "backport-payload-content"
    return changed(channel___payload={"extension": [{"url": url, "valueCode": code}]})


def limit(name: str, value: str, number: int) -> Json:
    return changed(channel__extension=[{"url": BACKPORT + name, value: number}])


def plain(criteria: str, **channel: Any) -> Json:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "results",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": "https://ehr.example.org/hook", **channel},
    }


def socket(**more: Any) -> Json:
    resource = deepcopy(GOOD)
    channel = resource["channel"]
    resource["channel"] = {
        "type": "websocket",
        "payload": channel["payload"],
        "_payload": channel["_payload"],
        **more,
    }
    return resource


def checked(resource: Json, previous: Json | None = None) -> list[Problem]:
    return check(resource, previous, OFFER, NOW)


def extended(place: str, url: str, **value: Any) -> Json:
    resource = deepcopy(GOOD)
    target = resource
    for name in place.split("."):
        target = target.setdefault(name, {}) if name else target
    target["extension"] = [*target.get("extension", []), {"url": url, **value}]
    return resource


def secret(text: str) -> Json:
    return extended("channel", CHANNEL_SECRET, valueString=text)


SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "resource",
    [
        GOOD,
        changed(criteria=PINNED),
        changed(criteria=TOPIC_ALERT_TASK, _criteria=None),
        changed(channel__payload="application/fhir+json; fhirVersion=4.0"),
        changed(channel__payload='application/fhir+json;fhirVersion="4.0.1"'),
        changed(channel__payload="application/json"),
        changed(end="2026-08-02T00:00:00Z"),
        changed(status="active"),
        changed(status="off"),
        filters("patient=1", "Flag.priority=PH,PM"),
        filters("Flag?care-team=CareTeam/7&organization=Organization/1"),
        content("full-resource"),
        content("empty"),
        secret(SECRET),
        socket(),
        plain("Observation?code=http://loinc.org|8867-4&status=final"),
        plain("Observation"),
        plain("Observation?value-quantity=gt5&date=ge2026", payload="application/fhir+json"),
    ],
)
def test_what_can_be_served_has_no_problem(resource: Json) -> None:
    assert checked(resource) == []


@pytest.mark.parametrize(
    ("resource", "expression"),
    [
        (changed(criteria="https://example.org/other"), "criteria"),
        (changed(criteria=TOPIC_DEVICE_ALERT + "|9.9"), "criteria"),
        (changed(criteria=TOPIC_READING, _criteria=None), "criteria"),
        (filters("Flag?nonsense=1"), "criteria.extension"),
        (filters("Patient?patient=1"), "criteria.extension"),
        (filters("Flag?patient:missing=true"), "criteria.extension"),
        (filters("Flag?patient"), "criteria.extension"),
        (filters("Flag?patient="), "criteria.extension"),
        (filters("Flag?status:contains=1"), "criteria.extension"),
        (filters(*["patient=1"] * 101), "criteria.extension"),
        (plain("Nonsense?code=1"), "criteria"),
        (plain("Observation?nonsense=1"), "criteria"),
        (plain("Observation?subject.name=ann"), "criteria"),
        (plain("Observation?_sort=date"), "criteria"),
        (plain("Observation?code=1", payload="application/pdf"), "channel.payload"),
        (plain("Observation", type="websocket", endpoint=None), "channel.type"),
        (changed(channel__type="carrier"), "channel.type"),
        (changed(channel__type="email"), "channel.type"),
        (changed(channel__type="sms", channel__endpoint="tel:+15551234567"), "channel.type"),
        (
            changed(
                channel___type={
                    "extension": [
                        {
                            "url": BACKPORT + "backport-channel-type",
                            "valueCoding": {"code": "carrier-pigeon"},
                        }
                    ]
                }
            ),
            "channel.type.extension",
        ),
        (changed(channel__endpoint=None), "channel.endpoint"),
        (changed(channel__endpoint="http://ehr.example.org/"), "channel.endpoint"),
        (changed(channel__endpoint="https://127.0.0.1/"), "channel.endpoint"),
        (changed(channel__header=["Host: inside"]), "channel.header"),
        (changed(channel__payload=None), "channel.payload"),
        (changed(channel__payload="text/plain"), "channel.payload"),
        (changed(channel__payload="application/fhir+json; fhirVersion=3.0"), "channel.payload"),
        (changed(channel___payload=None), "channel.payload.extension"),
        (content("everything"), "channel.payload.extension"),
        (limit("backport-timeout", "valueUnsignedInt", 0), "channel.extension"),
        (limit("backport-timeout", "valueUnsignedInt", 61), "channel.extension"),
        (limit("backport-heartbeat-period", "valueUnsignedInt", 9), "channel.extension"),
        (limit("backport-max-count", "valuePositiveInt", 0), "channel.extension"),
        (limit("backport-max-count", "valuePositiveInt", 1001), "channel.extension"),
        (secret("short"), "channel.extension"),
        (extended("channel", FINGERPRINT, valueString="0" * 16), "channel.extension"),
        (changed(end="2026-07-31T23:59:59Z"), "end"),
        (changed(status="error"), "status"),
        (changed(status="entered-in-error"), "status"),
    ],
)
def test_each_fault_is_one_located_problem(resource: Json, expression: str) -> None:
    (problem,) = checked(resource)
    assert problem.expression == f"Subscription.{expression}"
    assert problem.severity == "error"


@pytest.mark.parametrize("place", ["", "_criteria", "channel", "channel._type", "channel._payload"])
@pytest.mark.parametrize(
    "name", ["extension-Subscription.topic", "extension-Subscription.filterBy.comparator"]
)
def test_cross_version_extensions_are_refused_everywhere(place: str, name: str) -> None:
    url = f"http://hl7.org/fhir/5.0/StructureDefinition/{name}"
    problems = checked(extended(place, url, valueUri="x"))
    assert [problem.expression for problem in problems] == ["Subscription.extension"]


def test_all_faults_are_told_at_once() -> None:
    resource = changed(
        criteria="x",
        channel__endpoint=None,
        channel__payload="text/plain",
        status="error",
        end="2020-01-01T00:00:00Z",
    )
    assert len(checked(resource)) == 5


def test_every_wrong_filter_is_told() -> None:
    assert len(checked(filters("Flag?nonsense=1", "Flag?status=active", "Flag?other=2"))) == 2


@pytest.mark.parametrize(
    ("now", "before", "wrong"),
    [
        (GOOD, changed(criteria=TOPIC_ALERT_TASK), True),
        (GOOD, changed(criteria=PINNED), False),
        (plain("Observation"), changed(criteria=TOPIC_ALERT_TASK), True),
        (plain("Observation"), plain("Encounter?status=finished"), False),
    ],
)
def test_a_subscription_keeps_its_topic(now: Json, before: Json, wrong: bool) -> None:
    assert [one.expression for one in checked(now, before)] == ["Subscription.criteria"] * wrong


def test_an_error_stays_until_the_client_says_otherwise() -> None:
    assert checked(changed(status="error"), changed(status="error")) == []
    assert [one.expression for one in checked(changed(status="error"), GOOD)] == [
        "Subscription.status"
    ]


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        (GOOD, "requested"),
        (changed(status="active"), "requested"),
        (changed(status="off"), "off"),
        (changed(status="error"), "error"),
        (socket(), "active"),
        (plain("Observation"), "active"),
    ],
)
def test_the_status_it_begins_with(resource: Json, status: str) -> None:
    assert status_to_store(resource, OFFER) == status


def test_what_it_asks_for() -> None:
    wanted = wishes(GOOD)
    assert (wanted.timeout, wanted.max_count, wanted.heartbeat) == (20, 5, 60)
    assert wanted.content == "id-only"
    assert wanted.filters == ("Flag?patient=Patient/1",)
    assert not wanted.plain


def test_what_a_plain_one_asks_for() -> None:
    wanted = wishes(plain("Observation?code=1"))
    assert wanted.plain
    assert wanted.filters == ("Observation?code=1",)
    assert wanted.content is None


def test_a_secret_is_replaced_by_its_fingerprint() -> None:
    stored = with_fingerprint(secret(SECRET), "00ff")
    assert SECRET not in str(stored)
    assert fingerprint_of(stored) == "00ff"
    assert wishes(stored).secret is None
    assert with_fingerprint(stored, None) == GOOD
    assert fingerprint_of(GOOD) is None


def test_a_fingerprint_sent_back_keeps_the_secret() -> None:
    stored = with_fingerprint(secret(SECRET), "00ff")
    assert checked(stored, stored) == []
    assert [one.expression for one in checked(stored, with_fingerprint(stored, "ff00"))] == [
        "Subscription.channel.extension"
    ]
