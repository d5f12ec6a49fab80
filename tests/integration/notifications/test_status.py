"""Subscription/$status over HTTP, for those who may see a Subscription and those who may not."""

from typing import Any

import httpx
import pytest

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT, TOPIC_READING
from tests.integration.notifications.conftest import Ward, flag, status_of, subscription
from tests.integration.operations.conftest import call
from tests.integration.rest.conftest import BASE, JSON, observation
from tests.unit.subscriptions.core.status_profile import faults

DEVICE_USE = {
    "resourceType": "DeviceUseStatement",
    "id": "use",
    "status": "active",
    "subject": {"reference": "Patient/ann"},
    "device": {"reference": "Device/cuff"},
}


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    """What a searchset says of each Subscription; every one keeps to the guide's profile."""
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    entries = bundle.get("entry", [])
    assert bundle["total"] == len(entries)
    for entry in entries:
        assert entry["fullUrl"].startswith("urn:uuid:")
        assert faults(entry["resource"]) == []
    return [status_of(entry["resource"]) for entry in entries]


async def test_one_subscription(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    (said,) = told(await ward.nurse.get(f"Subscription/{id_}/$status"))
    assert said == {
        "subscription": f"Subscription/{id_}",
        "topic": TOPIC_DEVICE_ALERT,
        "status": "active",
        "type": "query-status",
        "events-since-subscription-start": "0",
        "events": [],
    }
    assert told(await call(ward.nurse, f"Subscription/{id_}/$status")) == [said]
    named = [("id", "valueId", "other"), ("status", "valueCode", "off")]
    assert told(await call(ward.nurse, f"Subscription/{id_}/$status", *named)) == [said]


async def test_events_are_counted_and_nothing_else_is(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"), flag("f1", "inactive"), flag("f2", patient="joe"))
    (said,) = told(await ward.nurse.get(f"Subscription/{id_}/$status"))
    assert said["events-since-subscription-start"] == "2"
    assert said["events"] == []


async def test_in_error_it_says_why(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.set_status(id_, "error", "the endpoint does not answer with 2xx")
    answer = await ward.nurse.get(f"Subscription/{id_}/$status")
    (said,) = told(answer)
    assert said["status"] == "error"
    assert "the endpoint does not answer with 2xx" in said["error"]
    await ward.set_status(id_, "off")
    (said,) = told(await ward.nurse.get(f"Subscription/{id_}/$status"))
    assert said["status"] == "off"
    assert "error" not in said


async def test_empty_ones_do_not_name_their_topic(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription(content="empty"))
    (said,) = told(await ward.nurse.get(f"Subscription/{id_}/$status"))
    assert "topic" not in said


async def test_several_by_id_and_status(ward: Ward) -> None:
    ids = [await ward.subscribe(subscription()) for _ in range(3)]
    await ward.set_status(ids[1], "error", "no")
    await ward.set_status(ids[2], "off")

    async def found(query: str) -> set[str]:
        answer = await ward.nurse.get(f"Subscription/$status{query}")
        return {one["subscription"].removeprefix("Subscription/") for one in told(answer)}

    assert await found("") == set(ids)
    assert await found(f"?id={ids[0]}&id={ids[1]}") == set(ids[:2])
    assert await found(f"?id={ids[0]},{ids[1]}") == set(ids[:2])
    assert await found("?status=error&status=off") == set(ids[1:])
    assert await found(f"?id={ids[0]}&status=error") == set()
    assert await found("?id=unknown") == set()
    rows = [("id", "valueId", ids[0]), ("id", "valueId", ids[2]), ("status", "valueCode", "off")]
    answer = await call(ward.nurse, "Subscription/$status", *rows)
    assert [one["subscription"] for one in told(answer)] == [f"Subscription/{ids[2]}"]


async def test_only_those_the_caller_may_see(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    for client in (ward.stranger, ward.partner):
        answer = await client.get(f"Subscription/{id_}/$status")
        absent = await client.get("Subscription/nowhere/$status")
        assert (answer.status_code, absent.status_code) == (404, 404)
        assert answer.text.replace(id_, "nowhere") == absent.text
    assert told(await ward.stranger.get(f"Subscription/$status?id={id_}")) == []
    assert told(await ward.stranger.get("Subscription/$status")) == []
    assert len(told(await ward.admin.get(f"Subscription/$status?id={id_}"))) == 1


@pytest.mark.parametrize("query", ["status=nonsense", "nonsense=1", "eventsSinceNumber=1"])
async def test_what_it_does_not_understand_is_refused(ward: Ward, query: str) -> None:
    answer = await ward.nurse.get(f"Subscription/$status?{query}")
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_deleted_one_is_gone(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    assert (await ward.nurse.delete(f"Subscription/{id_}")).status_code in (200, 204)
    assert (await ward.nurse.get(f"Subscription/{id_}/$status")).status_code == 410
    assert told(await ward.nurse.get(f"Subscription/$status?id={id_}")) == []


async def test_in_xml(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    answer = await ward.nurse.get(f"Subscription/{id_}/$status?_format=xml")
    assert answer.status_code == 200
    assert '<name value="events-since-subscription-start"/>' in answer.text.replace(" />", "/>")


async def test_the_rule_engine_counts_what_it_judged(ward: Ward) -> None:
    await ward.write({"resourceType": "Device", "id": "cuff"}, DEVICE_USE)
    (said,) = told(await ward.nurse.get("Subscription/rule-engine-ann/$status"))
    assert (said["topic"], said["events-since-subscription-start"]) == (TOPIC_READING, "0")
    await ward.write(observation("o1", "ann"), observation("o2", "ann"), observation("o3", "joe"))
    (said,) = told(await ward.nurse.get("Subscription/rule-engine-ann/$status"))
    assert said["events-since-subscription-start"] == "2"
    assert said["status"] == "active"
    assert (await ward.stranger.get("Subscription/rule-engine-ann/$status")).status_code == 404


async def test_the_server_says_that_it_can(ward: Ward) -> None:
    statement = (await ward.admin.get("metadata")).json()
    guide = "http://hl7.org/fhir/uv/subscriptions-backport/"
    server = f"{guide}CapabilityStatement/backport-subscription-server-r4"
    assert server in statement["instantiates"]
    (about,) = [one for one in statement["rest"][0]["resource"] if one["type"] == "Subscription"]
    assert f"{guide}StructureDefinition/backport-subscription" in about["supportedProfile"]
    operations = {one["name"]: one["definition"] for one in about["operation"]}
    for name in ("status", "events"):
        definition = f"{guide}OperationDefinition/backport-subscription-{name}"
        assert operations[name] == definition
    topics = {one["valueCanonical"] for one in about["extension"]}
    assert TOPIC_DEVICE_ALERT in topics
    assert TOPIC_READING not in topics
    codes = {one["name"]: one["type"] for one in about["searchParam"]}
    wanted = {"url": "uri", "status": "token", "topic": "uri", "filter-criteria": "string"}
    assert wanted.items() <= codes.items()
    assert {"custom-channel", "payload-type"} <= codes.keys()
    described = (await ward.admin.get("openapi.json")).json()
    assert {"get", "post"} <= described["paths"]["/Subscription/{id}/$events"].keys()
    assert {"get", "post"} <= described["paths"]["/Subscription/$status"].keys()


async def test_subscriptions_are_found_by_what_the_guide_adds(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription(content="id-only"))
    await ward.write({"resourceType": "Device", "id": "cuff"}, DEVICE_USE)

    async def found(query: str) -> list[str]:
        answer = await ward.nurse.get(f"Subscription?{query}")
        assert answer.status_code == 200, answer.text
        return [one["resource"]["id"] for one in answer.json().get("entry", [])]

    assert await found(f"topic={TOPIC_DEVICE_ALERT}") == [id_]
    assert await found(f"topic={TOPIC_READING}") == ["rule-engine-ann"]
    assert await found("filter-criteria=Flag?patient") == [id_]
    assert await found("filter-criteria:contains=Patient/ann&payload-type=id-only") == [id_]
    assert await found("payload-type=empty") == []
    assert await found("custom-channel=rule-engine") == ["rule-engine-ann"]
    assert await found("url=https://ehr.example.org/hook&status=active") == [id_]


async def test_a_body_is_parameters_or_nothing(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    answer = await ward.nurse.post(
        f"Subscription/{id_}/$status",
        json={"resourceType": "Patient"},
        headers={"content-type": JSON},
    )
    assert answer.status_code == 400
    assert BASE not in answer.text


async def test_many_come_in_parts(ward: Ward) -> None:
    ids = [await ward.subscribe(subscription()) for _ in range(5)]
    url = "Subscription/$status?_count=2&status=active"
    heard: list[str] = []
    sizes: list[int] = []
    while url:
        bundle = (await ward.nurse.get(url)).json()
        assert "total" not in bundle
        sizes.append(len(bundle["entry"]))
        heard += [status_of(one["resource"])["subscription"] for one in bundle["entry"]]
        url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), "")
    assert (sorted(heard), sizes) == (sorted(f"Subscription/{id_}" for id_ in ids), [2, 2, 1])
    assert (await ward.nurse.get("Subscription/$status?_cursor=made-up")).status_code == 400


async def test_a_call_by_post_is_continued_by_get(ward: Ward) -> None:
    ids = [await ward.subscribe(subscription()) for _ in range(3)]
    named = [("id", "valueId", id_) for id_ in ids[:2]]
    answer = await call(
        ward.nurse, "Subscription/$status", *named, ("_count", "valuePositiveInt", 1)
    )
    (following,) = (one["url"] for one in answer.json()["link"] if one["relation"] == "next")
    rest = (await ward.nurse.get(following)).json()
    both = [status_of(b["entry"][0]["resource"])["subscription"] for b in (answer.json(), rest)]
    assert sorted(both) == sorted(f"Subscription/{id_}" for id_ in ids[:2])
    assert [one["relation"] for one in rest["link"]] == ["self"]
