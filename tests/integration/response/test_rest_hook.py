"""A client's Subscription on device alerts: handshake, notifications, failures, access."""

import json
from datetime import timedelta
from typing import Any

import pytest

from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.errors import Forbidden, Unprocessable
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from tests.integration.response.conftest import Place

EHR = Principal(1, "practitioner", "Practitioner/ehr")
URL = "https://ehr.example.org/hook"


def subscription(
    id_: str = "s1",
    *,
    content: str = "id-only",
    filters: tuple[str, ...] = ("Flag?patient=Patient/ann",),
    url: str = URL,
    channel: Json | None = None,
    status: str = "requested",
) -> Json:
    resource: Json = {
        "resourceType": "Subscription",
        "id": id_,
        "status": status,
        "reason": "alerts in the chart",
        "criteria": TOPIC_DEVICE_ALERT,
        "_criteria": {
            "extension": [
                {"url": BACKPORT + "backport-filter-criteria", "valueString": text}
                for text in filters
            ]
        },
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": {
                "extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]
            },
            "header": ["Authorization: Bearer secret"],
            **(channel or {}),
        },
    }
    if not filters:
        del resource["_criteria"]
    return resource


def bundles(place: Place, url: str = URL) -> list[Any]:
    return [json.loads(body) for to, _, body in place.receiver.got if to == url]


def status_of(bundle: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for parameter in bundle["entry"][0]["resource"]["parameter"]:
        if "part" in parameter:
            part = {
                p["name"]: next(v for k, v in p.items() if k != "name") for p in parameter["part"]
            }
            values.setdefault("events", []).append(part)
        else:
            values[parameter["name"]] = next(v for k, v in parameter.items() if k != "name")
    return values


async def subscribe(place: Place, resource: Json) -> None:
    await place.client_put(resource, EHR)
    assert (await place.get("Subscription", resource["id"]))["status"] == "requested"
    await place.work()


async def test_a_handshake_makes_it_active(place: Place) -> None:
    await subscribe(place, subscription(status="active"))
    (shake,) = bundles(place)
    said = status_of(shake)
    assert said["type"] == "handshake"
    assert said["status"] == "requested"
    assert said["events-since-subscription-start"] == "0"
    assert (await place.get("Subscription", "s1"))["status"] == "active"
    _, headers, _ = place.receiver.got[0]
    assert headers == {
        "Authorization": "Bearer secret",
        "Content-Type": "application/fhir+json",
    }


async def test_a_handshake_without_answer_is_an_error(place: Place) -> None:
    place.receiver.failing.add(URL)
    await subscribe(place, subscription())
    stored = await place.get("Subscription", "s1")
    assert stored["status"] == "error"
    assert stored["error"]


async def test_an_alert_is_told_once_with_its_number(place: Place) -> None:
    await subscribe(place, subscription())
    await place.alarm()
    _, told = bundles(place)
    assert [p for p in validate(told) if p.severity == "error"] == []
    said = status_of(told)
    assert said["type"] == "event-notification"
    assert said["status"] == "active"
    assert [e["event-number"] for e in said["events"]] == ["1"]
    flag = (await place.query("SELECT flag FROM alert"))[0][0]
    reference = f"https://example.org/fhir/Flag/{flag}"
    assert said["events"][0]["focus"] == {"reference": reference}
    assert told["entry"][1]["fullUrl"] == reference
    assert "resource" not in told["entry"][1]


async def test_the_whole_resource_when_asked_for(place: Place) -> None:
    await subscribe(place, subscription(content="full-resource"))
    await place.alarm()
    told = bundles(place)[-1]
    assert told["entry"][1]["resource"]["resourceType"] == "Flag"


async def test_nothing_of_the_record_when_empty(place: Place) -> None:
    await subscribe(place, subscription(content="empty"))
    await place.alarm()
    told = bundles(place)[-1]
    assert len(told["entry"]) == 1
    assert "ann" not in json.dumps(told)
    assert "topic" not in status_of(told)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ((), True),
        (("Flag?patient=ann",), True),
        (("Flag?patient=Patient/zoe",), False),
        (("patient=Patient/zoe,Patient/ann",), True),
        (("Flag?patient=Patient/ann&priority=PH",), True),
        (("Flag.priority=PM",), False),
        (("Flag?patient=Patient/ann", "Flag?priority=PM"), False),
        (("code=198260",), True),
        (("code=urn:iso:std:iso:11073:10101|198260",), True),
    ],
)
async def test_filters(place: Place, filters: tuple[str, ...], wanted: bool) -> None:
    await subscribe(place, subscription(filters=filters))
    await place.alarm()
    assert (len(bundles(place)) == 2) is wanted


async def test_a_failing_endpoint_is_retried_then_declared_in_error_and_brought_back(
    place: Place,
) -> None:
    await subscribe(place, subscription())
    place.receiver.failing.add(URL)
    await place.alarm()
    for _ in range(70):
        place.now += timedelta(seconds=10)
        await place.worker.sequencer.run_due()
        while await place.deliver():
            pass
    stored = await place.get("Subscription", "s1")
    assert stored["status"] == "error"
    reasons = [
        t["reasonCode"]["coding"][0]["code"] for t in await place.all("Task") if "reasonCode" in t
    ]
    assert "subscription-error" in reasons
    await place.alarm("198244")
    place.receiver.failing.clear()
    await place.work()
    assert len(bundles(place)) == 1  # only the client brings it back
    await place.client_put({**stored, "status": "active"}, EHR)
    await place.work()
    said = [status_of(bundle) for bundle in bundles(place)[1:]]
    assert said[0]["type"] == "handshake"
    numbers = [e["event-number"] for s in said[1:] for e in s["events"]]
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
    assert len(numbers) >= 2


