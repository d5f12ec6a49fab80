"""Both ways with a telephone company that somebody else wrote: the simulator's."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
from starlette.applications import Starlette

from fhirserver.kernel.canonical import DOCUMENT_TYPES
from simulator.phone_company.application import application
from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Account as CompanyAccount
from simulator.phone_company.records import Faults
from subscriptions.channels.telephony import TelephoneCompany
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.rest import routes
from subscriptions.worker.receipt_watch import ReceiptWatch
from tests.integration.response.conftest import BOB, EVE, Place, person, team, telephone
from tests.integration.response.telephones import watch
from tests.patience import PATIENCE_SECONDS

PUBLIC = "https://example.org"
NUMBER = "+15550009999"


class Town:
    """The clinic and the telephone company, connected."""

    watch: ReceiptWatch

    def __init__(self, place: Place, exchange: Exchange, carrier: TelephoneCompany) -> None:
        self.place = place
        self.exchange = exchange
        self.carrier = carrier
        self.wait_for_carrier(PATIENCE_SECONDS)

    def wait_for_carrier(self, seconds: float) -> None:
        """Give the telephone company so long to answer from now on."""
        self.place.managed = {"sms": telephone(self.place, [self.carrier], patience=seconds)}
        self.place.worker = self.place.another_worker()

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
        bare.now = datetime.now(UTC)
        place = Town(bare, exchange, company)
        place.watch = watch(bare, [company])
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
    async with asyncio.timeout(PATIENCE_SECONDS):
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
    assert town.exchange.calling.press(call, "1")
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


# What a company does wrong


async def test_what_is_taken_and_dropped_goes_to_the_next_person(town: Town) -> None:
    """The company says yes and does nothing: no receipt comes, so somebody else is called."""
    town.exchange.faults = Faults(drop_accepted=2)
    await ring(town)
    assert town.alerts(BOB) == []
    town.place.now += timedelta(seconds=16)
    await town.watch()
    await town.work()
    assert len(town.alerts(EVE)) == 1


async def test_a_company_that_has_too_much_to_do_is_asked_again(town: Town) -> None:
    town.exchange.faults = Faults(refuse_429=2)
    await ring(town)
    assert town.alerts(BOB) == []
    await town.place.after(2)
    await town.exchange.settle()
    assert len(town.alerts(BOB)) == 1


async def test_an_outage_leaves_every_subscription_as_it_was(town: Town) -> None:
    town.exchange.faults = Faults(offline=True)
    await ring(town)
    await town.place.after(20)
    town.exchange.faults = Faults()
    assert await town.place.status("RelatedPerson/bob") == "active"
    assert await town.place.status("RelatedPerson/eve") == "active"
    await town.place.after(6)
    await town.exchange.settle()
    assert len(town.alerts(BOB)) == 1
    assert len(town.alerts(EVE)) >= 1


async def test_a_slow_company_sends_nothing_twice(town: Town) -> None:
    town.exchange.faults = Faults(slow_s=1.0)
    town.wait_for_carrier(0.4)
    await ring(town)
    await until(lambda: len(town.alerts(BOB)) == 1)
    town.exchange.faults = Faults()
    town.wait_for_carrier(PATIENCE_SECONDS)
    await town.place.after(7)
    await town.exchange.settle()
    assert len(town.alerts(BOB)) == 1


async def test_late_receipts_undo_nothing(town: Town) -> None:
    town.exchange.faults = Faults(reorder_receipts=True, duplicate_receipts=True)
    await ring(town)
    code = town.alerts(BOB)[0].split()[1].rstrip(":")
    await town.writes(BOB, f"{code}h")
    (message,) = [m for m in town.exchange.messages.values() if m.body == town.alerts(BOB)[0]]
    rows = await town.place.query("SELECT id FROM attempt WHERE provider_ref = %s", (message.sid,))
    report = town.exchange.reports_to(
        f"{PUBLIC}/telephony/{town.place.tenant}/status?attempt={rows[0][0]}"
    )
    for status in ("sent", "undelivered", "delivered", "queued"):
        await report(message, status)
    assert await response_of(town) == "at-patient"
    assert await town.place.query(
        "SELECT DISTINCT receipt FROM attempt WHERE medium = 'sms' AND task IS NOT NULL"
    ) == [("delivered",)]
    assert town.alerts(EVE) == []


async def test_the_address_is_spoken_to_whoever_is_asked_to_call_for_help(town: Town) -> None:
    place = town.place
    address = [{"use": "home", "text": "12 Elm Street, second door"}]
    card = {
        "resourceType": "DocumentReference",
        "id": "card",
        "status": "current",
        "type": {"coding": [{"system": DOCUMENT_TYPES, "code": "fridge-card"}]},
        "subject": {"reference": "Patient/ann"},
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain",
                    "title": "access",
                    "data": base64.b64encode(b"Key with the neighbour").decode(),
                }
            }
        ],
    }
    await place.put({"resourceType": "Patient", "id": "ann", "address": address}, card)
    await ring(town)
    for _ in range(91):
        place.now += timedelta(seconds=1)
        await place.work()
    await town.exchange.settle()
    call = town.exchange.phone(BOB).calls[-1]
    assert town.exchange.calling.answer(call)
    await until(lambda: call.listening)
    assert "9 to hear the address" in " ".join(call.said)
    assert "Elm" not in " ".join(call.said)
    assert town.exchange.calling.press(call, "9")
    await until(lambda: len(call.said) > 1 and call.listening)
    assert "12 Elm Street, second door. Key with the neighbour" in call.said
    assert await response_of(town) != "acknowledged"
    assert town.exchange.calling.press(call, "1")
    await until(lambda: call.status == "completed")
    assert await response_of(town) == "at-patient"
    spoken = [c for c in await place.all("Communication") if "reasonCode" in c]
    assert [c["recipient"][0]["reference"] for c in spoken] == ["RelatedPerson/bob"]
    assert "Elm" not in str(spoken)
    assert not [body for body in town.inbox(BOB) if "Elm" in body or "neighbour" in body]


async def test_the_address_is_not_spoken_in_an_ordinary_call(town: Town) -> None:
    await town.place.put(
        {"resourceType": "Patient", "id": "ann", "address": [{"text": "12 Elm Street"}]}
    )
    await ring(town)
    (call,) = town.exchange.phone(BOB).calls
    town.exchange.calling.answer(call)
    await until(lambda: call.listening)
    town.exchange.calling.press(call, "9")
    await until(lambda: call.status == "completed")
    assert "Elm" not in " ".join(call.said)
    assert await response_of(town) == "acknowledged"


async def test_defect_9_people_are_told_one_after_the_other_and_answer_by_text(town: Town) -> None:
    """Not a log line: a text arrives, its receipt and its answers move the alert, rung by rung."""
    await ring(town)
    assert (len(town.alerts(BOB)), town.alerts(EVE)) == (1, [])
    assert await response_of(town) == "delivered"
    bob = town.alerts(BOB)[0].split()[1].rstrip(":")
    await town.writes(BOB, f"{bob}a")
    assert await response_of(town) == "acknowledged"
    assert town.alerts(EVE) == []
    await town.writes(BOB, f"{bob}n")
    assert len(town.alerts(EVE)) == 1
    eve = town.alerts(EVE)[0].split()[1].rstrip(":")
    assert eve != bob
    await town.writes(EVE, f"{bob}h")
    assert await response_of(town) != "at-patient"
    await town.writes(EVE, f"{eve}h")
    assert await response_of(town) == "at-patient"


async def test_two_patients_alarming_at_once_on_one_telephone_never_cross(town: Town) -> None:
    place = town.place
    await place.put(
        {"resourceType": "Patient", "id": "zoe"},
        {"resourceType": "Device", "id": "m-zoe"},
        {**person("RelatedPerson", "bob2", BOB), "patient": {"reference": "Patient/zoe"}},
    )
    await place.put(team(("RelatedPerson/bob2", 1), patient="zoe", id_="team-zoe"))
    await town.work()
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(
            tx, [place._event("198260", who, end=False) for who in ("ann", "zoe")]
        )
    await town.work()
    codes = [body.split()[1].rstrip(":") for body in town.alerts(BOB)]
    assert len(set(codes)) == 2
    await town.writes(BOB, "h")
    assert "More than one alert" in town.inbox(BOB)[-1]
    owners = dict(await place.query("SELECT patient, incident::text FROM ladder ORDER BY patient"))
    await town.writes(BOB, f"{codes[0]}h")
    await town.writes(BOB, f"{codes[1]}y")
    rows = dict(await place.query("SELECT incident::text, response FROM alert"))
    assert sorted(rows.values()) == ["accepted", "at-patient"]
    assert set(rows) == set(owners.values())
