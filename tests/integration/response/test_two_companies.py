"""Two telephone companies: who is asked when, and what the next person hears of it."""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from subscriptions.channels.sendings import Sendings
from subscriptions.channels.telephony import Unavailable
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.rest.metrics import Tries
from subscriptions.store import try_counts
from tests.integration.response.conftest import BOB, EVE, Place
from tests.integration.response.doubles import Company
from tests.integration.response.telephones import Two
from tests.integration.response.test_delivery import lease, ring_without_delivery

BOBS = subscription_id("RelatedPerson/bob")


@pytest.fixture
def two(place: Place) -> Two:
    """Ann's people, reachable through two companies."""
    second = Company(place.clock, name="second")
    return Two(place, place.company, second)


async def statuses(place: Place) -> set[str]:
    rows = await place.query("SELECT status FROM subscription_cursor WHERE channel = 'sms'")
    return {row[0] for row in rows}


async def test_while_the_first_works_the_second_is_left_alone(two: Two) -> None:
    await two.place.alarm()
    assert two.by(BOB) == ["first"]
    assert two.by(BOB, "voice") == ["first"]


async def test_what_the_first_does_not_take_the_second_carries_at_once(two: Two) -> None:
    two.first.down = True
    await two.place.alarm()
    assert two.by(BOB) == ["second"]
    assert two.by(BOB, "voice") == ["second"]
    assert two.second.sent[0].at == two.place.now
    assert two.sent(EVE) == []
    assert await statuses(two.place) == {"active"}


class Hanging(Company):
    """A company that takes a call for help and never answers."""

    async def text(self, to: str, body: str, callback: str) -> str:
        await asyncio.sleep(3600)
        raise AssertionError

    async def call(self, to: str, document: str, callback: str) -> str:
        await asyncio.sleep(3600)
        raise AssertionError

    async def find_text(self, to: str, body: str, since: datetime) -> str | None:
        await asyncio.sleep(3600)
        raise AssertionError

    async def find_call(self, to: str, since: datetime) -> str | None:
        await asyncio.sleep(3600)
        raise AssertionError


async def test_a_company_that_does_not_answer_is_passed_by(two: Two) -> None:
    hanging = Hanging(two.place.clock, name="first")
    two.through([hanging, two.second], patience=0.05)
    await two.place.alarm()
    assert two.by(BOB) == ["second"]


async def test_a_critical_page_that_may_have_arrived_goes_by_the_second_too(two: Two) -> None:
    two.first.down_after_accepting = True
    two.first.cannot_look_up = True
    await two.place.alarm()
    assert two.by(BOB) == ["first", "second"]


async def test_a_page_the_first_knows_after_all_goes_once(two: Two) -> None:
    two.first.down_after_accepting = True
    await two.place.alarm()
    assert two.by(BOB) == ["first"]
    rows = await two.place.query("SELECT outcome FROM attempt WHERE task IS NOT NULL")
    assert rows == [("handed-over",), ("handed-over",)]


async def test_no_report_in_time_asks_the_second_and_then_the_next_person(two: Two) -> None:
    await two.place.alarm()
    start = two.place.now
    await two.after(14)
    assert two.by(BOB) == ["first"]
    await two.after(2)
    assert two.by(BOB) == ["first", "second"]
    assert two.sent(EVE) == []
    await two.place.reports(two.sent(BOB, "voice")[0][1], "busy")
    await two.place.reports(two.sent(BOB, "voice")[-1][1], "busy")
    await two.after(11)
    assert two.sent(EVE) == []
    assert (two.place.now - start).seconds < 30


async def test_a_single_company_that_reports_nothing_calls_the_next_person(two: Two) -> None:
    two.through([two.first])
    await two.place.alarm()
    await two.after(16)
    assert two.by(BOB) == ["first"]
    assert two.by(EVE) == ["first"]
    skipped = [t for t in await two.place.all("Task") if t.get("statusReason")]
    assert [t["statusReason"]["text"] for t in skipped][:1] == ["no-receipt"]


async def test_a_company_that_fell_silent_is_asked_last_for_the_next_person(two: Two) -> None:
    await two.place.alarm()
    await two.after(16)
    await two.place.writes(BOB, f"{two.sent(BOB)[0][1].code}n")
    assert two.by(EVE) == ["second"]
    await two.after(320, step=5)
    await two.place.alarm("198244")
    assert two.by(EVE)[-1] == "first"


async def test_a_report_in_time_asks_nobody_else(two: Two) -> None:
    await two.place.alarm()
    await two.arrived()
    await two.after(20)
    assert two.by(BOB) == ["first"]
    assert two.sent(EVE) == []


async def test_a_report_that_comes_late_ends_the_search(two: Two) -> None:
    await two.place.alarm()
    await two.after(16)
    (first, second) = [sent for _, sent in two.sent(BOB)]
    await two.place.reports(first, "delivered")
    assert (await two.place.query("SELECT response FROM alert"))[0] == ("delivered",)
    await two.place.reports(second, "undelivered")
    assert two.by(BOB) == ["first", "second"]