async def test_a_dead_endpoint_delays_no_other(place: Place) -> None:
    await subscribe(place, subscription("s1"))
    await subscribe(place, subscription("s2", url="https://other.example.org/"))
    place.receiver.failing.add(URL)
    await place.alarm()
    assert len(bundles(place, "https://other.example.org/")) == 2


async def test_what_may_not_be_seen_any_more_is_not_sent_but_counted(place: Place) -> None:
    await subscribe(place, subscription(content="full-resource"))
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [place._event("198260", "ann", end=False)])
    flag = (await place.query("SELECT flag FROM alert"))[0][0]
    place.eyes.hidden.add(f"Flag/{flag}")
    await place.work()
    told = bundles(place)[-1]
    (event,) = status_of(told)["events"]
    assert event["event-number"] == "1"
    assert "focus" not in event
    assert len(told["entry"]) == 1


async def test_what_may_not_be_seen_is_no_event(place: Place) -> None:
    await subscribe(place, subscription())
    place.eyes.blind = True
    await place.alarm()
    assert len(bundles(place)) == 1
    assert (place.tenant, EHR.reference) in [
        (one.tenant, one.reference) for one in place.eyes.asked
    ]


async def test_several_events_ride_together_up_to_max_count(place: Place) -> None:
    limit = {"extension": [{"url": BACKPORT + "backport-max-count", "valuePositiveInt": 2}]}
    await subscribe(place, subscription(channel=limit))
    for event in ("198260", "198244", "198252"):
        async with place.record.transaction(place.tenant) as tx:
            await place.evaluation.device_events(tx, [place._event(event, "ann", end=False)])
        place.now += timedelta(seconds=90)
    await place.work()
    sizes = [len(status_of(b)["events"]) for b in bundles(place)[1:]]
    assert max(sizes) == 2
    assert sum(sizes) >= 3


async def test_heartbeats_while_there_is_nothing_to_say(place: Place) -> None:
    beat = {"extension": [{"url": BACKPORT + "backport-heartbeat-period", "valueUnsignedInt": 30}]}
    await subscribe(place, subscription(channel=beat))
    count = len(bundles(place))
    await place.after(65)
    later = [status_of(b) for b in bundles(place)[count:]]
    assert [s["type"] for s in later] == ["heartbeat"] * 2
    assert {s["events-since-subscription-start"] for s in later} == {"0"}


async def test_off_ends_it(place: Place) -> None:
    await subscribe(place, subscription())
    stored = await place.get("Subscription", "s1")
    await place.client_put({**stored, "status": "off"}, EHR)
    await place.alarm()
    assert len(bundles(place)) == 1


async def test_a_deleted_one_leaves_nothing(place: Place) -> None:
    await subscribe(place, subscription())
    async with place.record.transaction(place.tenant) as tx:
        await tx.delete("Subscription", "s1")
    await place.alarm()
    assert len(bundles(place)) == 1
    assert await place.query("SELECT 1 FROM event WHERE subscription = 's1'") == []
    assert await place.query("SELECT 1 FROM subscription_match WHERE subscription = 's1'") == []


async def test_a_client_cannot_make_or_change_a_managed_one(place: Place) -> None:
    from subscriptions.core.managed_subscription import managed, subscription_id

    wish = {**managed("RelatedPerson/bob", "+15551112222", "active"), "id": "mine"}
    with pytest.raises(Unprocessable):
        await place.client_put(wish, EHR)
    bobs = await place.get("Subscription", subscription_id("RelatedPerson/bob"))
    with pytest.raises(Unprocessable, match="managed"):
        await place.client_put({**bobs, "status": "off"}, EHR)


async def test_nobody_deletes_a_managed_one(place: Place) -> None:
    from subscriptions.core.managed_subscription import subscription_id

    with pytest.raises(Unprocessable, match="managed"):
        async with place.record.transaction(place.tenant) as tx:
            await tx.delete("Subscription", subscription_id("RelatedPerson/bob"))
    assert await place.status("RelatedPerson/bob") == "active"


async def test_the_owner_is_whoever_wrote_it_last_whatever_it_says(place: Place) -> None:
    from subscriptions.core.client_subscription import OWNER, owner_of

    wish = {**subscription(), "extension": [{"url": OWNER, "valueString": "admin"}]}
    await subscribe(place, wish)
    stored = await place.get("Subscription", "s1")
    assert owner_of(stored, 1) == EHR


async def test_only_whom_it_was_given_to_answers_a_task(place: Place) -> None:
    await place.alarm()
    child = (await place.all("Task"))[1]
    other = Principal(1, "related-person", "RelatedPerson/eve")
    with pytest.raises(Forbidden):
        await place.client_put({**child, "status": "completed"}, other)


async def test_an_incident_is_closed_by_staff_and_with_a_reason(place: Place) -> None:
    await place.alarm()
    parent = (await place.all("Task"))[0]
    with pytest.raises(Forbidden):
        await place.client_put(
            {**parent, "status": "completed"}, Principal(1, "patient", "Patient/ann")
        )
    with pytest.raises(Unprocessable, match="reason"):
        await place.client_put({**parent, "status": "completed"}, EHR)
    with pytest.raises(Unprocessable):
        await place.client_put({**parent, "owner": {"reference": "CareTeam/x"}}, EHR)
