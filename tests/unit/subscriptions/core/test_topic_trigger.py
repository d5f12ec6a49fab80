"""Triggers: criteria about the state before and after, FHIRPath, watched paths, interactions."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from subscriptions.core.topic import BadTopic, Topic
from subscriptions.core.topic_reader import CHANGE_PATH, topic_of
from tests.unit.subscriptions.core.topics import MINIMAL, change, made

PLANNED: Json = {"resourceType": "Encounter", "status": "planned"}
FINISHED: Json = {"resourceType": "Encounter", "status": "finished"}


def triggered(**more: Any) -> Topic:
    return made(resourceTrigger=[{"resource": "Encounter", **more}])


def query(**more: Any) -> Topic:
    return triggered(queryCriteria=more)


P, F = "status=planned", "Encounter?status=finished"
UPDATE, UPDATE_BACK = change(FINISHED, PLANNED), change(PLANNED, FINISHED)
STAYS_PLANNED, STAYS_FINISHED = change(PLANNED, PLANNED), change(FINISHED, FINISHED)
CREATE_PLANNED, CREATE_FINISHED = change(PLANNED), change(FINISHED)
DELETE_PLANNED, DELETE_FINISHED = change(None, PLANNED), change(None, FINISHED)
EVERY = (
    UPDATE, UPDATE_BACK, STAYS_PLANNED, STAYS_FINISHED, CREATE_PLANNED, CREATE_FINISHED, DELETE_PLANNED, DELETE_FINISHED,
)  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "fires"),
    [
        (query(current=F), "x..x.x.."),
        (query(current=F, resultForDelete="test-passes"), "x..x.xxx"),
        (query(previous=P), "x.x...x."),
        (query(previous=P, resultForCreate="test-passes"), "x.x.xxx."),
        (query(previous=P, current=F), "x.xx.xx."),
        (query(previous=P, current=F, requireBoth=True), "x......."),
        (
            query(previous=P, current=F, requireBoth=True, resultForCreate="test-passes"),
            "x....x..",
        ),
        (
            query(previous=P, current=F, requireBoth=True, resultForDelete="test-passes"),
            "x.....x.",
        ),
        (triggered(fhirPathCriteria="%current.status = 'finished'"), "x..x.x.."),
        (triggered(fhirPathCriteria="%previous.status = 'planned'"), "x.x...x."),
        (triggered(fhirPathCriteria="%previous.empty()"), "....xx.."),
        (triggered(fhirPathCriteria="%current.empty()"), "......xx"),
        (triggered(fhirPathCriteria="status = 'planned'"), ".xx.x.x."),
        (triggered(fhirPathCriteria="%current.status != %previous.status"), "xx......"),
        (triggered(fhirPathCriteria="%current.status"), "xxxxxx.."),
        (
            triggered(fhirPathCriteria="%previous.exists()", queryCriteria={"current": F}),
            "x..x....",
        ),
        (triggered(extension=[{"url": CHANGE_PATH, "valueString": "status"}]), "xx..xxxx"),
        (
            triggered(
                extension=[{"url": CHANGE_PATH, "valueString": "Encounter.status"}],
                queryCriteria={"current": F},
            ),
            "x....x..",
        ),
        (triggered(supportedInteraction=["update"]), "xxxx...."),
        (triggered(supportedInteraction=["create", "delete"]), "....xxxx"),
        (triggered(), "xxxxxxxx"),
    ],
)
def test_which_changes_fire(topic: Topic, fires: str) -> None:
    assert "".join("x" if topic.fires(one) else "." for one in EVERY) == fires


def test_several_triggers_are_alternatives() -> None:
    topic = made(
        resourceTrigger=[
            {"resource": "Encounter", "supportedInteraction": ["create"]},
            {"resource": "http://hl7.org/fhir/StructureDefinition/Patient"},
        ]
    )
    assert topic.types == frozenset({"Encounter", "Patient"})
    assert topic.fires(CREATE_PLANNED)
    assert not topic.fires(UPDATE)
    assert topic.fires(change(None, {"resourceType": "Patient"}))
    assert not topic.fires(change({"resourceType": "Flag"}))


def test_a_trigger_about_any_type() -> None:
    topic = made(resourceTrigger=[{"resource": "Resource", "supportedInteraction": ["delete"]}])
    assert topic.types is None
    assert topic.watches("Basic")
    assert topic.fires(DELETE_PLANNED)
    assert not topic.fires(CREATE_PLANNED)


@pytest.mark.parametrize(
    "expression",
    [
        "%current.identifier.value > 1",  # two values where one is taken
        "(1 | 2 | 3 | 4).select($this | 5 | 6 | 7).repeat($this + 1).exists(false)",
    ],
)
def test_an_expression_that_fails_on_a_resource_tells_too_much_rather_than_too_little(
    expression: str,
) -> None:
    two: Json = {**PLANNED, "identifier": [{"value": "a"}, {"value": "b"}]}
    assert triggered(fhirPathCriteria=expression).fires(change(two))


def test_an_update_of_what_had_been_deleted_fires_like_a_create() -> None:
    again = change(PLANNED)
    assert triggered(extension=[{"url": CHANGE_PATH, "valueString": "serviceType"}]).fires(again)


ITSELF: Json = {
    "resourceType": "ValueSet",
    "url": "http://example.org/ValueSet/itself",
    "status": "active",
    "compose": {"include": [{"valueSet": ["http://example.org/ValueSet/itself"]}]},
}


def test_a_value_set_that_cannot_be_put_together_breaks_no_write() -> None:
    definitions = load().extended([ITSELF], frozenset())

    def topic(**more: Any) -> Topic:
        return topic_of(
            {**MINIMAL, "resourceTrigger": [{"resource": "Encounter", **more}]}, definitions
        )

    with pytest.raises(BadTopic, match="itself"):
        topic(queryCriteria={"current": f"class:in={ITSELF['url']}"})
    tested = topic(fhirPathCriteria=f"class.memberOf('{ITSELF['url']}')")
    coded: Json = {**PLANNED, "class": {"system": "http://s", "code": "a"}}
    assert tested.fires(change(coded))
    assert made().test(f"Encounter?class:in={ITSELF['url']}").holds(coded)
