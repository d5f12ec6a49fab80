"""Every topic that ships: what fires it, what does not, what it is filtered by, and its form."""

import json
from importlib.resources import files
from typing import Any

import pytest
from fhir.resources.R4B.subscriptiontopic import SubscriptionTopic

from fhirserver.kernel import canonical
from fhirserver.kernel.canonical import FLAG_PRIORITY
from fhirserver.kernel.resource import Json
from subscriptions.core.topic_catalog import Catalog
from subscriptions.response.shipped_topics import contents
from tests.unit.subscriptions.core.topics import SHIPPED, change, ours

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SNOMED = "http://snomed.info/sct"


def flag(status: str = "active", priority: str = "PM", **more: Any) -> Json:
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
        **more,
    }


def answered(code: str, status: str = "active") -> Json:
    known = flag(status)
    parts = [
        {"url": "code", "valueCode": code},
        {"url": "at", "valueInstant": "2026-08-01T09:00:00Z"},
    ]
    extension = {"url": canonical.ALERT_ANSWER, "extension": parts}
    return {**known, "extension": [*known["extension"], extension]}


def task(page: int, **more: Any) -> Json:
    return {
        "resourceType": "Task",
        "id": "t",
        "owner": {"reference": "RelatedPerson/bob"},
        "input": [{"valuePositiveInt": page}, {"valueCode": "alert"}],
        **more,
    }


def procedure(code: str = "302497006", status: str = "in-progress", system: str = SNOMED) -> Json:
    return {
        "resourceType": "Procedure",
        "id": "p",
        "status": status,
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/ann"},
    }


def observation(**more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": "Patient/ann"},
        **more,
    }


def encounter(status: str, class_: str = "IMP", *locations: str, **more: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "id": "e",
        "status": status,
        "class": {"system": ACT_CODE, "code": class_},
        "subject": {"reference": "Patient/ann"},
        "location": [{"location": {"reference": f"Location/{one}"}} for one in locations],
        **more,
    }


def left(location: str) -> Json:
    return {"location": {"reference": f"Location/{location}"}, "status": "completed"}


def team(*members: str, **more: Any) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": "c",
        "status": "active",
        "subject": {"reference": "Patient/ann"},
        "participant": [{"member": {"reference": one}} for one in members],
        **more,
    }


HTEST: Any = {"meta": {"security": [{"code": "HTEST"}]}}
NOTED: Any = {"note": [{"text": "n"}]}

