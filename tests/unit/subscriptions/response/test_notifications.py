"""What a notification tells, by the rights of who is told, over a transaction that counts questions."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.errors import TooCostly
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Json, Stored
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.query import Query
from fhirserver.wire import fhir_json
from subscriptions.core.client_subscription import with_owner
from subscriptions.core.notification import Action, Content
from subscriptions.core.topic import Topic
from subscriptions.core.topic_reader import topic_of
from subscriptions.response.notifications import Notifications, Told
from subscriptions.store.event_rows import EventRow

NOW = datetime(2026, 8, 1, 9, tzinfo=UTC)
BASE_URL = "https://x.org/fhir"
NURSE = Principal(1, "practitioner", "Practitioner/nurse")
SHAPED = {"include": ["Flag:patient"], "revInclude": ["Task:focus"]}


def topic(shape: Json | None = None) -> Topic:
    content = {
        "resourceType": "SubscriptionTopic",
        "url": TOPIC_DEVICE_ALERT,
        "version": "1.0.0",
        "title": "Alerts",
        "status": "active",
        "resourceTrigger": [{"resource": "http://hl7.org/fhir/StructureDefinition/Flag"}],
        "notificationShape": [{"resource": "Flag", **(shape or {})}],
    }
    return topic_of(content, load())


def subscription(content: Content = "full-resource", owner: Principal | None = NURSE) -> Json:
    payload = {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]}
    made = {
        "resourceType": "Subscription",
        "id": "s1",
        "status": "active",
        "criteria": TOPIC_DEVICE_ALERT,
        "channel": {"type": "rest-hook", "payload": "application/fhir+json", "_payload": payload},
    }
    return made if owner is None else with_owner(made, owner)


@dataclass
class Record:
    """Versions by resource, oldest first; `purged` ones are gone from the history."""

    versions_of: dict[tuple[str, str], list[Stored]] = field(default_factory=dict)
    purged: set[tuple[str, str, int]] = field(default_factory=set)
    questions: list[Any] = field(default_factory=list)
    tenant: int = 1
    now: datetime = NOW
    definitions: Any = field(default_factory=load)

    def write(self, resource: Json) -> EventRow:
        """Store one more version and return the event of it."""
        key = (resource["resourceType"], resource["id"])
        several = self.versions_of.setdefault(key, [])
        number = len(several) + 1
        body = {**resource, "meta": {"versionId": str(number)}}
        several.append(Stored(*key, number, NOW, False, fhir_json.write(body)))
        return self._event("create" if number == 1 else "update", key, number)

    def delete(self, type_: str, id_: str) -> EventRow:
        """Store a deletion and return its event."""
        several = self.versions_of[type_, id_]
        several.append(Stored(type_, id_, len(several) + 1, NOW, True, b""))
        return self._event("delete", (type_, id_), len(several))

    def _event(self, action: Action, key: tuple[str, str], number: int) -> EventRow:
        return EventRow(number, action, *key, number, "ann", NOW)

    async def versions(
        self, wanted: Mapping[tuple[str, str], AbstractSet[int]]
    ) -> Mapping[tuple[str, str], Sequence[Stored]]:
        if wanted:
            self.questions.append(dict(wanted))
        found = {}
        for key, numbers in wanted.items():
            if key in self.versions_of:
                current = self.versions_of[key][-1]
                older = [
                    one
                    for one in self.versions_of[key][:-1]
                    if one.version in numbers and (*key, one.version) not in self.purged
                ]
                found[key] = [current, *older]
        return found

    @property
    def tx(self) -> Transaction:
        return cast("Transaction", self)


@dataclass
class Eyes:
    """The access decision: everything is seen but what contains a hidden word."""

    hidden: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: int = 0

    async def access(self, tx: Transaction, owner: Grant) -> Access:
        return (await self.accesses(tx, (owner,)))[owner]

    async def accesses(self, tx: Transaction, owners: Collection[Grant]) -> Mapping[Grant, Access]:
        self.asked += 1
        return {one: Access(one.principal, everything=False) for one in owners}

    def sees(self, access: Access, stored: Stored) -> bool:
        words = () if access.everything else self.hidden.get(access.principal.reference, ())
        return not stored.deleted and not any(word.encode() in stored.content for word in words)


def flag(id_: str = "f1", status: str = "active", patient: str = "ann") -> Json:
    return {
        "resourceType": "Flag",
        "id": id_,
        "status": status,
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def patient(id_: str = "ann") -> Json:
    doctor = [{"reference": "Practitioner/house"}]
    return {"resourceType": "Patient", "id": id_, "generalPractitioner": doctor}


def told(rows: Sequence[EventRow], **changes: Any) -> Told:
    one = Told(
        subscription=subscription(),
        topic=topic(),
        kind="event-notification",
        rows=rows,
        status="active",
        through=rows[-1].number if rows else 0,
        at=NOW,
        entry_id=UUID(int=5),
    )
    return replace(one, **changes)


async def make(
    record: Record, one: Told, eyes: Eyes | None = None, search: Any = None
) -> tuple[list[dict[str, Any]], list[Json]]:
    """Return the parts of each event by name, and the entries behind the status."""
    notifications = Notifications(base=BASE_URL, visibility=eyes or Eyes(), search=search)
    bundle = await notifications.bundle(record.tx, one)
    status, *others = bundle["entry"]
    events = [
        list(parameter["part"])
        for parameter in status["resource"]["parameter"]
        if parameter["name"] == "notification-event"
    ]
    found = []
    for parts in events:
        named: dict[str, Any] = {}
        for part in parts:
            value = next(v for k, v in part.items() if k != "name")
            text = (
                value["reference"].removeprefix(BASE_URL + "/") if "reference" in value else value
            )
            named.setdefault(part["name"], []).append(text)
        found.append(named)
    return found, others


async def test_each_event_tells_its_own_state_for_one_question() -> None:
    record = Record()
    rows = [record.write(flag(status=status)) for status in ("active", "active", "inactive")]
    eyes = Eyes()
    events, others = await make(record, told(rows[:2]), eyes)
    assert [one["focus"] for one in events] == [["Flag/f1"], ["Flag/f1"]]
    assert [one["resource"]["meta"]["versionId"] for one in others] == ["1", "2"]
    assert others[1]["resource"]["status"] == "active"
    assert (len(record.questions), eyes.asked) == (1, 1)


async def test_many_focuses_are_one_question() -> None:
    record = Record()
    rows = [record.write(flag(f"f{number}")) for number in range(100)]
    events, others = await make(record, told(rows))
    assert len(events) == len(others) == 100
    assert len(record.questions) == 1


async def test_many_subscriptions_are_one_question() -> None:
    record = Record()
    row = record.write(flag())
    record.write(patient())
    owners = [Principal(1, "practitioner", f"Practitioner/{number}") for number in range(50)]
    asked = [
        told([row], subscription=subscription(owner=owner), topic=topic(SHAPED)) for owner in owners
    ]
    eyes = Eyes({"Practitioner/7": ("Patient/ann",)})
    bundles = await Notifications(base=BASE_URL, visibility=eyes).bundles(record.tx, asked)
    assert [len(one["entry"]) for one in bundles].count(3) == 49
    assert len(bundles[7]["entry"]) == 1
    assert eyes.asked == 1
    assert len(record.questions) <= 4


@pytest.mark.parametrize("kind", ["handshake", "heartbeat", "event-notification"])
async def test_nothing_is_asked_where_nothing_is_named(kind: Any) -> None:
    record, eyes = Record(), Eyes()
    rows = [record.write(flag())] if kind == "event-notification" else []
    content: Content = "empty" if rows else "full-resource"
    one = told(rows, kind=kind, subscription=subscription(content))
    events, others = await make(record, one, eyes)
    assert others == []
    assert all("focus" not in event for event in events)
    assert (record.questions, eyes.asked) == ([], 0)


async def test_what_the_owner_may_not_see_is_counted_only() -> None:
    record = Record()
    rows = [record.write(flag()), record.write(flag("f2", patient="zoe"))]
    events, others = await make(record, told(rows), Eyes({NURSE.reference: ("Patient/zoe",)}))
    assert [one.get("focus") for one in events] == [["Flag/f1"], None]
    assert len(others) == 1


@pytest.mark.parametrize("order", [("ann", "zoe"), ("zoe", "ann")])
async def test_both_what_it_was_and_what_it_is_must_be_visible(order: tuple[str, str]) -> None:
    record = Record()
    first = record.write(flag(patient=order[0]))
    record.write(flag(patient=order[1]))
    events, others = await make(record, told([first]), Eyes({NURSE.reference: ("Patient/zoe",)}))
    assert "focus" not in events[0]
    assert others == []


async def test_a_deletion_is_told_to_those_who_saw_the_last_state() -> None:
    record = Record()
    record.write(flag())
    gone = record.delete("Flag", "f1")
    events, (entry,) = await make(record, told([gone]))
    assert events[0]["focus"] == ["Flag/f1"]
    assert entry["request"] == {"method": "DELETE", "url": f"{BASE_URL}/Flag/f1"}
    assert "resource" not in entry
    events, others = await make(record, told([gone]), Eyes({NURSE.reference: ("Patient/ann",)}))
    assert "focus" not in events[0]
    assert others == []


async def test_what_was_deleted_since_is_told_as_it_was() -> None:
    record = Record()
    made = record.write(flag())
    record.delete("Flag", "f1")
    _, (entry,) = await make(record, told([made]))
    assert entry["resource"]["status"] == "active"


async def test_the_current_state_stands_in_for_a_version_that_is_gone() -> None:
    record = Record()
    first = record.write(flag())
    record.write(flag(status="inactive"))
    record.purged.add(("Flag", "f1", 1))
    _, (entry,) = await make(record, told([first]))
    assert entry["resource"]["status"] == "inactive"


async def test_when_nothing_is_left_only_who_sees_everything_learns_the_name() -> None:
    record = Record()
    first = record.write(flag())
    record.delete("Flag", "f1")
    record.purged.add(("Flag", "f1", 1))
    events, others = await make(record, told([first]))
    assert "focus" not in events[0]
    assert others == []
    everybody = Access(Principal(1, "admin", ""), everything=True)
    events, (entry,) = await make(record, told([first], reader=everybody))
    assert events[0]["focus"] == ["Flag/f1"]
    assert "resource" not in entry


async def test_without_an_owner_nothing_is_named() -> None:
    record = Record()
    row = record.write(flag())
    events, others = await make(record, told([row], subscription=subscription(owner=None)))
    assert "focus" not in events[0]
    assert others == []


async def test_who_reads_decides_instead_of_the_owner() -> None:
    record, eyes = Record(), Eyes({NURSE.reference: ("Patient/ann",)})
    row = record.write(flag())
    reader = Access(Principal(1, "practitioner", "Practitioner/other"), everything=False)
    events, _ = await make(record, told([row], reader=reader), eyes)
    assert events[0]["focus"] == ["Flag/f1"]
    assert eyes.asked == 0


async def test_includes_follow_the_shape_and_the_state_of_the_event() -> None:
    record = Record()
    row = record.write(flag())
    record.write(flag(patient="bea"))
    for one in (patient(), patient("bea"), {"resourceType": "Practitioner", "id": "house"}):
        record.write(one)
    events, others = await make(record, told([row], topic=topic(SHAPED)))
    assert events[0]["additional-context"] == ["Patient/ann"]
    assert [one["fullUrl"] for one in others] == [f"{BASE_URL}/Flag/f1", f"{BASE_URL}/Patient/ann"]
    further = {"include": ["Flag:patient", "_include:iterate=Patient:general-practitioner"]}
    events, _ = await make(record, told([row], topic=topic(further)))
    assert events[0]["additional-context"] == ["Patient/ann", "Practitioner/house"]


async def test_what_goes_with_a_focus_is_decided_by_itself() -> None:
    record = Record()
    row = record.write(flag())
    record.write({**patient(), "birthDate": "1950-01-01"})
    eyes = Eyes({NURSE.reference: ("birthDate",)})
    events, others = await make(record, told([row], topic=topic(SHAPED)), eyes)
    assert events[0]["focus"] == ["Flag/f1"]
    assert "additional-context" not in events[0]
    assert len(others) == 1


async def test_what_refers_to_a_focus_is_searched_as_its_reader() -> None:
    record = Record()
    rows = [record.write(flag()), record.write(flag("f2"))]
    task = {
        "resourceType": "Task",
        "id": "t1",
        "meta": {"versionId": "3"},
        "focus": {"reference": "Flag/f2"},
    }
    searched: list[tuple[Principal, str, int]] = []

    async def search(access: Access, query: Query) -> SearchPage:
        searched.append((access.principal, query.type, query.count))
        return SearchPage((Stored("Task", "t1", 3, NOW, False, fhir_json.write(task)),))

    one = told(rows, topic=topic({"revInclude": ["Task:focus"]}))
    events, others = await make(record, one, search=search)
    assert [event.get("additional-context") for event in events] == [None, ["Task/t1"]]
    assert others[-1]["resource"] == task
    assert searched == [(NURSE, "Task", 50)]


async def test_an_include_that_costs_too_much_does_not_hold_the_event_up() -> None:
    async def search(access: Access, query: Query) -> SearchPage:
        raise TooCostly("too much")

    record = Record()
    row = record.write(flag())
    one = told([row], topic=topic({"revInclude": ["Task:focus"]}))
    events, _ = await make(record, one, search=search)
    assert events[0]["focus"] == ["Flag/f1"]


async def test_a_bundle_brings_a_bounded_number_along() -> None:
    record = Record()
    rows = [record.write(flag(f"f{n}", patient=f"p{n}")) for n in range(80)]
    for number in range(80):
        record.write(patient(f"p{number}"))
    _, others = await make(record, told(rows, topic=topic({"include": ["Flag:patient"]})))
    assert len(others) == 80 + 50


async def test_plain_subscriptions_are_sent_the_resource() -> None:
    record = Record()
    first = record.write(flag())
    record.write(flag(status="inactive"))
    deleted = record.delete("Flag", "f1")
    notifications = Notifications(base=BASE_URL, visibility=Eyes())
    found = await notifications.plain(record.tx, subscription(), first)
    assert found is not None
    assert found["status"] == "active"
    assert await notifications.plain(record.tx, subscription(), deleted) is None
    assert await notifications.plain(record.tx, subscription(owner=None), first) is None
    blind = Notifications(base=BASE_URL, visibility=Eyes({NURSE.reference: ("Patient/ann",)}))
    assert await blind.plain(record.tx, subscription(), first) is None


async def test_the_topic_is_named_where_it_is_known() -> None:
    record = Record()
    notifications = Notifications(base=BASE_URL, visibility=Eyes())
    for known, named in ((topic(), 1), (None, 0)):
        bundle = await notifications.bundle(record.tx, told([], kind="handshake", topic=known))
        names = [one["name"] for one in bundle["entry"][0]["resource"]["parameter"]]
        assert names.count("topic") == named
