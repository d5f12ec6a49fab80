"""Each way a client's Subscription can be wrong, and one that is right."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from fhirserver.kernel.canonical import (
    BACKPORT,
    TOPIC_ALERT_TASK,
    TOPIC_DEVICE_ALERT,
    TOPIC_READING,
)
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.subscription_check import EndpointPolicy, check, endpoint_fault
from subscriptions.response.shipped_topics import shipped

NOW = datetime(2026, 8, 1, tzinfo=UTC)
TOPICS = shipped()
STRICT = EndpointPolicy(allow_insecure=False)
LAX = EndpointPolicy(allow_insecure=True)
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


def test_a_good_one_has_no_problem() -> None:
    assert check(GOOD, TOPICS, STRICT, NOW) == []


@pytest.mark.parametrize(
    "resource",
    [
        changed(criteria=TOPIC_DEVICE_ALERT + "|1.0.0"),
        changed(criteria=TOPIC_ALERT_TASK, _criteria=None),
        changed(channel__payload="application/fhir+json; fhirVersion=4.0"),
        changed(channel__payload='application/fhir+json;fhirVersion="4.0.1"'),
        changed(channel__payload="application/json"),
        changed(end="2026-08-02T00:00:00Z"),
        filters("patient=1", "Flag.priority=PH,PM"),
        content("full-resource"),
        content("empty"),
    ],
)
def test_other_good_ones(resource: Json) -> None:
    assert check(resource, TOPICS, STRICT, NOW) == []


@pytest.mark.parametrize(
    ("resource", "expression"),
    [
        (changed(criteria="https://example.org/other"), "criteria"),
        (changed(criteria="Observation?code=1"), "criteria"),
        (changed(criteria=TOPIC_DEVICE_ALERT + "|9.9"), "criteria"),
        (changed(criteria=TOPIC_READING, _criteria=None), "criteria"),
        (filters("Flag?nonsense=1"), "criteria.extension"),
        (filters("Patient?patient=1"), "criteria.extension"),
        (filters("Flag?patient:missing=true"), "criteria.extension"),
        (filters("Flag?patient"), "criteria.extension"),
        (filters("Flag?patient="), "criteria.extension"),
        (filters("Flag?patient=,"), "criteria.extension"),
        (changed(channel__type="websocket"), "channel.type"),
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
        (changed(channel__endpoint="https://u:p@ehr.example.org/"), "channel.endpoint"),
        (changed(channel__header=["no colon"]), "channel.header"),
        (changed(channel__header=["X: a\r\nHost: b"]), "channel.header"),
        (changed(channel__header=["Host: inside"]), "channel.header"),
        (changed(channel__header=["Content-Length: 5"]), "channel.header"),
        (changed(channel__payload=None), "channel.payload"),
        (changed(channel__payload="text/plain"), "channel.payload"),
        (changed(channel__payload="application/fhir+xml"), "channel.payload"),
        (changed(channel__payload="application/fhir+json; fhirVersion=3.0"), "channel.payload"),
        (changed(channel___payload=None), "channel.payload.extension"),
        (content("everything"), "channel.payload.extension"),
        (limit("backport-timeout", "valueUnsignedInt", 0), "channel.extension"),
        (limit("backport-timeout", "valueUnsignedInt", 61), "channel.extension"),
        (limit("backport-heartbeat-period", "valueUnsignedInt", 9), "channel.extension"),
        (limit("backport-max-count", "valuePositiveInt", 1001), "channel.extension"),
        (
            changed(
                extension=[
                    {
                        "url": "http://hl7.org/fhir/5.0/StructureDefinition/"
                        "extension-Subscription.topic",
                        "valueCanonical": "x",
                    }
                ]
            ),
            "extension",
        ),
        (changed(end="2026-07-31T23:59:59Z"), "end"),
    ],
)
def test_each_fault_is_one_located_problem(resource: Json, expression: str) -> None:
    (problem,) = check(resource, TOPICS, STRICT, NOW)
    assert problem.expression == f"Subscription.{expression}"
    assert problem.severity == "error"


def test_all_faults_are_told_at_once() -> None:
    resource = changed(criteria="x", channel__endpoint=None, channel__payload="text/plain")
    assert len(check(resource, TOPICS, STRICT, NOW)) == 3


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ehr.example.org",
        "ftp://ehr.example.org/",
        "https://",
        "https://ehr.example.org:99999/",
        "https://ehr.example.org/#part",
        "https://ehr.example.org/a b",
        "https://localhost/",
        "https://x.localhost/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://2130706433/",
        "https://169.254.169.254/latest/meta-data",
        "http://ehr.example.org/",
        "https://[::1",
    ],
)
def test_endpoints_that_are_refused(endpoint: str) -> None:
    assert endpoint_fault(endpoint, STRICT) is not None


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8000/x", "https://localhost/", "http://a/"])
def test_endpoints_for_development(endpoint: str) -> None:
    assert endpoint_fault(endpoint, LAX) is None


def test_what_it_asks_for() -> None:
    wanted = wishes(GOOD)
    assert (wanted.timeout, wanted.max_count, wanted.heartbeat) == (20, 5, 60)
    assert wanted.content == "id-only"
    assert wanted.filters == ("Flag?patient=Patient/1",)
