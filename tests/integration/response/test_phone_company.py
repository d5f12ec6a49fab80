"""Both ways with a telephone company that somebody else wrote: the simulator's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest
from starlette.applications import Starlette

from simulator.phone_company.application import application
from simulator.phone_company.exchange import Account as CompanyAccount
from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Faults
from subscriptions.channels.sms import Telephone
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.response.story import story
from subscriptions.rest import routes
from tests.integration.response.conftest import BOB, EVE, Place, person, team

PUBLIC = "https://example.org"
NUMBER = "+15550009999"


class Town:
    """The clinic and the telephone company, connected."""

    def __init__(self, place: Place, exchange: Exchange) -> None:
        self.place = place
        self.exchange = exchange

    async def work(self) -> None:
        await self.place.work()
        await self.exchange.settle()
        await self.place.work()

    def inbox(self, number: str) -> list[str]:
        return [m.body for m in self.exchange.phone(number).messages if m.direction != "inbound"]

    def alerts(self, number: str) -> list[str]:
        return [body for body in self.inbox(number) if body.startswith("ALERT")]

    async def writes(self, number: str, body: str) -> None:
        await self.exchange.send_from_phone(self.exchange.phone(number), body)
        await self.work()


@pytest.fixture
async def town(bare: Place) -> AsyncIterator[Town]:
    numbers = count(1)
    hooks = Starlette(
        routes=routes(
            response=bare.response,
            transactions=bare.record.transaction,
            public_url=PUBLIC,
            tokens=("secret",),
            tenant_of={"home": bare.tenant}.get,
        )
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=hooks)) as callbacks:
        exchange = Exchange(
            CompanyAccount("AC1", "secret", NUMBER),
            callbacks,
            clock=lambda: datetime.now(UTC),
            identifier=lambda kind: f"{kind}{next(numbers):032d}",
            inbound_url=f"{PUBLIC}/telephony/home/sms",
        )
        company = Twilio(
            Account("https://company.example.org", "AC1", "secret", NUMBER),
            httpx.ASGITransport(app=application(exchange)),
        )
        telephone = Telephone(
            company=company,
            webhooks=f"{PUBLIC}/telephony",
            receipts=bare.response.receipts,
            token=bare.token,
            draw=lambda: 0.0,
            story=story(aloud=False),
            send_simulated=False,
        )
        bare.managed = {"sms": telephone}
        bare.worker = bare.another_worker()
        bare.now = datetime.now(UTC)
        place = Town(bare, exchange)
        for number in (BOB, EVE):
            exchange.phone(number).auto_verify = True
        await bare.put(person("RelatedPerson", "bob", BOB), person("RelatedPerson", "eve", EVE))
        await bare.put(team(("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2)))
        await place.work()
        yield place
        await exchange.close()
        await company.close()


async def ring(town: Town) -> None:
    place = town.place
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [place._event("198260", "ann", end=False)])
    await town.work()


async def response_of(town: Town) -> str:
    return str((await town.place.query("SELECT response FROM alert"))[0][0])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the company's own tasks change it
            await asyncio.sleep(0.01)


async def test_numbers_are_proven_by_the_telephones_themselves(town: Town) -> None:
    assert await town.place.status("RelatedPerson/bob") == "active"
    assert await town.place.status("RelatedPerson/eve") == "active"
    assert any("You will get alerts" in body for body in town.inbox(BOB))


async def test_an_alarm_is_delivered_answered_and_answered_back(town: Town) -> None:
    await ring(town)
    (alert,) = town.alerts(BOB)
    assert await response_of(town) == "delivered"
    code = alert.split()[1].rstrip(":")
    await town.writes(BOB, f"{code} h")
    assert await response_of(town) == "at-patient"
    assert any("We will ask again" in body for body in town.inbox(BOB))


async def test_a_telephone_out_of_reach_rings_the_next_person(town: Town) -> None:
    town.exchange.phone(BOB).reachable = False
    await ring(town)
    assert town.alerts(BOB) == []
    assert len(town.alerts(EVE)) == 1


async def test_receipts_twice_and_out_of_order(town: Town) -> None:
    town.exchange.faults = Faults(duplicate_receipts=True, reorder_receipts=True)
    await ring(town)
    assert await response_of(town) == "delivered"
    rows = await town.place.query("SELECT receipt FROM attempt WHERE medium = 'sms' AND page = 1")
    assert rows == [("delivered",)]


async def test_stop_and_start(town: Town) -> None:
    await town.writes(BOB, "STOP")
    assert await town.place.status("RelatedPerson/bob") == "off"
    await ring(town)
    assert town.alerts(BOB) == []
    assert len(town.alerts(EVE)) == 1
    await town.writes(BOB, "START")
    assert await town.place.status("RelatedPerson/bob") == "active"


async def test_a_key_on_a_call(town: Town) -> None:
    town.exchange.phone(BOB).answer_after_s = 0
    await ring(town)
    (call,) = town.exchange.phone(BOB).calls
    await until(lambda: call.listening)
    assert "Press 1" in " ".join(call.said)
    assert town.exchange.press(call, "1")
    await until(lambda: call.status == "completed")
    assert await response_of(town) == "at-patient"


async def test_an_error_after_accepting_sends_nothing_twice(town: Town) -> None:
    town.exchange.faults = Faults(error_after_accept=2)
    await ring(town)
    town.exchange.faults = Faults()
    await town.place.after(3)
    await town.exchange.settle()
    assert len(town.alerts(BOB)) == 1
    assert len(town.exchange.phone(BOB).calls) == 1
