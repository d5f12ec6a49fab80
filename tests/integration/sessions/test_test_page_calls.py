"""A test page goes out by telephone to real people, and code, link and key arm alike."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from subscriptions.channels.carriers import Carriers
from subscriptions.channels.sending_pages import Addresses, Pager
from subscriptions.channels.sms import Telephone
from subscriptions.response.story import story
from subscriptions.rest import answer_page
from subscriptions.worker.parcels import Parcels
from subscriptions.worker.ports import Surroundings
from subscriptions.worker.worker import Worker
from tests.integration.response.doubles import Company, Sent
from tests.integration.sessions.conftest import BOB, FIRST, Home

LINKS = "https://example.org/a"


class Phones:
    """The telephones of a home, connected."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.company = Company(home.clock)
        response, record = home.parts.response, home.record
        carriers = Carriers([self.company], asyncio.get_running_loop().time)
        telephone = Telephone(
            carriers=carriers,
            pager=Pager(
                carriers=carriers,
                addresses=Addresses("https://example.org/telephony", LINKS),
                token=response.token,
                send_simulated=False,
            ),
            receipts=response.receipts,
            transactions=record.work,
            draw=lambda: 0.0,
            story=story(aloud=False),
        )
        self.worker = Worker(
            response=response,
            channels={},
            managed={"sms": telephone},
            parcels=Parcels(
                channels={},
                notifications=home.parts.notifications,
                topics=home.parts._topics.of,
            ),
            around=Surroundings(record.work, record.scan, home.clock, lambda: 0.0, lambda: True),
        )

    async def tested(self) -> list[Sent]:
        """Ask for a test page and return what went out to Bob."""
        before = len(self.company.sent)
        await self.home.test_page()
        for _ in range(3):
            await self.worker.sequencer.run_due()
            async with asyncio.TaskGroup() as tasks:
                await self.worker.delivery.start_due(tasks)
        return [sent for sent in self.company.sent[before:] if sent.to == BOB]


@pytest.fixture
async def phones(home: Home) -> Phones:
    return Phones(home)


async def test_a_test_page_reaches_a_real_person_and_the_code_arms(phones: Phones) -> None:
    (text,) = await phones.tested()
    assert text.medium == "sms"
    assert text.text.startswith(f"TEST {text.code}: no alarm.")
    home = phones.home
    async with home.record.transaction(home.tenant) as tx:
        answer = await home.parts.response.handle_reply(tx, BOB, f"{text.code}a", "SM-1")
    assert "Alerts reach you" in answer
    assert (await home.armed())["state"] == "armed"


async def test_the_link_of_a_test_page_arms_by_its_button(phones: Phones) -> None:
    (text,) = await phones.tested()
    home = phones.home
    routes = answer_page.routes(response=home.parts.response, transactions=home.record.transaction)
    link = text.text.rpartition(" ")[2]
    transport = httpx.ASGITransport(app=Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport) as browser:
        page = await browser.get(link)
        assert page.text.count("<button") == 1
        assert (await home.armed())["state"] == "testing"
        pressed = await browser.post(link, data={"answer": "a"})
        assert "Alerts reach you" in pressed.text
        assert "<button" not in pressed.text
    assert (await home.armed())["state"] == "armed"


async def test_a_test_page_about_a_simulated_patient_reaches_nobody(phones: Phones) -> None:
    security = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]
    await phones.home.put({**FIRST, "meta": {"security": security}})
    assert await phones.tested() == []
