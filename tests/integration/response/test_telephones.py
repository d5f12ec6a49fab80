"""The telephones of a process as its settings say: companies by their URLs, and their lines."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from simulator.phone_company.smsc import Smsc
from subscriptions.channels.smpp import Smpp
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.response.story import story
from subscriptions.telephones import Companies, Telephones
from subscriptions.worker.ports import Surroundings
from tests.integration.response.conftest import BOB, Place, person, team
from tests.integration.response.telephones import CLINIC, message_centre
from tests.integration.response.test_phone_company import until


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with message_centre() as centre:
        yield centre


def telephones(place: Place, companies: Companies) -> Telephones:
    return Telephones(
        companies,
        public_url="https://example.org",
        response=place.response,
        around=Surroundings(
            place.record.work, place.record.scan, place.clock, lambda: 0.0, lambda: True
        ),
        tenants=lambda: {place.name: place.tenant},
        token=place.token,
        story=story(aloud=False),
        send_simulated=False,
    )


def test_the_scheme_says_how_a_company_is_spoken_to(place: Place) -> None:
    accounts = [
        Account("https://api.example.org", "AC1", "one", CLINIC, "first"),
        Account("smpps://smsc.example.org:3551", "clinic", "two", CLINIC, "second"),
    ]
    companies = Companies(accounts, old_tokens=("before",))
    first, second = telephones(place, companies)._companies
    assert isinstance(first, Twilio)
    assert isinstance(second, Smpp)
    assert (first.name, second.name) == ("first", "second")
    assert second._account.tls is not None
    assert (second._account.host, second._account.port) == ("smsc.example.org", 3551)
    assert companies.webhook_tokens == ("one", "before")
    plain = Account("smpp://localhost", "clinic", "two", CLINIC, "first")
    (only,) = telephones(place, Companies([plain]))._companies
    assert isinstance(only, Smpp)
    assert (only._account.port, only._account.tls) == (2775, None)


async def test_people_are_called_and_heard_over_the_lines(bare: Place, smsc: Smsc) -> None:
    account = Account(f"smpp://127.0.0.1:{smsc.port}", "clinic", "secret", CLINIC, "first")
    made = telephones(bare, Companies([account]))
    stop = asyncio.Event()
    serving = asyncio.ensure_future(made.serve(stop))
    await until(lambda: smsc.is_bound)
    (company,) = made._companies
    assert isinstance(company, Smpp)
    await until(lambda: company.is_open)
    bare.managed = {"sms": made.channel}
    bare.worker = bare.another_worker()
    smsc.exchange.phone(BOB).auto_verify = True
    await bare.put(person("RelatedPerson", "bob", BOB))
    await bare.put(team(("RelatedPerson/bob", 1)))
    await smsc.exchange.settle()
    assert await bare.status("RelatedPerson/bob") == "active"
    await bare.alarm()
    await smsc.exchange.settle()
    assert [m.body for m in smsc.exchange.phone(BOB).messages if m.body.startswith("ALERT")] != []
    await made.watch()
    stop.set()
    await serving
    await made.close()
