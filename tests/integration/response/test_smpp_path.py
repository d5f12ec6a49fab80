"""The whole path over SMPP: proof, alarm, receipts, answers and STOP, by a message centre of others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from simulator.phone_company.records import Faults
from simulator.phone_company.smsc import Smsc
from subscriptions.channels.smpp import Smpp, SmppAccount
from subscriptions.worker.inbound_lines import InboundLines
from tests.integration.response.conftest import BOB, EVE, Place, person, team, telephone
from tests.integration.response.doubles import Company
from tests.integration.response.telephones import CLINIC, message_centre
from tests.integration.response.test_phone_company import Town, response_of, ring, until


class Wire(Town):
    """The clinic and a message centre, connected by a line."""

    smsc: Smsc
    company: Smpp

    async def work(self) -> None:
        for _ in range(3):
            await self.place.work()
            await self.exchange.settle()
        await self.place.work()


@pytest.fixture
async def wire(bare: Place) -> AsyncIterator[Wire]:
    async with message_centre() as smsc:
        exchange = smsc.exchange
        company = Smpp(SmppAccount("127.0.0.1", smsc.port, "clinic", "secret", CLINIC, "smpp"))
        inbound = InboundLines(
            response=bare.response,
            transactions=bare.record.transaction,
            tenants=lambda: {bare.name: bare.tenant},
        )
        stop = asyncio.Event()
        serving = asyncio.ensure_future(company.serve(inbound, stop))
        await until(lambda: company.is_open)
        bare.now = datetime.now(UTC)
        place = Wire(bare, exchange, company)
        place.smsc, place.company = smsc, company
        for number in (BOB, EVE):
            exchange.phone(number).auto_verify = True
        await bare.put(person("RelatedPerson", "bob", BOB), person("RelatedPerson", "eve", EVE))
        await bare.put(team(("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2)))
        await place.work()
        yield place
        stop.set()
        await serving


async def test_an_alarm_is_delivered_and_answered_over_the_line(wire: Wire) -> None:
    assert await wire.place.status("RelatedPerson/bob") == "active"
    await ring(wire)
    (alert,) = wire.alerts(BOB)
    assert await response_of(wire) == "delivered"
    rows = await wire.place.query(
        "SELECT company, receipt FROM attempt WHERE task IS NOT NULL AND medium = 'sms'"
    )
    assert rows == [("smpp", "delivered")]
    code = alert.split()[1].rstrip(":")
    await wire.writes(BOB, f"{code} h")
    assert await response_of(wire) == "at-patient"
    assert any("We will ask again" in body for body in wire.inbox(BOB))


async def test_an_answer_delivered_again_answers_no_later_question(wire: Wire) -> None:
    await ring(wire)
    code = wire.alerts(BOB)[0].split()[1].rstrip(":")
    for _ in range(2):
        await wire.writes(BOB, f"{code}n")
    rows = await wire.place.query("SELECT count(*) FROM inbound_message")
    assert rows == [(2,)]  # this minute and the one before, once


async def test_out_of_reach_calls_the_next_person(wire: Wire) -> None:
    wire.exchange.phone(BOB).reachable = False
    await ring(wire)
    assert wire.alerts(BOB) == []
    assert len(wire.alerts(EVE)) == 1


async def test_stop_and_start_and_stop_count_each_time(wire: Wire) -> None:
    for word, status in (("STOP", "off"), ("START", "active"), ("Alto", "off")):
        await wire.writes(BOB, word)
        assert await wire.place.status("RelatedPerson/bob") == status
    await ring(wire)
    assert wire.alerts(BOB) == []


async def test_an_ambiguous_page_by_smpp_goes_again_rather_than_never(wire: Wire) -> None:
    second = Company(wire.place.clock, name="second")
    wire.place.managed = {"sms": telephone(wire.place, [wire.company, second])}
    wire.place.worker = wire.place.another_worker()
    wire.exchange.faults = Faults(error_after_accept=1)
    await ring(wire)
    assert len(wire.alerts(BOB)) == 1
    assert [s.medium for s in second.sent if s.to == BOB] == ["sms", "voice"] or [
        s.medium for s in second.sent if s.to == BOB
    ] == ["voice", "sms"]


async def test_a_stranger_gets_no_answer_over_the_line(wire: Wire) -> None:
    stranger = "+15557654321"
    await wire.writes(stranger, "hello")
    assert wire.inbox(stranger) == []


async def test_a_telephone_of_two_tenants_answers_in_the_right_one(wire: Wire) -> None:
    place = wire.place
    other = await place.record.ensure_tenant(f"{place.name}-b")
    inbound = InboundLines(
        response=place.response,
        transactions=place.record.transaction,
        tenants=lambda: {"a": other, "b": place.tenant},
    )
    async with place.record.transaction(other) as tx:
        for resource in (
            {"resourceType": "Patient", "id": "zoe"},
            {**person("RelatedPerson", "rob", BOB), "patient": {"reference": "Patient/zoe"}},
            team(("RelatedPerson/rob", 1), patient="zoe"),
        ):
            await tx.put(resource, id_=resource["id"])
    await ring(wire)
    code = wire.alerts(BOB)[0].split()[1].rstrip(":")
    assert (await inbound.message(BOB, f"{code}y")).startswith("Thank you")
    assert "no more alerts" in await inbound.message(BOB, "stop")
    for tenant, member in ((other, "rob"), (place.tenant, "bob")):
        async with place.record.transaction(tenant) as tx:
            rows = await tx.execute(
                "SELECT status FROM subscription_cursor WHERE member = %s",
                (f"RelatedPerson/{member}",),
            )
        assert rows == [("off",)]
