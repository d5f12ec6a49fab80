"""How changes find Subscriptions in the database: filters, facts, plain criteria, edits, secrets."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from fhirserver.kernel.canonical import (
    BACKPORT,
    TOPIC_PATIENT_OBSERVATION,
    TOPIC_RESOURCE_CHANGE,
)
from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.channel_secret import CHANNEL_SECRET
from subscriptions.core.secret_fingerprint import FINGERPRINT, fingerprint_of
from subscriptions.response.channel_secrets import secrets_of
from tests.integration.response.conftest import Place, team

ADMIN = Principal(1, "admin", "")
NURSE = Principal(1, "practitioner", "Practitioner/nina")
SECRET = "0123456789abcdef0123456789abcdef"


def subscription(
    id_: str, criteria: str, *filters: str, status: str = "requested", **more: Any
) -> Json:
    topic = criteria.startswith("http")
    resource: Json = {
        "resourceType": "Subscription",
        "id": id_,
        "status": status,
        "reason": "to be told",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": f"https://ehr.example.org/{id_}"},
        **more,
    }
    if topic:
        level = {"url": BACKPORT + "backport-payload-content", "valueCode": "id-only"}
        resource["channel"] |= {
            "payload": "application/fhir+json",
            "_payload": {"extension": [level]},
        }
    if filters:
        url = BACKPORT + "backport-filter-criteria"
        resource["_criteria"] = {
            "extension": [{"url": url, "valueString": text} for text in filters]
        }
    return resource


def observation(
    id_: str = "o1", *, code: str = "8867-4", value: int = 80, patient: str = "ann"
) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-08-01T09:00:00Z",
        "valueQuantity": {
            "value": value,
            "unit": "/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
    }


async def owed(place: Place) -> list[tuple[str, str, str]]:
    """What was appended: (Subscription, action, focus), in order."""
    rows = await place.query(
        "SELECT subscription, action, focus_type || '/' || focus_id FROM event"
        " WHERE tenant = %s ORDER BY appended",
        (place.tenant,),
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def wanted_by(place: Place, resource: Json, *subscriptions: Json) -> list[str]:
    """Which of `subscriptions` (of an administrator) are told of `resource`."""
    for one in subscriptions:
        await place.client_put(one, ADMIN)
    await place.put(resource)
    focus = f"{resource['resourceType']}/{resource['id']}"
    return sorted(who for who, _, what in await owed(place) if what == focus)


async def test_filters_of_every_kind(place: Place) -> None:
    topic = TOPIC_PATIENT_OBSERVATION
    wanted = await wanted_by(
        place,
        observation(),
        subscription("all", topic),
        subscription("hers", topic, "Observation?patient=Patient/ann"),
        subscription("other", topic, "Observation?patient=Patient/zoe"),
        subscription("both", topic, "patient=ann&code=http://loinc.org|8867-4"),
        subscription("either", topic, "code=1,8867-4"),
        subscription("neither", topic, "patient=ann", "code=1"),
        subscription("typed", TOPIC_RESOURCE_CHANGE, "Observation?code=8867-4"),
        subscription("elsewhere", TOPIC_RESOURCE_CHANGE, "Encounter?status=finished"),
    )
    assert wanted == ["all", "both", "either", "hers", "typed"]


async def test_conditions_that_are_no_equality(place: Place) -> None:
    wanted = await wanted_by(
        place,
        observation(value=80),
        subscription("high", "Observation?value-quantity=gt100"),
        subscription("low", "Observation?value-quantity=lt100"),
        subscription("not", "Observation?code:not=http://loinc.org|1"),
        subscription("neither", "Observation?patient=Patient/ann&status:not=final"),
        subscription("late", "Observation?date=gt2027"),
    )
    assert wanted == ["low", "not"]


async def test_the_conditions_lie_sealed(place: Place) -> None:
    await place.client_put(subscription("s", "Patient?name:contains=smith"), ADMIN)
    ((required, residual),) = await place.query(
        "SELECT required, residual FROM subscription_match WHERE subscription = 's'"
    )
    assert required == []
    assert residual is not None
    assert b"smith" not in bytes(residual)


async def test_facts_about_the_patient(place: Place) -> None:
    await place.put(
        {
            "resourceType": "Patient",
            "id": "ann",
            "managingOrganization": {"reference": "Organization/north"},
        }
    )
    topic = TOPIC_PATIENT_OBSERVATION
    wanted = await wanted_by(
        place,
        observation(),
        subscription("north", topic, "Observation?organization=Organization/north"),
        subscription("south", topic, "Observation?organization=Organization/south"),
        subscription("team", topic, "Observation?care-team=CareTeam/team&code=8867-4"),
        subscription("named", topic, "Observation?patient=ann&care-team=CareTeam/team"),
        subscription("strangers", topic, "Observation?care-team=CareTeam/other"),
    )
    assert wanted == ["named", "north", "team"]


async def test_plain_criteria_speak_of_creations_and_updates(place: Place) -> None:
    await place.client_put(subscription("s", "Observation?code=8867-4"), ADMIN)
    assert (await place.get("Subscription", "s"))["status"] == "active"
    await place.put(observation())
    await place.put(observation(value=90))
    async with place.record.transaction(place.tenant) as tx:
        await tx.delete("Observation", "o1")
    assert await owed(place) == [
        ("s", "create", "Observation/o1"),
        ("s", "update", "Observation/o1"),
    ]


async def test_a_deletion_is_matched_by_what_was_there(place: Place) -> None:
    topic = TOPIC_RESOURCE_CHANGE
    await place.put(observation())
    await place.client_put(subscription("this", topic, "Observation?code=8867-4"), ADMIN)
    await place.client_put(subscription("that", topic, "Observation?code=1"), ADMIN)
    async with place.record.transaction(place.tenant) as tx:
        await tx.delete("Observation", "o1")
    assert await owed(place) == [("this", "delete", "Observation/o1")]


async def test_events_are_in_the_order_of_the_changes(place: Place) -> None:
    await place.client_put(subscription("s", "Observation"), ADMIN)
    await place.put(*(observation(f"o{number}") for number in range(9)))
    assert [what for _, _, what in await owed(place)] == [f"Observation/o{n}" for n in range(9)]


async def test_one_question_whatever_there_is(place: Place, monkeypatch: Any) -> None:
    from fhirserver.store.transaction import WriteTransaction

    topic = TOPIC_PATIENT_OBSERVATION
    for number in range(20):
        filter_ = f"Observation?patient=Patient/{'ann' if number % 2 else 'zoe'}"
        await place.client_put(subscription(f"s{number}", topic, filter_), ADMIN)
    await place.put(observation("before"))
    asked: list[str] = []
    execute = WriteTransaction.execute

    async def counted(self: WriteTransaction, sql: Any, args: Any = ()) -> Any:
        asked.append(sql)
        return await execute(self, sql, args)

    monkeypatch.setattr(WriteTransaction, "execute", counted)
    async with place.record.transaction(place.tenant) as tx:
        for number in range(10):
            await tx.put(observation(f"o{number}"), id_=f"o{number}")
    monkeypatch.undo()
    assert len([sql for sql in asked if "subscription_" in sql]) == 1
    assert len(await owed(place)) == 110


async def test_access_is_asked_once_for_all_owners(place: Place) -> None:
    for number in range(5):
        one = subscription(f"s{number}", "Observation?patient=Patient/ann")
        await place.client_put(one, NURSE if number else ADMIN)
    place.eyes.asked.clear()
    await place.put(observation())
    assert len(await owed(place)) == 5
    place.eyes.blind = True
    await place.put(observation("o2"))
    assert "Observation/o2" not in {what for _, _, what in await owed(place)}


async def test_what_is_off_deleted_or_over_matches_nothing(place: Place) -> None:
    ends = (place.now + timedelta(hours=1)).isoformat()
    for one in (
        subscription("off", "Observation", status="off"),
        subscription("gone", "Observation"),
        subscription("over", "Observation", end=ends),
        subscription("on", "Observation"),
    ):
        await place.client_put(one, ADMIN)
    async with place.record.transaction(place.tenant) as tx:
        await tx.delete("Subscription", "gone")
    await place.put(observation("o1"))
    place.now += timedelta(hours=1)
    await place.put(observation("o2"))
    assert [(who, what) for who, _, what in await owed(place)] == [
        ("on", "Observation/o1"),
        ("over", "Observation/o1"),
        ("on", "Observation/o2"),
    ]


async def test_an_edit_counts_from_its_commit_on(place: Place) -> None:
    await place.client_put(subscription("s", "Observation?code=1"), ADMIN)
    await place.put(observation("o1"))
    await place.client_put(subscription("s", "Observation?code=8867-4"), ADMIN)
    await place.put(observation("o2"))
    await place.client_put(subscription("s", "Encounter"), ADMIN)
    await place.put(observation("o3"))
    assert await owed(place) == [("s", "create", "Observation/o2")]
    rows = await place.query("SELECT last_number FROM subscription_cursor WHERE subscription = 's'")
    assert rows == [(1,)]


async def test_every_problem_is_a_422_at_once(place: Place) -> None:
    wrong = subscription("s", "https://example.org/nowhere", status="error")
    wrong["channel"] |= {"endpoint": "http://127.0.0.1/", "payload": "text/plain"}
    with pytest.raises(Unprocessable) as refused:
        await place.client_put(wrong, ADMIN)
    assert {one.expression.removeprefix("Subscription.") for one in refused.value.problems} == {
        "criteria",
        "status",
        "channel.endpoint",
        "channel.payload",
    }


async def test_a_secret_is_kept_beside_the_cursor(place: Place) -> None:
    given = subscription("s", "Observation")
    given["channel"]["extension"] = [{"url": CHANNEL_SECRET, "valueString": SECRET}]
    await place.client_put(given, ADMIN)
    stored = await place.get("Subscription", "s")
    assert SECRET not in str(stored)
    assert await _secret(place) == SECRET

    edited = deepcopy(stored) | {"reason": "another"}
    del edited["meta"]
    await place.client_put(edited, ADMIN)
    assert await _secret(place) == SECRET

    unknown = deepcopy(edited)
    unknown["channel"]["extension"] = [{"url": FINGERPRINT, "valueString": "0" * 16}]
    with pytest.raises(Unprocessable):
        await place.client_put(unknown, ADMIN)

    await place.client_put(subscription("s", "Observation"), ADMIN)
    assert await _secret(place) is None
    rows = await place.query("SELECT secret FROM subscription_cursor WHERE subscription = 's'")
    assert rows == [(None,)]


async def _secret(place: Place) -> str | None:
    async with place.record.transaction(place.tenant) as tx:
        stored = await tx.get("Subscription", "s")
        assert stored is not None
        kept = (await secrets_of(tx, {"s": stored})).get("s")
        return None if kept is None else kept.secret


async def test_fingerprints_tell_secrets_apart(place: Place) -> None:
    seen = set()
    for text in (SECRET, SECRET[::-1]):
        given = subscription("s", "Observation")
        given["channel"]["extension"] = [{"url": CHANNEL_SECRET, "valueString": text}]
        await place.client_put(given, ADMIN)
        seen.add(fingerprint_of(await place.get("Subscription", "s")))
        assert await _secret(place) == text
    assert len(seen) == 2


async def test_after_an_upgrade_everything_is_filed_again(place: Place) -> None:
    await place.client_put(subscription("s", "Observation?code=8867-4"), ADMIN)
    await place.client_put(subscription("off", "Observation", status="off"), ADMIN)
    before = await _filed(place)
    async with place.record.transaction(place.tenant) as tx:
        await tx.execute("DELETE FROM subscription_match")
    async with place.record.transaction(place.tenant) as tx:
        await place.response.file_again(tx)
    assert await _filed(place) == before
    async with place.record.transaction(place.tenant) as tx:
        assert await place.response.file_again(tx) == 0


async def _filed(place: Place) -> list[tuple[Any, ...]]:
    return await place.query(
        "SELECT bucket, topic, filter_key, subscription, required, plain, owner_kind, owner"
        " FROM subscription_match ORDER BY subscription, filter_key"
    )


class _CameToNothing(Exception):
    pass


async def _come_to_nothing(place: Place) -> None:
    extra = subscription("x", "Observation?patient=Patient/ann", status="active")
    seen = observation("lost")
    async with place.record.transaction(place.tenant) as tx:
        changes = [
            Change(place.tenant, "create", one["resourceType"], one["id"], 1, 0, None, one, None)
            for one in (extra, seen)
        ]
        await place.response.changed(tx, changes)
        raise _CameToNothing


async def test_filters_of_a_transaction_that_came_to_nothing_are_not_believed(
    place: Place,
) -> None:
    await place.client_put(subscription("s", "Observation?status=final"), ADMIN)
    with pytest.raises(_CameToNothing):
        await _come_to_nothing(place)
    await place.client_put(subscription("y", "Observation?code=8867-4"), ADMIN)
    await place.put(observation())
    assert [who for who, _, what in await owed(place)] == ["s", "y"]


async def test_managed_ones_are_matched_too(place: Place) -> None:
    await place.put(team(("RelatedPerson/bob", 1)))
    await place.alarm()
    assert {who for who, _, what in await owed(place) if what.startswith("Task/")}
