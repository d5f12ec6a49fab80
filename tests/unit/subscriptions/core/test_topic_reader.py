"""Which SubscriptionTopics are refused, and that the refusal says why."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from subscriptions.core.topic import BadTopic
from subscriptions.core.topic_reader import (
    CHANGE_PATH,
    FILTER_FACT,
    FILTER_PATH,
    OPEN_FILTERS,
    topic_of,
)
from tests.unit.subscriptions.core.topics import MINIMAL, made


def trigger(**more: Any) -> Json:
    return {"resourceTrigger": [{"resource": "Encounter", **more}]}


def query(**more: Any) -> Json:
    return trigger(queryCriteria=more)


def filtered(**more: Any) -> Json:
    return {"canFilterBy": [more]}


def own(name: str = "own", **parts: Any) -> Json:
    values = {"kind": "valueCode", "target": "valueCode", "path": "valueString"}
    inner = [{"url": key, values[key]: one} for key, one in parts.items()]
    return filtered(filterParameter=name, extension=[{"url": FILTER_PATH, "extension": inner}])


def fact(code: str, **more: Any) -> Json:
    extension = [{"url": FILTER_FACT, "valueCode": code}]
    return filtered(filterParameter="f", extension=extension, **more)


def shaped(**more: Any) -> Json:
    return {"notificationShape": [{"resource": "Encounter", **more}]}


CORPUS: list[tuple[Json, str]] = [
    # Its form.
    ({"url": None}, "missing required field `url`"),
    ({"url": "no url"}, "not an absolute URL"),
    ({"url": "https://x.example/t|1"}, "not an absolute URL"),
    ({"url": 7}, "SubscriptionTopic.url"),
    ({"version": None}, "missing required field `version`"),
    ({"version": ""}, "a version and a title"),
    ({"version": "1|2"}, "a version and a title"),
    ({"title": None}, "missing required field `title`"),
    ({"status": None}, "missing required field `status`"),
    ({"status": "finished"}, "Invalid enum value 'finished'"),
    ({"resourceType": "Basic"}, "Invalid enum value 'Basic'"),
    ({"modifierExtension": [{"url": "x"}]}, "unknown field `modifierExtension`"),
    ({"implicitRules": "http://x"}, "unknown field `implicitRules`"),
    ({"canFilterby": []}, "unknown field `canFilterby`"),
    (
        trigger(criteria="x"),
        r"unknown field `criteria` - at `SubscriptionTopic.resourceTrigger\[0\]",
    ),
    ({"resourceTrigger": None}, "could never fire"),
    ({"resourceTrigger": []}, "could never fire"),
    ({"resourceTrigger": "Encounter"}, "Expected `array`"),
    ({"eventTrigger": [{"event": {"text": "a"}, "resource": "Encounter"}]}, "event triggers"),
    ({"resourceTrigger": [{"resource": "Encounter"}] * 101}, "more than 100"),
    # Its triggers.
    (trigger(resource="Starship"), "'Starship' is no resource type"),
    (trigger(resource="SubscriptionTopic"), "is no resource type"),
    (trigger(resource="http://x.example/StructureDefinition/Encounter"), "is no resource type"),
    (trigger(resource=None), "SubscriptionTopic.resourceTrigger"),
    (trigger(supportedInteraction=["smell"]), "Invalid enum value 'smell'"),
    (query(), "neither previous nor current"),
    (query(resultForCreate="test-passes"), "neither previous nor current"),
    (query(current="status=finished", requireBoth=True), "needs previous and current"),
    (query(current="status=finished", resultForDelete="maybe"), "Invalid enum value"),
    (query(current="Patient?name=x"), "is about Patient"),
    (query(current="status"), "'status' is not parameter=value"),
    (query(current=""), "'' is not parameter=value"),
    (query(current="nonsense=1"), r"resourceTrigger\[0\].*nonsense"),
    (query(current="status:wrong=1"), "wrong"),
    (query(current="date=yesterday"), "expected a date"),
    (query(current="patient.name=x"), "chained"),
    (query(current="_has:Observation:encounter:code=x"), "chained"),
    (query(current="_list=7"), "chained"),
    (query(current="_count=2"), "_count says nothing about a resource"),
    (query(current="_include=Encounter:patient"), "says nothing about a resource"),
    (query(current="_type=Encounter"), "says nothing about a resource"),
    (query(previous="class:in=http://x.example/unknown"), "http://x.example/unknown"),
    (trigger(resource="Resource", queryCriteria={"current": "_id=1"}), "about one resource type"),
    (trigger(fhirPathCriteria="%current.status ="), "FHIRPath"),
    (trigger(fhirPathCriteria="statuz = 'x'"), "no element 'statuz'"),
    (trigger(fhirPathCriteria="Patient.name.exists()"), "is not Encounter"),
    (trigger(fhirPathCriteria="%now.exists()"), "%now is not known"),
    (trigger(fhirPathCriteria="%current.period.start < now()"), r"now\(\) is not available"),
    (trigger(fhirPathCriteria="%current.where(conformsTo('x'))"), "is not available"),
    (trigger(fhirPathCriteria="madeUp()"), "madeUp"),
    (trigger(fhirPathCriteria="status = 'x' or " * 400 + "true"), "longer than 4000"),
    (trigger(extension=[{"url": CHANGE_PATH}]), "has no valueString"),
    (trigger(extension=[{"url": CHANGE_PATH, "valueString": "a..b"}]), "topic-change-path 'a..b'"),
    (trigger(extension=[{"url": CHANGE_PATH, "valueString": "nothing"}]), "no element nothing"),
    (trigger(extension=[{"url": CHANGE_PATH, "valueInteger": 1}]), "unknown field `valueInteger`"),
    # Its filters.
    (filtered(), "filterParameter is missing"),
    (filtered(filterParameter="nonsense"), r"canFilterBy\[0\]: Encounter has no search parameter"),
    (filtered(filterParameter="_query"), "has no search parameter"),
    (filtered(filterParameter="patient", resource="Patient"), "no trigger watches Patient"),
    (filtered(filterParameter="patient", resource="Starship"), "is no resource type"),
    (filtered(filterDefinition="http://x.example/sp"), "is no search parameter of Encounter"),
    (
        filtered(
            filterParameter="status",
            filterDefinition="http://hl7.org/fhir/SearchParameter/Encounter-class",
        ),
        "another search parameter called 'status'",
    ),
    (
        filtered(
            filterParameter="a b",
            filterDefinition="http://hl7.org/fhir/SearchParameter/Encounter-class",
        ),
        "'a b' is no name",
    ),
    (filtered(filterParameter="status", modifier=["smell"]), "a token takes no smell"),
    (filtered(filterParameter="status", modifier=["gt"]), "a token takes no gt"),
    (filtered(filterParameter="status", comparator=["ge"]), "a token takes no ge"),
    ({"canFilterBy": [{"filterParameter": "status"}] * 2}, "Encounter.status is offered twice"),
    (own(), "needs one kind"),
    (own(kind="token"), "at least one path"),
    (own(kind="smell", path="status"), "'smell' is no kind"),
    (own(kind="composite", path="status"), "'composite' is no kind"),
    (own(kind="reference", path="subject"), "a reference needs the types"),
    (own(kind="reference", path="subject", target="Starship"), "is no resource type"),
    (own(kind="token", path="statuz"), "no element 'statuz'"),
    (own(kind="date", path="status"), "which a parameter of type date cannot hold"),
    (own("status", kind="token", path="status"), "already has a search parameter"),
    (own("_include", kind="token", path="status"), "letter"),
    (own("a b", kind="token", path="status"), "expected a letter"),
    (fact("weather"), "'weather' is none of"),
    (fact("organization", modifier=["in"]), "takes no modifier"),
    (fact("care-team", filterDefinition="http://x"), "takes no modifier and has no definition"),
    (
        {**trigger(resource="Resource"), **filtered(filterParameter="_id")},
        "must name a type",
    ),
    # What it sends.
    (shaped(resource="Starship"), "is no resource type"),
    (shaped(include=["patient"]), "Type:parameter"),
    (shaped(include=["Encounter:nonsense"]), "nonsense"),
    (shaped(include=["Encounter:status"]), "no reference parameter"),
    (shaped(include=["Patient:organization"]), "not a type that is searched"),
    (shaped(include=["Encounter:patient:Device"]), "does not refer to Device"),
    (shaped(include=["*"]), "include everything"),
    (shaped(include=["Encounter:*"]), "include everything"),
    (shaped(include=["_sort=Encounter:patient"]), "is not Type:parameter"),
    (shaped(revInclude=["Observation:device"]), "does not refer to Encounter"),
    (shaped(include=["Encounter:patient"] * 21), "more than 20 includes"),
    ({"notificationShape": [{"resource": "Encounter"}] * 2}, "two shapes"),
    ({"extension": [{"url": OPEN_FILTERS, "valueBoolean": "yes"}]}, "topic-open-filters"),
]


@pytest.mark.parametrize(("wrong", "why"), CORPUS)
def test_a_bad_topic_is_refused_with_its_reason(wrong: Json, why: str) -> None:
    with pytest.raises(BadTopic, match=why):
        made(**wrong)


def test_the_refusal_names_the_topic() -> None:
    with pytest.raises(BadTopic, match=r"https://x\.example/t: "):
        made(title=None)
    with pytest.raises(BadTopic, match="a topic without url: "):
        made(url=None)


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"_title": {"extension": [{"url": "http://other", "valueDecimal": 1}]}},
        {"extension": [{"url": "http://other", "valueDecimal": 1}]},
        {"text": {"status": "generated", "div": "<div/>"}, "meta": {"tag": [{"code": "a"}]}},
        # As R5 writes it.
        {"name": "T", "copyrightLabel": "c", "versionAlgorithmString": "semver"},
        {
            "canFilterBy": [
                {"filterParameter": "date", "comparator": ["ge"], "modifier": ["missing"]}
            ]
        },
        query(current="?status=finished"),
        query(current="_filter=status eq 'finished'"),
        query(current="class:in=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode"),
        trigger(fhirPathCriteria="%current.subject.resolve() is Patient"),
        filtered(filterDefinition="http://hl7.org/fhir/SearchParameter/Encounter-class|4.0.1"),
        shaped(
            include=["_include:iterate=Encounter:patient"], revInclude=["Observation:encounter"]
        ),
    ],
)
def test_topics_that_are_taken(right: Json) -> None:
    assert made(**right).title == "T"


def test_content_is_left_as_it_was() -> None:
    content: Json = {**MINIMAL, "_title": {"id": "a"}, "description": "d"}
    before = repr(content)
    assert topic_of(content, load()).description == "d"
    assert repr(content) == before
