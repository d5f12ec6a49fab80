"""What this product defines is valid by the official rules, and what it emits keeps to it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any
from uuid import UUID

import pytest

from adapters import observation as observations
from adapters.metrics import DIASTOLIC, METRICS, SYSTOLIC
from adapters.mqtt.messages import Event
from fhirserver.definitions import load
from fhirserver.definitions.shipped import own_content
from fhirserver.kernel import canonical
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from fhirserver.validation.profiles import canonical_problems, validate_profiles
from fhirserver.validation.profiles.compiled import profiles_of
from subscriptions.core.alert import Alert
from subscriptions.core.client_subscription import with_owner
from subscriptions.core.flag import flag_of
from subscriptions.response import shipped_topics
from tests.unit.subscriptions.response.test_incident_task import ALL as RESPONSES

BASE = canonical.BASE + "StructureDefinition/"
CORE = "http://hl7.org/fhir/StructureDefinition/"
BACKPORT_AND_R5 = (canonical.BACKPORT, "http://hl7.org/fhir/5.0/")
NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


def faults(resource: Json, *profiles: str) -> list[Problem]:
    """What is wrong, and every extension nobody has defined; HL7's own later ones are known by their base."""
    found = [*validate(resource), *validate_profiles(resource, load(), profiles)]
    return [
        one
        for one in found
        if one.severity == "error" or (one.code == "not-found" and not _is_foreign(resource, one))
    ]


def _is_foreign(resource: Json, problem: Problem) -> bool:
    urls = [one for one in _texts(resource) if one.startswith(BACKPORT_AND_R5)]
    return problem.severity == "information" and bool(urls)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


CONTENT = {f"{one['resourceType']}/{one['id']}": one for one in own_content()}


@pytest.mark.parametrize("name", CONTENT)
def test_content_is_valid(name: str) -> None:
    resource = CONTENT[name]
    problems = [*validate(resource), *canonical_problems(resource, load())]
    problems += validate_profiles(resource, load())
    assert [one for one in problems if one.severity != "information"] == []


@pytest.mark.parametrize("name", [one for one in CONTENT if not one.startswith("NamingSystem")])
def test_content_is_loaded_under_its_own_canonical(name: str) -> None:
    kind, _, id_ = name.partition("/")
    url = f"{canonical.BASE}{kind}/{id_}"
    found = load().canonical(kind, url)
    assert found is not None
    assert found["id"] == id_
    assert found["version"]


def test_every_canonical_of_the_code_is_defined() -> None:
    named = {
        value
        for name, value in vars(canonical).items()
        if name.isupper() and isinstance(value, str) and value.startswith(canonical.BASE)
    }
    elsewhere = ("SubscriptionTopic/", "PlanDefinition/")
    defined = {one.get("url") for one in CONTENT.values()}
    defined |= {row["value"] for one in CONTENT.values() for row in one.get("uniqueId", ())}
    missing = [
        one
        for one in named - {canonical.BASE} - defined
        if not one.removeprefix(canonical.BASE).startswith(elsewhere)
    ]
    assert missing == []


def content_of_subscriptions(name: str) -> Json:
    text = resources.files("subscriptions.content").joinpath(name).read_text()
    loaded: Json = json.loads(text, parse_float=Decimal)
    return loaded


def test_the_default_rules_keep_to_their_profile() -> None:
    rules = content_of_subscriptions("default-rules.json")
    assert faults(rules, BASE + "monitoring-defaults") == []


@pytest.mark.parametrize("topic", shipped_topics.contents(), ids=lambda one: str(one["id"]))
def test_topics_are_topics(topic: Json) -> None:
    rows = [topic, *topic["resourceTrigger"], *topic.get("canFilterBy", [])]
    extensions = [one for row in rows for one in row.get("extension", ())]
    assert extensions or topic["id"] == "reading"
    for one in extensions:
        holder = {"resourceType": "Basic", "code": {"text": "a"}, "extension": [one]}
        problems = validate_profiles(holder, load())
        # Nothing but its place is wrong: R4 has no SubscriptionTopic to put it into.
        assert [problem.message for problem in problems] == [
            f"the extension {one['url']} is not defined for this element"
        ]


def order(**more: Any) -> Json:
    rule = content_of_subscriptions("default-rules.json")["action"][0]["extension"][0]
    return {
        "resourceType": "ServiceRequest",
        "extension": [rule],
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/ann"},
        "requester": {"reference": "Practitioner/nina"},
        **more,
    }