TABLE: list[tuple[str, Json | None, Json | None, bool]] = [
    # An alert was raised, changed its status or priority, ended, or was deleted.
    (canonical.TOPIC_DEVICE_ALERT, flag(), None, True),
    (canonical.TOPIC_DEVICE_ALERT, None, flag(), True),
    (canonical.TOPIC_DEVICE_ALERT, flag("inactive"), flag(), True),
    (canonical.TOPIC_DEVICE_ALERT, flag(priority="PH"), flag(), True),
    (canonical.TOPIC_DEVICE_ALERT, flag(period={"end": "2026"}), flag(), True),
    (canonical.TOPIC_DEVICE_ALERT, flag(period={"start": "2026"}), flag(), False),
    (canonical.TOPIC_DEVICE_ALERT, flag(**HTEST), flag(), False),
    (canonical.TOPIC_DEVICE_ALERT, flag(), flag(), False),
    (canonical.TOPIC_DEVICE_ALERT, task(1), None, False),
    # Somebody has got further with an alert, or nobody has answered any more.
    (canonical.TOPIC_ALERT_ANSWER, answered("acknowledged"), flag(), True),
    (canonical.TOPIC_ALERT_ANSWER, answered("accepted"), answered("acknowledged"), True),
    (canonical.TOPIC_ALERT_ANSWER, flag(), answered("acknowledged"), True),
    (canonical.TOPIC_ALERT_ANSWER, answered("closed", "inactive"), answered("closed"), False),
    (canonical.TOPIC_ALERT_ANSWER, answered("acknowledged"), None, False),
    (canonical.TOPIC_DEVICE_ALERT, answered("acknowledged"), flag(), False),
    # Somebody is asked, once more or for the first time.
    (canonical.TOPIC_ALERT_TASK, task(1), None, True),
    (canonical.TOPIC_ALERT_TASK, task(2), task(1), True),
    (canonical.TOPIC_ALERT_TASK, task(1, status="accepted"), task(1), False),
    (canonical.TOPIC_ALERT_TASK, None, task(1), False),
    (canonical.TOPIC_ALERT_TASK, flag(), None, False),
    # A session is a Procedure of dialysis, before or after the change.
    (canonical.TOPIC_SESSION, procedure(), None, True),
    (canonical.TOPIC_SESSION, procedure("71192002"), None, True),
    (canonical.TOPIC_SESSION, procedure(status="completed"), procedure(), True),
    (canonical.TOPIC_SESSION, procedure("80146002"), procedure(), True),
    (canonical.TOPIC_SESSION, procedure(), procedure("80146002"), True),
    (canonical.TOPIC_SESSION, None, procedure(), True),
    (canonical.TOPIC_SESSION, procedure("80146002"), None, False),
    (canonical.TOPIC_SESSION, procedure("80146002"), procedure("80146002"), False),
    (canonical.TOPIC_SESSION, None, procedure("80146002"), False),
    (canonical.TOPIC_SESSION, procedure(system="http://other"), None, False),
    # Observations as they are recorded and changed.
    (canonical.TOPIC_PATIENT_OBSERVATION, observation(), None, True),
    (canonical.TOPIC_PATIENT_OBSERVATION, observation(status="amended"), observation(), True),
    (canonical.TOPIC_PATIENT_OBSERVATION, None, observation(), False),
    (canonical.TOPIC_PATIENT_OBSERVATION, flag(), None, False),
    (canonical.TOPIC_READING, observation(), None, True),
    (canonical.TOPIC_READING, None, observation(), False),
    # Admitted.
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), None, True),
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), encounter("planned"), True),
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), encounter("arrived"), True),
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), encounter("finished"), True),
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), encounter("in-progress", "AMB"), True),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", "EMER"), None, True),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", "local-ward"), None, True),
    (canonical.TOPIC_ADMISSION, encounter("planned"), None, False),
    (canonical.TOPIC_ADMISSION, encounter("arrived"), None, False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), encounter("onleave"), False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress"), encounter("in-progress"), False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", **HTEST), encounter("in-progress"), False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", "AMB"), None, False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", "VR"), None, False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", "HH"), encounter("planned", "HH"), False),
    (canonical.TOPIC_ADMISSION, encounter("in-progress", "FLD"), None, False),
    # Discharged.
    (canonical.TOPIC_ADMISSION, encounter("finished"), encounter("in-progress"), True),
    (canonical.TOPIC_ADMISSION, encounter("finished"), encounter("onleave"), True),
    (canonical.TOPIC_ADMISSION, encounter("finished"), None, True),
    (canonical.TOPIC_ADMISSION, encounter("finished"), encounter("finished"), False),
    (canonical.TOPIC_ADMISSION, encounter("finished", "AMB"), encounter("planned", "AMB"), False),
    # Cancelled.
    (canonical.TOPIC_ADMISSION, encounter("cancelled"), encounter("planned"), True),
    (canonical.TOPIC_ADMISSION, encounter("entered-in-error"), encounter("in-progress"), True),
    (canonical.TOPIC_ADMISSION, None, encounter("in-progress"), True),
    (canonical.TOPIC_ADMISSION, None, encounter("planned"), True),
    (canonical.TOPIC_ADMISSION, None, encounter("cancelled"), False),
    (canonical.TOPIC_ADMISSION, None, encounter("in-progress", "AMB"), False),
    (canonical.TOPIC_ADMISSION, encounter("cancelled"), None, False),
    (canonical.TOPIC_ADMISSION, encounter("entered-in-error"), encounter("cancelled"), False),
    # Transferred.
    (
        canonical.TOPIC_ADMISSION,
        encounter("in-progress", "IMP", "b"),
        encounter("in-progress", "IMP", "a"),
        True,
    ),
    (
        canonical.TOPIC_ADMISSION,
        encounter("in-progress", "IMP", location=[left("a"), *encounter("x", "", "b")["location"]]),
        encounter("in-progress", "IMP", "a"),
        True,
    ),
    (
        canonical.TOPIC_ADMISSION,
        encounter("in-progress", "IMP", "a", "b"),
        encounter("in-progress", "IMP", "a"),
        True,
    ),
    (
        canonical.TOPIC_ADMISSION,
        encounter("in-progress", "IMP", "a"),
        encounter("in-progress", "IMP", "a", "b"),
        False,
    ),
    (
        canonical.TOPIC_ADMISSION,
        encounter("in-progress", "IMP", location=[left("b")]),
        encounter("in-progress", "IMP", "a"),
        False,
    ),
    (
        canonical.TOPIC_ADMISSION,
        encounter("planned", "IMP", "b"),
        encounter("planned", "IMP", "a"),
        False,
    ),
    (
        canonical.TOPIC_ADMISSION,
        encounter("in-progress", "AMB", "b"),
        encounter("in-progress", "AMB", "a"),
        False,
    ),
    # Who cares for a patient.
    (canonical.TOPIC_CARE_TEAM_CHANGE, team("RelatedPerson/bob"), None, True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, None, team("RelatedPerson/bob"), True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team("a/1"), team("a/1", "b/2"), True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team(status="inactive"), team(), True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team(period={"end": "2026"}), team(), True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team(name="night"), team(), True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team(managingOrganization=[{}]), team(), True),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team(**NOTED), team(), False),
    (canonical.TOPIC_CARE_TEAM_CHANGE, team("a/1", **HTEST), team("a/1"), False),
    # Everything.
    (canonical.TOPIC_RESOURCE_CHANGE, flag(), None, True),
    (canonical.TOPIC_RESOURCE_CHANGE, flag(), flag(), True),
    (canonical.TOPIC_RESOURCE_CHANGE, None, {"resourceType": "Patient"}, True),
]


