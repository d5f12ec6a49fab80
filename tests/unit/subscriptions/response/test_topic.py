"""Topics as data: when they fire, what they are filtered by, and which content is refused."""

from typing import Any

import pytest

from fhirserver.kernel.canonical import FLAG_PRIORITY, TOPIC_ALERT_TASK, TOPIC_DEVICE_ALERT
from fhirserver.kernel.changes import Change
from fhirserver.kernel.resource import Json
from subscriptions.core.filter_criteria import BadFilter, Condition, conditions
from subscriptions.core.navigate import parse
from subscriptions.core.topic import FILTER_PATH, BadTopic, Topic, topic_of
from subscriptions.core.topic_catalog import Catalog
from subscriptions.response.shipped_topics import shipped

TOPICS = shipped()


def topic(url: str) -> Topic:
    found = TOPICS.find(url)
    assert found is not None
    return found


ALERT, TASK = topic(TOPIC_DEVICE_ALERT), topic(TOPIC_ALERT_TASK)


def flag(status: str = "active", priority: str = "PM") -> Json:
    return {
        "resourceType": "Flag",
        "id": "f",
        "status": status,
        "code": {"coding": [{"system": "urn:mdc", "code": "198260"}]},
        "subject": {"reference": "Patient/ann"},
        "extension": [
            {"url": "http://other", "valueCodeableConcept": {"coding": [{"code": "x"}]}},
            {"url": FLAG_PRIORITY, "valueCodeableConcept": {"coding": [{"code": priority}]}},
        ],
    }


def task(page: int) -> Json:
    return {
        "resourceType": "Task",
        "id": "t",
        "owner": {"reference": "https://x.org/fhir/RelatedPerson/bob"},
        "input": [{"valuePositiveInt": page}, {"valueCode": "alert"}],
    }


def change(now: Json | None, before: Json | None, type_: str = "Flag") -> Change:
    action: Any = "delete" if now is None else "create" if before is None else "update"
    return Change(1, action, type_, "x", 1, 0, "ann", now, before)


@pytest.mark.parametrize(
    ("now", "before", "fires"),
    [
        (flag(), None, True),
        (None, flag(), True),
        (flag("inactive"), flag(), True),
        (flag(priority="PH"), flag(), True),
        ({**flag(), "period": {"start": "2026"}}, flag(), False),
        ({**flag(), "period": {"end": "2026"}}, flag(), True),
        (flag(), flag(), False),
    ],
)
def test_a_device_alert(now: Json | None, before: Json | None, fires: bool) -> None:
    assert ALERT.fires(change(now, before)) is fires


def test_a_task_fires_for_each_page_and_for_nothing_else() -> None:
    assert TASK.fires(change(task(1), None, "Task"))
    assert TASK.fires(change(task(2), task(1), "Task"))
    assert not TASK.fires(change({**task(1), "status": "accepted"}, task(1), "Task"))
    assert not TASK.fires(change(None, task(1), "Task"))
    assert not TASK.fires(change(task(1), None, "Flag"))


def test_filter_values() -> None:
    assert ALERT.filters["patient"].values(flag()) == {"Patient/ann"}
    assert ALERT.filters["priority"].values(flag()) == {"PM", "|PM"}
    assert ALERT.filters["code"].values(flag()) == {"198260", "urn:mdc|198260"}
    assert ALERT.filters["status"].values(flag()) == {"active"}
    assert TASK.filters["owner"].values(task(1)) == {"RelatedPerson/bob"}
    assert TASK.filters["owner"].values({}) == frozenset()


def test_conditions() -> None:
    assert conditions(ALERT, ["Flag?patient=ann&priority=PH", "Flag.code=urn%3Amdc|1,2"]) == (
        Condition("patient", ("Patient/ann",)),
        Condition("priority", ("PH",)),
        Condition("code", ("urn:mdc|1", "2")),
    )


@pytest.mark.parametrize("text", ["x", "Flag?", "Task?owner=x", "patient:Patient=1", "Flag?a=b"])
def test_conditions_that_are_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        conditions(ALERT, [text])


@pytest.mark.parametrize(
    "text", ["", "a.", ".a", "a..b", "a b", "extension(x)", "where(a=b)", "a()"]
)
def test_paths_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        parse(text)


def test_paths() -> None:
    resource = {"a": [{"b": 1}, {"b": [2, 3]}, {"c": 4}, "text"]}
    assert parse("a.b").values(resource) == [1, 2, 3]
    assert parse("a.x.y").values(resource) == []
    assert parse("a").values(None) == []


GOOD_TOPIC: Json = {
    "url": "https://x/t",
    "version": "1",
    "title": "T",
    "resourceTrigger": [{"resource": "Flag", "supportedInteraction": ["create"]}],
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": None},
        {"resourceTrigger": None},
        {"resourceTrigger": [{"resource": "Flag", "supportedInteraction": ["smell"]}]},
        {"canFilterBy": [{"filterParameter": "a"}]},
        {
            "canFilterBy": [
                {
                    "filterParameter": "a",
                    "extension": [
                        {
                            "url": FILTER_PATH,
                            "extension": [{"url": "kind", "valueCode": "quantity"}],
                        }
                    ],
                }
            ]
        },
    ],
)
def test_a_topic_that_cannot_be_used_is_refused(wrong: Json) -> None:
    content = {k: v for k, v in {**GOOD_TOPIC, **wrong}.items() if v is not None}
    with pytest.raises(BadTopic):
        topic_of(content)


def test_one_url_is_one_topic() -> None:
    one = topic_of(GOOD_TOPIC)
    with pytest.raises(BadTopic, match="twice"):
        Catalog([one, one])