async def test_a_call_that_never_rang_goes_by_the_second(two: Two) -> None:
    await two.place.alarm()
    await two.place.reports(two.sent(BOB)[0][1], "delivered")
    await two.after(16)
    assert two.by(BOB, "voice")[:2] == ["first", "second"]
    assert two.sent(EVE) == []


async def test_undelivered_calls_the_next_person_and_asks_the_second(two: Two) -> None:
    await two.place.alarm()
    await two.after(3)
    await two.place.reports(two.sent(BOB)[0][1], "undelivered", "30003")
    assert two.sent(EVE)[0][1].at == two.place.now
    assert two.by(BOB) == ["first", "second"]


async def test_whoever_answered_is_not_sent_it_again(two: Two) -> None:
    await two.place.alarm()
    code = two.sent(BOB)[0][1].code
    await two.place.writes(BOB, f"{code}y")
    await two.after(20)
    assert two.by(BOB) == ["first"]


async def test_a_report_proves_what_nobody_answered(two: Two) -> None:
    """The sender died after the company took it: its report is as good as its answer."""
    await ring_without_delivery(two.place)
    channel = two.place.managed["sms"]
    async with two.place.record.work(two.place.tenant) as tx:
        shipment = await channel.prepare(tx, await lease(two.place, tx))
    await channel.send(shipment)
    (sent,) = [s for _, s in two.sent(BOB)]
    async with two.place.record.transaction(two.place.tenant) as tx:
        await two.place.response.receipts.received(tx, sent.attempt, "sent", reference=sent.sid)
    rows = await two.place.query(
        "SELECT outcome, provider_ref FROM attempt WHERE medium = 'sms' AND task IS NOT NULL"
    )
    assert rows == [("handed-over", sent.sid)]


async def test_a_company_that_never_says_what_it_took_is_not_sent_to_without_end(
    two: Two,
) -> None:
    """It takes everything, answers 500 and can be asked nothing: a few texts, not one a second."""
    two.through([two.first])
    two.first.down_after_accepting = two.first.cannot_look_up = True
    await two.place.alarm()
    await two.after(60)
    assert 2 <= len(two.sent(BOB)) <= 6
    assert two.sent(EVE) != []


async def test_a_report_that_was_quicker_than_the_answer_is_waited_on(two: Two) -> None:
    await ring_without_delivery(two.place)
    channel = two.place.managed["sms"]
    async with two.place.record.work(two.place.tenant) as tx:
        claim = await lease(two.place, tx)
        shipment = await channel.prepare(tx, claim)
    shipment = await channel.send(shipment)
    (sent,) = [s for _, s in two.sent(BOB)]
    async with two.place.record.transaction(two.place.tenant) as tx:
        await two.place.response.receipts.received(tx, sent.attempt, "sent", reference=sent.sid)
    rows = await two.place.query(
        "SELECT receipt_due IS NOT NULL FROM attempt WHERE id = %s", (sent.attempt,)
    )
    assert rows == [(True,)]
    async with two.place.record.work(two.place.tenant) as tx:
        await channel.settle(tx, claim, shipment)
    await two.after(16)
    assert two.by(BOB) == ["first", "second"]


async def test_both_away_calls_the_next_people_and_ends_no_subscription(two: Two) -> None:
    two.first.down = two.second.down = True
    await two.place.alarm()
    await two.after(40)
    assert two.first.sent[3:] == two.second.sent == []
    assert await statuses(two.place) == {"active"}
    resources = [await two.place.status(f"RelatedPerson/{who}") for who in ("bob", "eve")]
    assert resources == ["active", "active"]
    two.second.down = False
    await two.after(6)
    assert {two.by(phone)[0] for phone in (BOB, EVE)} == {"second"}


async def test_who_just_failed_is_asked_last_for_a_while(two: Two) -> None:
    two.first.down = True
    await two.place.alarm()
    two.first.down = False
    await two.after(2)
    await two.place.writes(BOB, f"{two.sent(BOB)[0][1].code}n")
    assert two.by(EVE) == ["second"]
    await two.after(45)
    assert "first" in two.by(EVE, "voice")


# STOP


async def test_stop_ends_what_is_waiting_for_a_company(two: Two) -> None:
    two.first.down = two.second.down = True
    await two.place.alarm()
    assert "no more alerts" in await two.place.writes(BOB, "STOP")
    two.first.down = two.second.down = False
    await two.after(60)
    assert two.sent(BOB) == two.sent(BOB, "voice") == []
    assert two.sent(EVE) != []