@pytest.mark.parametrize(("url", "now", "before", "fires"), TABLE)
def test_what_fires(url: str, now: Json | None, before: Json | None, fires: bool) -> None:
    assert ours(url).fires(change(now, before)) is fires


def test_every_topic_has_rows_that_fire_and_rows_that_do_not() -> None:
    always = {canonical.TOPIC_RESOURCE_CHANGE}
    seen = {(url, fires) for url, _, _, fires in TABLE}
    for content in contents():
        assert (content["url"], True) in seen
        assert (content["url"], False) in seen or content["url"] in always


def test_all_topics_are_there_and_named_by_constants() -> None:
    named = {value for name, value in vars(canonical).items() if name.startswith("TOPIC_")}
    assert {one["url"] for one in contents()} == named
    assert set(SHIPPED.urls) == named - {canonical.TOPIC_READING}


@pytest.mark.parametrize("content", contents(), ids=lambda one: one["id"])
def test_the_form_by_somebody_elses_model(content: Json) -> None:
    model = SubscriptionTopic.model_validate(content)
    again = json.loads(model.model_dump_json())
    assert again == content, "nothing is lost or changed on the way through the model of R4B"
    _require_enumerations(model)


def _require_enumerations(model: Any) -> None:
    """The model names the codes of required bindings, but does not check them."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name, None)
        allowed = (field.json_schema_extra or {}).get("enum_values")
        for one in value if isinstance(value, list) else [value]:
            if allowed and one is not None:
                assert one in allowed, f"{name}: {one}"
            if hasattr(type(one), "model_fields"):
                _require_enumerations(one)


@pytest.mark.parametrize("content", contents(), ids=lambda one: one["id"])
def test_every_topic_explains_itself(content: Json) -> None:
    assert content["url"] == f"{canonical.BASE}SubscriptionTopic/{content['id']}"
    explained = [content, *content["resourceTrigger"], *content.get("canFilterBy", [])]
    assert all(len(one["description"]) > 10 for one in explained)


def test_the_files_are_in_the_form_in_which_they_are_edited() -> None:
    folder = files("subscriptions.content").joinpath("topics")
    for entry in folder.iterdir():
        text = entry.read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=2) + "\n"


@pytest.mark.parametrize(
    ("url", "type_", "names"),
    [
        (
            canonical.TOPIC_DEVICE_ALERT,
            "Flag",
            {"patient", "status", "code", "category", "priority"},
        ),
        (canonical.TOPIC_ALERT_TASK, "Task", {"owner", "patient", "priority"}),
        (canonical.TOPIC_SESSION, "Procedure", {"patient", "status", "code", "performer"}),
        (
            canonical.TOPIC_PATIENT_OBSERVATION,
            "Observation",
            {"patient", "code", "category", "device", "status", "date", "value-quantity"},
        ),
        (
            canonical.TOPIC_ADMISSION,
            "Encounter",
            {"patient", "class", "status", "type", "location", "service-provider"},
        ),
        (
            canonical.TOPIC_CARE_TEAM_CHANGE,
            "CareTeam",
            {"patient", "participant", "status", "category"},
        ),
    ],
)
def test_what_a_topic_is_filtered_by(url: str, type_: str, names: set[str]) -> None:
    assert set(ours(url).filters(type_)) == names | {"organization", "care-team"}
    assert ours(url).filters("Patient") == {}


def test_a_change_of_anything_is_filtered_by_every_parameter_of_its_type() -> None:
    topic = ours(canonical.TOPIC_RESOURCE_CHANGE)
    known = topic.filters("Observation")
    assert {"code", "subject", "value-quantity", "_id", "_lastUpdated", "_tag"} <= set(known)
    assert {"organization", "care-team"} <= set(known)
    assert "name" in topic.filters("Patient")
    assert topic.filters("Patient")["organization"].source == "focus", "R4's own comes first"
    assert topic.filters("Starship") == {}


def test_a_change_is_asked_of_few_topics() -> None:
    def watching(catalog: Catalog, type_: str) -> set[str]:
        return {one.url.rsplit("/", 1)[-1] for one in catalog.watching(type_)}

    assert watching(SHIPPED, "Flag") == {"alert-answer", "device-alert", "resource-change"}
    assert watching(SHIPPED, "Basic") == {"resource-change"}