def test_an_order_keeps_to_its_profile() -> None:
    assert faults(order(), BASE + "monitoring-order") == []
    assert faults(order(intent="plan"), BASE + "monitoring-order") != []
    assert faults(order(requester={"reference": "Patient/ann"}), BASE + "monitoring-order") != []


def test_a_rule_without_any_limit_breaks_the_definition() -> None:
    rule = {
        "url": canonical.MONITORING_RULE,
        "extension": [
            {"url": "id", "valueId": "a"},
            {"url": "parameter", "valueCodeableConcept": {"text": "a"}},
        ],
    }
    (problem,) = faults(order(extension=[rule]))
    assert (
        problem.message
        == "mr-1: a monitoring rule has a limit, a limit per weight, a floor, a change or an interval"
    )


def alert(**more: Any) -> Alert:
    values: dict[str, Any] = {
        "id": UUID(int=1), "tenant": 1, "patient": "ann", "device": "m", "system": canonical.MDC,
        "code": "150021", "display": "Systolic pressure low", "kind": "physiological", "family": "hypotension",
        "priority": "PH", "condition": "present", "response": "none", "signal": "on", "incident": UUID(int=2),
        "onset": NOW, "raised": NOW, "updated": NOW, "ended": None, "closed": None, "delayed": False, "pages": True,
        "generation": 1, "rule": "ServiceRequest/r", "rule_version": "ServiceRequest/r/_history/1", "flag": None,
        "simulated": False,
    }  # fmt: skip
    return Alert(**{**values, **more})


@pytest.mark.parametrize(
    "shown",
    [
        alert(),
        alert(closed=NOW, condition="absent", rule_version=None, simulated=True),
        alert(system=canonical.ALERT_CODES, code="device-silent", condition="stale", priority="PM"),
    ],
)
def test_flags_keep_to_their_profile(shown: Alert) -> None:
    flag = flag_of(shown, subject="Patient/ann", evidence=("Observation/a",))
    assert faults(flag, BASE + "alert-flag") == []


@pytest.mark.parametrize("resource", RESPONSES)
def test_tasks_and_messages_keep_to_their_profiles(resource: Json) -> None:
    name = "alert-task" if resource["resourceType"] == "Task" else "alert-message"
    assert faults(resource, BASE + name) == []


@pytest.mark.parametrize("code", METRICS)
def test_measures_keep_to_their_profiles(code: str) -> None:
    metric = METRICS[code]
    for measured in (
        observations.measure(metric, "m", "ann", simulated=False),
        observations.absent(metric, "m", "ann", "error", simulated=True),
    ):
        own = [] if metric.loinc is not None else [BASE + "machine-measure"]
        claims = measured.get("meta", {}).get("profile", [])
        assert bool(claims) is (metric.loinc is not None)
        assert faults(measured, *own) == []


@pytest.mark.parametrize("present", [(SYSTOLIC, DIASTOLIC), (SYSTOLIC,), ()])
def test_blood_pressure_keeps_to_its_profile(present: tuple[str, ...]) -> None:
    measured = observations.blood_pressure(present, "cuff", "ann", simulated=False)
    assert measured["meta"]["profile"] == [CORE + "bp"]
    assert faults(measured) == []


@pytest.mark.parametrize(("source", "value"), [(None, None), ("158776", Decimal("12.0"))])
def test_alarms_of_machines_keep_to_their_profile(
    source: str | None, value: Decimal | None
) -> None:
    event = Event(
        address="A", boot="b", seq=1, alarm_id="a", dev_time=NOW, mono_ms=1, event="198260",
        source=source, phase="start", state="active", activity="enabled", priority="PH",
        value=value, unit="mm[Hg]", test=False,
    )  # fmt: skip
    recorded = observations.device_event(event, "m", "ann", "2026-08-01T09:00:00Z", simulated=True)
    assert faults(recorded, BASE + "machine-alarm") == []


def test_a_subscription_says_whose_it_is() -> None:
    plain = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "a",
        "criteria": canonical.TOPIC_DEVICE_ALERT,
        "channel": {"type": "websocket"},
    }
    owned = with_owner(plain, Principal(1, "practitioner", "Practitioner/nina"))
    assert faults(owned) == []


def test_profiles_of_ours_compile_without_a_warning() -> None:
    for one in CONTENT.values():
        if one["resourceType"] == "StructureDefinition":
            snapshot = profiles_of(load()).snapshot(one["url"])
            assert snapshot is not None
            assert snapshot.faults == []