async def test_stop_ends_what_is_about_to_be_sent(two: Two) -> None:
    await ring_without_delivery(two.place)
    channel = two.place.managed["sms"]
    async with two.place.record.work(two.place.tenant) as tx:
        claim = await lease(two.place, tx)
        shipment = await channel.prepare(tx, claim)
    await two.place.writes(BOB, "STOP")
    shipment = await channel.send(shipment)
    assert isinstance(shipment, Sendings)
    assert {one.result for one in shipment.sendings} == {"withdrawn"}
    async with two.place.record.work(two.place.tenant) as tx:
        await channel.settle(tx, claim, shipment)
    await two.after(60)
    assert two.sent(BOB) == two.sent(BOB, "voice") == []
    rows = await two.place.query(
        "SELECT DISTINCT outcome FROM attempt WHERE subscription = %s AND task IS NOT NULL", (BOBS,)
    )
    assert rows == [("not-sent",)]


async def test_stop_ends_the_way_to_the_second_company(two: Two) -> None:
    class Stopping(Company):
        async def text(self, to: str, body: str, callback: str) -> str:
            await two.place.writes(BOB, "STOP")
            raise Unavailable("down", ambiguous=False)

    stopping = Stopping(two.place.clock, name="first", carries=frozenset(("sms",)))
    two.through([stopping, replace(two.second, carries=frozenset(("sms",)))])
    await two.place.alarm()
    await two.after(60)
    assert two.sent(BOB) == []


async def test_a_proof_asked_for_before_stop_is_not_sent_after_it(two: Two) -> None:
    two.first.down = two.second.down = True
    new = "+15550000077"
    from tests.integration.response.conftest import person

    await two.place.put(person("RelatedPerson", "bob", new))
    await two.place.writes(new, "STOP")
    two.first.down = two.second.down = False
    await two.after(30)
    assert [s for _, s in two.everything() if s.to == new] == []


async def test_after_stop_only_help_and_start_are_answered(two: Two) -> None:
    await two.place.alarm()
    code = two.sent(BOB)[0][1].code
    assert "no more alerts" in await two.place.writes(BOB, "STOP")
    for body in ("STOP", "what?", "h", code, f"{code}h"):
        assert await two.place.writes(BOB, body) == ""
    # What they said still counts: somebody is with the patient.
    assert (await two.place.query("SELECT response FROM alert"))[0] == ("at-patient",)
    assert "In danger" in await two.place.writes(BOB, "HELP")
    before = len(two.everything())
    await two.after(20)
    assert [s.to for _, s in two.everything()[before:] if s.to == BOB] == []
    assert "on again" in await two.place.writes(BOB, "START")


# Whatever goes wrong


class Moody(Company):
    """A company that says no, errs after taking, or works, as `moods` say."""

    moods: Iterator[str]

    async def text(self, to: str, body: str, callback: str) -> str:
        return await self._moody(super().text(to, body, callback))

    async def call(self, to: str, document: str, callback: str) -> str:
        return await self._moody(super().call(to, document, callback))

    async def _moody(self, doing: Coroutine[Any, Any, str]) -> str:
        mood = next(self.moods)
        if mood == "away":
            doing.close()
            raise Unavailable("away", ambiguous=False)
        taken = await doing
        if mood == "errs":
            raise Unavailable("answered 500", ambiguous=True)
        return taken


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_the_companies_do_a_page_arrives_and_arrives_once(
    two: Two, seed: int
) -> None:
    """As long as both can be asked what they took: nothing lost, nothing twice."""
    dice = random.Random(seed)
    companies: list[Company] = []
    for company in (two.first, two.second):
        moody = Moody(two.place.clock, name=company.name)
        moody.moods = iter(lambda: dice.choice(("works", "away", "errs", "away")), None)
        companies.append(moody)
    two.first, two.second = companies
    two.through(companies)
    await two.place.alarm()
    await two.after(9)
    texts = [s.text for _, s in two.sent(BOB)]
    assert len(texts) == len(two.sent(BOB, "voice")) == 1
    assert await statuses(two.place) == {"active"}


async def test_how_the_companies_fare_is_counted_for_prometheus(two: Two) -> None:
    two.first.down = True
    await two.place.alarm()
    await two.place.reports(two.sent(BOB)[0][1], "delivered")
    rows = await two.place.record.scan(
        try_counts.OF_TENANT, (two.place.tenant, two.place.now - timedelta(hours=1))
    )
    counts = [try_counts.try_count(row) for row in rows]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Tries(counts))
    text = generate_latest(registry).decode()
    for labels, count in (
        ('company="first",medium="sms",result="handed-over"', 3),  # the proofs of three numbers
        ('company="first",medium="sms",result="unavailable"', 1),
        ('company="first",medium="voice",result="unavailable"', 1),
        ('company="second",medium="sms",result="delivered"', 1),
        ('company="second",medium="voice",result="handed-over"', 1),
    ):
        assert f"fhir_telephone_tries{{{labels}}} {count}.0" in text


# A company without calls


async def test_where_nobody_places_calls_repeats_go_by_text(two: Two) -> None:
    texts = replace(two.second, carries=frozenset(("sms",)), sent=[])
    two.second = texts
    two.through([texts])
    await two.place.alarm()
    assert [s.medium for s in texts.sent] == ["sms"]
    await two.arrived()
    await two.after(31)
    assert [s.medium for s in texts.sent if s.to == BOB] == ["sms", "sms"]
