"""Subscription/[id]/$events over HTTP: ranges, contents, rights, and what is no longer kept."""

from typing import Any

import httpx
import pytest

from fhirserver.kernel.canonical import TOPIC_RESOURCE_CHANGE
from fhirserver.validation import validate
from subscriptions.operations import events as operation
from tests.integration.notifications.conftest import Ward, flag, status_of, subscription
from tests.integration.operations.conftest import call
from tests.integration.rest.conftest import BASE, care_team, observation
from tests.unit.subscriptions.core.status_profile import faults


def told(answer: httpx.Response) -> tuple[dict[str, Any], list[Any]]:
    """What a Bundle says of the Subscription, and the entries behind it; both are sound."""
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert bundle["type"] == "history"
    assert [one for one in validate(bundle) if one.severity == "error"] == []
    assert faults(bundle["entry"][0]["resource"]) == []
    assert all(one["request"] and one["response"] for one in bundle["entry"])
    return status_of(bundle["entry"][0]["resource"]), bundle["entry"][1:]


def numbers(answer: httpx.Response) -> list[int]:
    """The numbers of the events in a Bundle."""
    return [int(one["event-number"][0]) for one in told(answer)[0]["events"]]


@pytest.fixture
async def id_(ward: Ward) -> str:
    """A Subscription with three events: a Flag made, another made, the first ended."""
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"), flag("f2"), flag("f1", "inactive"))
    return id_


async def test_all_of_them_each_as_it_was(ward: Ward, id_: str) -> None:
    said, others = told(await ward.nurse.get(f"Subscription/{id_}/$events"))
    assert said["type"] == "query-event"
    assert said["events-since-subscription-start"] == "3"
    assert [one["event-number"] for one in said["events"]] == [["1"], ["2"], ["3"]]
    assert [one["focus"] for one in said["events"]] == [["Flag/f1"], ["Flag/f2"], ["Flag/f1"]]
    flags = [one["resource"] for one in others if one["resource"]["resourceType"] == "Flag"]
    states = [(one["id"], one["meta"]["versionId"], one["status"]) for one in flags]
    assert states == [("f1", "1", "active"), ("f2", "1", "active"), ("f1", "2", "inactive")]
    assert others[0]["fullUrl"] == f"{BASE}/Flag/f1"
    assert told(await call(ward.nurse, f"Subscription/{id_}/$events"))[0] == said


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("eventsSinceNumber=2", [2, 3]),
        ("eventsUntilNumber=2", [1, 2]),
        ("eventsSinceNumber=2&eventsUntilNumber=2", [2]),
        ("eventsSinceNumber=0&eventsUntilNumber=99", [1, 2, 3]),
        ("eventsSinceNumber=4", []),
        ("eventsSinceNumber=0&eventsUntilNumber=0", []),
    ],
)
async def test_both_ends_belong_to_a_range(
    ward: Ward, id_: str, query: str, expected: list[int]
) -> None:
    assert numbers(await ward.nurse.get(f"Subscription/{id_}/$events?{query}")) == expected


async def test_by_post(ward: Ward, id_: str) -> None:
    rows = [("eventsSinceNumber", "valueString", "2"), ("content", "valueCode", "empty")]
    said, others = told(await call(ward.nurse, f"Subscription/{id_}/$events", *rows))
    assert [one["event-number"] for one in said["events"]] == [["2"], ["3"]]
    assert others == []
    assert "focus" not in said["events"][0]


async def test_contents(ward: Ward, id_: str) -> None:
    said, others = told(await ward.nurse.get(f"Subscription/{id_}/$events?content=id-only"))
    assert said["events"][0]["focus"] == ["Flag/f1"]
    assert others
    assert not any("resource" in one for one in others)
    plain = await ward.subscribe(subscription(content="empty"))
    await ward.write(flag("f3"))
    said, others = told(await ward.nurse.get(f"Subscription/{plain}/$events"))
    assert "focus" not in said["events"][0]
    assert others == []


@pytest.mark.parametrize("status", ["error", "off"])
async def test_it_works_while_nothing_is_sent(ward: Ward, id_: str, status: str) -> None:
    await ward.set_status(id_, status, "no 2xx" if status == "error" else None)
    said, _ = told(await ward.nurse.get(f"Subscription/{id_}/$events"))
    assert said["status"] == status
    assert len(said["events"]) == 3


async def test_events_go_on_being_numbered_in_error(ward: Ward, id_: str) -> None:
    await ward.set_status(id_, "error", "no 2xx")
    await ward.write(flag("f4"))
    assert numbers(await ward.nurse.get(f"Subscription/{id_}/$events")) == [1, 2, 3, 4]


