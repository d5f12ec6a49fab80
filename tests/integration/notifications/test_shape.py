"""What a topic's notification shape brings along, found in the real record with the owner's rights."""

from typing import Any
from uuid import UUID

from fhirserver.definitions import load
from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import with_owner
from subscriptions.core.topic import Topic
from subscriptions.core.topic_reader import topic_of
from subscriptions.response.notifications import Told
from subscriptions.store import event_rows
from tests.integration.notifications.conftest import Ward, flag, status_of, subscription


def topic(**shape: list[str]) -> Topic:
    content = {
        "resourceType": "SubscriptionTopic",
        "url": TOPIC_DEVICE_ALERT,
        "version": "1.0.0",
        "title": "Alerts",
        "status": "active",
        "resourceTrigger": [{"resource": "http://hl7.org/fhir/StructureDefinition/Flag"}],
        "notificationShape": [{"resource": "Flag", **shape}],
    }
    return topic_of(content, load())


async def told(ward: Ward, id_: str, owner: Principal, **shape: list[str]) -> Json:
    """The Bundle of every event so far, for a Subscription of `owner`."""
    async with ward.record.work(ward.tenant) as tx:
        resource = await tx.get("Subscription", id_)
        assert resource is not None
        rows = await event_rows.numbered(tx, id_, 0, 100, 100)
        return await ward.subscriptions.notifications.bundle(
            tx,
            Told(
                subscription=with_owner(resource, owner),
                topic=topic(**shape),
                kind="event-notification",
                rows=rows,
                status="active",
                through=rows[-1].number,
                at=tx.now,
                entry_id=UUID(int=5),
            ),
        )


def context(bundle: Json) -> list[Any]:
    said = status_of(bundle["entry"][0]["resource"])
    return [one.get("additional-context") for one in said["events"]]


def task(id_: str, about: str, patient: str) -> Json:
    return {
        "resourceType": "Task",
        "id": id_,
        "status": "requested",
        "intent": "order",
        "focus": {"reference": about},
        "for": {"reference": f"Patient/{patient}"},
    }


async def test_includes_and_what_refers_to_a_focus(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription("Flag?patient=Patient/ann,Patient/joe"), ward.admin)
    await ward.write(
        {**flag("f1"), "author": {"reference": "Practitioner/omar"}},
        flag("f2"),
        task("t1", "Flag/f1", "ann"),
        task("t2", "Flag/f2", "joe"),
        task("t3", "Flag/f2", "ann"),
    )
    nina = Principal(ward.tenant, "practitioner", "Practitioner/nina")
    shape = {"include": ["Flag:author", "Flag:patient"], "revInclude": ["Task:focus"]}
    bundle = await told(ward, id_, nina, **shape)
    assert [set(one or ()) for one in context(bundle)] == [
        {"Practitioner/omar", "Patient/ann", "Task/t1"},
        {"Patient/ann", "Task/t3"},
    ]
    everything = await told(ward, id_, Principal(ward.tenant, "admin", ""), **shape)
    assert set(context(everything)[1]) == {"Patient/ann", "Task/t2", "Task/t3"}
    carried = {one["resource"]["resourceType"] for one in bundle["entry"][1:]}
    assert carried == {"Flag", "Patient", "Practitioner", "Task"}


async def test_whoever_left_the_team_is_told_numbers_only(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"))
    omar = Principal(ward.tenant, "practitioner", "Practitioner/omar")
    bundle = await told(ward, id_, omar, include=["Flag:patient"], revInclude=["Task:focus"])
    assert len(bundle["entry"]) == 1
    said = status_of(bundle["entry"][0]["resource"])
    assert said["events"][0].keys() == {"event-number", "timestamp"}


async def test_references_to_what_is_not_here_lead_nowhere(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write({**flag("f1"), "author": {"reference": "Practitioner/nobody"}})
    nina = Principal(ward.tenant, "practitioner", "Practitioner/nina")
    assert context(await told(ward, id_, nina, include=["Flag:author"])) == [None]


async def test_the_alert_topic_brings_its_patient(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"))
    answer = await ward.nurse.get(f"Subscription/{id_}/$events")
    assert context(answer.json()) == [["Patient/ann"]]
    last = answer.json()["entry"][-1]
    assert last["resource"]["resourceType"] == "Patient"
    assert last["request"]["method"] == "GET"
    assert last["response"] == {"status": "200"}
