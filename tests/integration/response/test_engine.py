"""The delivery engine over a real database: many Subscriptions, workers that die, what is set aside."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from fhirserver.kernel.canonical import BACKPORT
from fhirserver.kernel.principal import Grant, Principal
from subscriptions import administration
from subscriptions.channels.egress import Answer
from subscriptions.core.timing import KEEP_EVENTS
from subscriptions.rest import metrics
from subscriptions.store import cursor_rows
from tests.integration.response.conftest import Place
from tests.integration.response.test_rest_hook import (
    URL,
    bundles,
    status_of,
    subscribe,
    subscription,
)
from tests.patience import PATIENCE_SECONDS

LIMIT_OF_FIVE = {"extension": [{"url": BACKPORT + "backport-max-count", "valuePositiveInt": 5}]}


async def flags(place: Place, count: int) -> None:
    """Ann gets `count` Flags, each of them an event of topic device-alert."""
    for _ in range(count):
        async with place.record.transaction(place.tenant) as tx:
            place._alarms += 1
            code = {"system": "urn:iso:std:iso:11073:10101", "code": "198260"}
            await tx.put(
                {
                    "resourceType": "Flag",
                    "id": f"f{place._alarms}",
                    "status": "active",
                    "code": {"coding": [code]},
                    "subject": {"reference": "Patient/ann"},
                },
                id_=f"f{place._alarms}",
            )


def numbers(place: Place, url: str = URL) -> list[int]:
    """The numbers of all events received, in the order they came."""
    return [
        int(event["event-number"])
        for bundle in bundles(place, url)
        for event in status_of(bundle).get("events", [])
    ]


def posting(place: Place, answers: Any) -> None:
    """Let `answers(numbers)` decide on each notification that carries events."""
    post = place.receiver.post

    async def decided(
        url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout_seconds: float
    ) -> Answer:
        held = [
            int(part["valueString"])
            for parameter in json.loads(body)["entry"][0]["resource"]["parameter"]
            for part in parameter.get("part", ())
            if part["name"] == "event-number"
        ]
        answer = answers(held) if held else None
        if isinstance(answer, BaseException):
            raise answer
        return answer or await post(url, headers, body, timeout_seconds)

    place.receiver.post = decided  # type: ignore[method-assign]


@asynccontextmanager
async def counted(place: Place) -> AsyncIterator[list[int]]:
    """Count the transactions that workers made meanwhile open."""
    opened: list[int] = []
    work = place.record.work

    def counting(tenant: int) -> Any:
        opened.append(tenant)
        return work(tenant)

    place.record.work = counting  # type: ignore[method-assign]
    try:
        yield opened
    finally:
        place.record.work = work  # type: ignore[method-assign]


async def test_many_subscriptions_share_a_handful_of_transactions(place: Place) -> None:
    for number in range(20):
        await place.client_put(
            subscription(f"s{number}", url=f"{URL}/{number}"), Principal(1, "practitioner", "P/e")
        )
    await place.work()
    await flags(place, 1)
    async with counted(place) as opened:
        worker = place.another_worker()
        assert await worker.sequencer.run_due() == 20
        assert len(opened) == 1
        async with asyncio.TaskGroup() as tasks:
            assert await worker.delivery.start_due(tasks) == 20
        assert len(opened) <= 6
    assert all(numbers(place, f"{URL}/{number}") == [1] for number in range(20))


async def test_numbers_of_many_subscriptions_have_no_gaps_while_everything_runs(
    place: Place,
) -> None:
    for number in range(3):
        await subscribe(place, subscription(f"s{number}", url=f"{URL}/{number}"))
    others = [place.another_worker() for _ in range(2)]

    async def run(worker: Any) -> None:
        for _ in range(25):
            await worker.sequencer.run_due()
            async with asyncio.TaskGroup() as tasks:
                await worker.delivery.start_due(tasks)

    await asyncio.gather(flags(place, 12), *(run(one) for one in others))
    await place.work()
    for number in range(3):
        assert numbers(place, f"{URL}/{number}") == list(range(1, 13))


async def test_a_worker_that_dies_while_sending_is_followed_by_another(place: Place) -> None:
    await subscribe(place, subscription())
    await flags(place, 2)
    await place.worker.sequencer.run_due()
    hangs = asyncio.Event()

    async def hang(*_: Any) -> Answer:
        hangs.set()
        await asyncio.Event().wait()
        raise AssertionError

    post, place.receiver.post = place.receiver.post, hang  # type: ignore[method-assign, assignment]
    dying = asyncio.ensure_future(place.deliver())
    await asyncio.wait_for(hangs.wait(), PATIENCE_SECONDS)
    dying.cancel()
    await asyncio.wait([dying])
    place.receiver.post = post  # type: ignore[method-assign]
    place.worker = place.another_worker()
    await place.work()
    assert numbers(place) == []
    place.now += timedelta(seconds=6)
    await place.work()
    assert numbers(place) == [1, 2]
    outcomes = await place.query(
        "SELECT outcome, first_number, number FROM attempt WHERE subscription = 's1'"
        " AND first_number IS NOT NULL ORDER BY started, id"
    )
    assert outcomes == [("lost", 1, 2), ("handed-over", 1, 2)]


async def test_a_lease_is_kept_while_an_endpoint_takes_its_time(place: Place) -> None:
    await subscribe(place, subscription())
    await flags(place, 1)
    await place.worker.sequencer.run_due()
    slow, going = asyncio.Event(), asyncio.Event()

    async def patience(*_: Any) -> Answer:
        going.set()
        await slow.wait()
        return Answer(200)

    place.receiver.post = patience  # type: ignore[method-assign, assignment]
    sending = asyncio.ensure_future(place.deliver())
    await asyncio.wait_for(going.wait(), PATIENCE_SECONDS)
    for _ in range(4):
        place.now += timedelta(seconds=2)
        await place.worker.delivery.beat()
        other = place.another_worker()
        async with asyncio.TaskGroup() as tasks:
            assert await other.delivery.start_due(tasks) == 0
    slow.set()
    await asyncio.wait_for(sending, PATIENCE_SECONDS)
    assert await place.query(
        "SELECT delivered_through, epoch FROM subscription_cursor WHERE subscription = 's1'"
    ) == [(1, 2)]


async def test_a_poisonous_event_is_set_aside_and_the_others_arrive(place: Place) -> None:
    await subscribe(place, subscription(channel=LIMIT_OF_FIVE))
    await flags(place, 7)
    posting(place, lambda held: Answer(413) if 3 in held else None)
    await place.work()
    assert numbers(place) == [1, 2, 4, 5, 6, 7]
    async with place.record.transaction(place.tenant) as tx:
        shown = await administration.shown(tx, "s1")
    assert shown is not None
    (letter,) = shown["deadLetters"]
    assert (letter["first"], letter["last"], letter["sentAt"]) == (3, 3, None)
    assert letter["reason"]
    assert shown["status"] == "active"
    assert shown["openDeadLetters"] == 1


async def test_what_was_set_aside_is_sent_again_when_an_administrator_asks(place: Place) -> None:
    await subscribe(place, subscription())
    await flags(place, 2)
    refusing = {1}
    posting(place, lambda held: Answer(413) if refusing & set(held) else None)
    await place.work()
    assert numbers(place) == [2]
    refusing.clear()
    async with place.record.transaction(place.tenant) as tx:
        outcome = await administration.replay_dead_letters(tx, "s1")
        assert await administration.replay_dead_letters(tx, "nobody") is None
    assert outcome is not None
    assert outcome["deadLetters"] == 1
    await place.work()
    assert numbers(place) == [2, 1]
    async with place.record.transaction(place.tenant) as tx:
        shown = await administration.shown(tx, "s1")
    assert shown is not None
    assert shown["deadLetters"][0]["sentAt"]
    assert (shown["deliveredThrough"], shown["lagEvents"]) == (2, 0)


async def test_everything_from_a_number_on_is_sent_again(place: Place) -> None:
    await subscribe(place, subscription())
    await flags(place, 4)
    await place.work()
    async with place.record.transaction(place.tenant) as tx:
        await administration.replay_since(tx, "s1", 3)
    await place.work()
    assert numbers(place) == [1, 2, 3, 4, 3, 4]


async def test_events_are_kept_for_72_hours_also_in_error_and_then_said_to_be_gone(
    place: Place,
) -> None:
    await subscribe(place, subscription())
    place.receiver.failing.add(URL)
    await flags(place, 2)
    for _ in range(80):
        place.now += timedelta(seconds=10)
        await place.worker.sequencer.run_due()
        await place.deliver()
    stored = await place.get("Subscription", "s1")
    assert stored["status"] == "error"
    place.now += KEEP_EVENTS - timedelta(minutes=20)
    await flags(place, 1)
    await place.worker.sequencer.run_due()
    await place.worker.retention.run_due()
    assert await place.query("SELECT count(*) FROM event WHERE subscription = 's1'") == [(3,)]
    place.now += timedelta(minutes=30)
    await place.worker.retention.run_due()
    assert await place.query("SELECT number FROM event WHERE subscription = 's1'") == [(3,)]
    place.receiver.failing.clear()
    await place.client_put({**stored, "status": "requested"}, Principal(1, "practitioner", "P/e"))
    await place.work()
    assert numbers(place) == [3]
    async with place.record.transaction(place.tenant) as tx:
        shown = await administration.shown(tx, "s1")
    assert shown is not None
    assert [(one["first"], one["last"]) for one in shown["deadLetters"]] == [(1, 2)]


async def test_attempts_are_forgotten_with_their_events(place: Place) -> None:
    await subscribe(place, subscription())
    place.now += KEEP_EVENTS + timedelta(minutes=1)
    await place.worker.retention.run_due()
    assert await place.query("SELECT 1 FROM attempt WHERE medium = 'rest-hook'") == []
    assert await place.query("SELECT 1 FROM attempt WHERE medium = 'sms'") != []


async def test_its_end_switches_it_off(place: Place) -> None:
    end = (place.now + timedelta(hours=1)).isoformat()
    await subscribe(place, {**subscription(), "end": end})
    place.now += timedelta(minutes=61)
    await flags(place, 1)
    await place.work()
    assert (await place.get("Subscription", "s1"))["status"] == "off"
    assert numbers(place) == []


async def test_one_made_anew_under_its_old_id_begins_at_one_and_owes_nothing(place: Place) -> None:
    await subscribe(place, subscription())
    await flags(place, 2)
    await place.worker.sequencer.run_due()
    async with place.record.transaction(place.tenant) as tx:
        await tx.delete("Subscription", "s1")
    await subscribe(place, subscription())
    await flags(place, 1)
    await place.work()
    assert numbers(place) == [1]


async def test_a_notification_that_cannot_be_made_is_set_aside_without_holding_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribe(place, subscription("s1"))
    await subscribe(place, subscription("s2", url="https://other.example.org/"))
    made = place.parcels._notifications.bundles

    async def bundles_of(tx: Any, asked: Any) -> Any:
        if any(one.subscription["id"] == "s1" and one.rows for one in asked):
            raise KeyError("a defect")
        return await made(tx, asked)

    monkeypatch.setattr(place.parcels._notifications, "bundles", bundles_of)
    await flags(place, 1)
    await place.work()
    assert numbers(place, "https://other.example.org/") == [1]
    async with place.record.transaction(place.tenant) as tx:
        shown = await administration.shown(tx, "s1")
    assert shown is not None
    assert [(one["first"], one["last"]) for one in shown["deadLetters"]] == [(1, 1)]
    assert shown["status"] == "active"


async def test_how_subscriptions_stand_is_listed(place: Place) -> None:
    await subscribe(place, subscription("s1"))
    place.receiver.failing.add(URL)
    await flags(place, 2)
    await place.worker.sequencer.run_due()
    await place.deliver()
    place.now += timedelta(seconds=30)
    async with place.record.transaction(place.tenant) as tx:
        rows = {one["subscription"]: one for one in await administration.listed(tx)}
    said = rows["s1"]
    assert (said["lagEvents"], said["failures"], said["failed"]) == (2, 1, 1)
    assert said["lagSeconds"] == 30.0
    assert (said["status"], said["channel"], said["delivered"]) == ("active", "rest-hook", 1)


async def test_metrics_are_for_administrators_and_tell_lag_attempts_and_state(
    place: Place,
) -> None:
    await subscribe(place, subscription("s1"))
    place.receiver.failing.add(URL)
    await flags(place, 3)
    await place.worker.sequencer.run_due()
    await place.deliver()
    place.now += timedelta(seconds=10)
    holders = {
        "admin": Principal(place.tenant, "admin", ""),
        "nurse": Principal(place.tenant, "practitioner", "Practitioner/nina"),
    }

    async def grant(token: str) -> Grant | None:
        holder = holders.get(token)
        return None if holder is None else Grant(holder)

    route = metrics.route(place.record.scan, grant, lambda: {"home": place.tenant}, place.clock)
    transport = httpx.ASGITransport(Starlette(routes=[route]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/metrics")).status_code == 401
        nurse = await client.get("/metrics", headers={"Authorization": "Bearer nurse"})
        assert nurse.status_code == 403
        answer = await client.get("/metrics", headers={"Authorization": "Bearer admin"})
    samples = {
        (sample.name, sample.labels.get("result") or sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.labels.get("subscription") == "s1"
    }
    assert samples["fhir_subscription_lag_events", None] == 3
    assert samples["fhir_subscription_lag_seconds", None] == 10
    assert samples["fhir_subscription_notifications_total", "delivered"] == 1
    assert samples["fhir_subscription_notifications_total", "failed"] == 1
    assert samples["fhir_subscription_status", "active"] == 1
    assert samples["fhir_subscription_status", "error"] == 0


async def test_due_work_is_found_by_its_index(place: Place) -> None:
    arguments = cursor_rows.due_arguments(
        place.now, ["rest-hook", "sms"], {"alert": 5, "common": 5, "failing": 5}
    )
    async with place.record.work(place.tenant) as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        plan = await tx.execute("EXPLAIN " + cursor_rows.DUE, arguments)
    text = "\n".join(line for (line,) in plan)
    assert "Seq Scan" not in text
    for index in ("person", "well", "failing"):
        assert f"subscription_cursor_{index}" in text