async def test_what_is_no_longer_kept_is_said(ward: Ward, id_: str) -> None:
    await ward.execute("DELETE FROM event WHERE subscription = %s AND number <= 2", (id_,))
    path = f"Subscription/{id_}/$events"
    answer = await ward.nurse.get(f"{path}?eventsSinceNumber=1")
    assert answer.status_code == 410
    assert "1 to 2" in answer.json()["issue"][0]["diagnostics"]
    assert (await ward.nurse.get(f"{path}?eventsUntilNumber=2")).status_code == 410
    assert numbers(await ward.nurse.get(f"{path}?eventsSinceNumber=3")) == [3]
    said, _ = told(await ward.nurse.get(path))
    assert [one["event-number"] for one in said["events"]] == [["3"]]
    assert said["events-since-subscription-start"] == "3"
    await ward.execute("DELETE FROM event WHERE subscription = %s", (id_,))
    assert numbers(await ward.nurse.get(path)) == []
    assert (await ward.nurse.get(f"{path}?eventsSinceNumber=3")).status_code == 410
    assert numbers(await ward.nurse.get(f"{path}?eventsSinceNumber=4")) == []


async def test_more_than_one_answer_holds_goes_on_at_the_link(
    ward: Ward, id_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation, "MAX_EVENTS", 2)
    first = await ward.nurse.get(f"Subscription/{id_}/$events?content=id-only")
    assert numbers(first) == [1, 2]
    links = {one["relation"]: one["url"] for one in first.json()["link"]}
    second = await ward.nurse.get(links["next"])
    assert numbers(second) == [3]
    assert not any("resource" in one for one in told(second)[1])
    assert [one["relation"] for one in second.json()["link"]] == ["self"]


@pytest.mark.parametrize(
    "query",
    ["eventsSinceNumber=x", "eventsSinceNumber=3&eventsUntilNumber=2", "content=all", "id=1"],
)
async def test_what_it_does_not_understand_is_refused(ward: Ward, id_: str, query: str) -> None:
    assert (await ward.nurse.get(f"Subscription/{id_}/$events?{query}")).status_code == 400


async def test_only_for_those_who_may_see_the_subscription(ward: Ward, id_: str) -> None:
    for client in (ward.stranger, ward.partner):
        assert (await client.get(f"Subscription/{id_}/$events")).status_code == 404
    assert (await ward.nurse.get("Subscription/$events")).status_code in (404, 405)


async def test_the_rights_of_who_asks_decide_now(ward: Ward) -> None:
    shared = subscription("Flag?patient=Patient/ann,Patient/joe")
    id_ = await ward.subscribe(shared, ward.admin)
    await ward.write(flag("f1"), flag("f2", patient="joe"))
    await ward.write(care_team("joe", "Practitioner/omar", "Practitioner/nina"))
    said, _ = told(await ward.nurse.get(f"Subscription/{id_}/$events"))
    assert [one["focus"] for one in said["events"]] == [["Flag/f1"], ["Flag/f2"]]
    # The Subscription names both patients: who may see only one of them does not see it.
    await ward.write(care_team("joe", "Practitioner/omar"))
    assert (await ward.nurse.get(f"Subscription/{id_}/$events")).status_code == 404
    said, _ = told(await ward.admin.get(f"Subscription/{id_}/$events"))
    assert [one["focus"] for one in said["events"]] == [["Flag/f1"], ["Flag/f2"]]


async def test_a_focus_that_moved_to_another_patient_is_not_named(ward: Ward, id_: str) -> None:
    await ward.write(flag("f2", patient="joe"))
    said, others = told(await ward.nurse.get(f"Subscription/{id_}/$events"))
    assert [one.get("focus") for one in said["events"]][:3] == [["Flag/f1"], None, ["Flag/f1"]]
    assert not any("f2" in one["fullUrl"] for one in others)


async def test_deletions(ward: Ward, id_: str) -> None:
    assert (await ward.admin.delete("Flag/f1")).status_code in (200, 204)
    await ward.number()
    said, others = told(await ward.nurse.get(f"Subscription/{id_}/$events?eventsSinceNumber=3"))
    assert [one["focus"] for one in said["events"]] == [["Flag/f1"], ["Flag/f1"]]
    assert others[-1]["request"] == {"method": "DELETE", "url": f"{BASE}/Flag/f1"}
    assert others[-1]["response"] == {"status": "204"}
    assert "resource" not in others[-1]
    assert others[0]["resource"]["status"] == "inactive"


async def test_the_rule_engine_keeps_no_events(ward: Ward) -> None:
    use = {
        "resourceType": "DeviceUseStatement",
        "id": "use",
        "status": "active",
        "subject": {"reference": "Patient/ann"},
        "device": {"reference": "Device/cuff"},
    }
    await ward.write({"resourceType": "Device", "id": "cuff"}, use, observation("o1", "ann"))
    answer = await ward.nurse.get("Subscription/rule-engine-ann/$events")
    assert answer.status_code == 422
    assert "$status" in answer.json()["issue"][0]["diagnostics"]


async def test_events_of_every_kind_of_resource(ward: Ward) -> None:
    wanted = subscription("Observation?patient=Patient/ann", topic=TOPIC_RESOURCE_CHANGE)
    id_ = await ward.subscribe(wanted)
    await ward.write(observation("o1", "ann"), observation("o2", "joe"))
    said, (entry,) = told(await ward.nurse.get(f"Subscription/{id_}/$events"))
    assert [one["focus"] for one in said["events"]] == [["Observation/o1"]]
    assert entry["resource"]["valueQuantity"]["value"] == 120
