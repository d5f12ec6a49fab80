"""Telephone companies for the contract: the simulator's, spoken to by REST and by SMPP, over loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import count

import httpx
import trustme

from fhirserver.kernel.errors import Unavailable as StoreUnavailable
from simulator.phone_company.application import application
from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Account as Customer
from simulator.phone_company.records import Message
from simulator.phone_company.smsc import Smsc
from subscriptions.channels.smpp import Smpp, SmppAccount
from subscriptions.channels.telephony import TelephoneCompany
from subscriptions.channels.twilio import Account, Twilio
from tests.patience import PATIENCE_SECONDS

NUMBER = "+15550009999"
BOB = "+15550000001"


@dataclass
class Ours:
    """Our side: keeps what people wrote and what was reported."""

    answer: str = ""
    fails: int = 0
    heard: list[tuple[str, str]] = field(default_factory=list)
    reported: list[tuple[str, str, str]] = field(default_factory=list)
    unknown: int = 0

    async def message(self, sender: str, body: str) -> str:
        """See `Inbound.message`; the first `fails` are not taken."""
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("the store cannot be reached")
        self.heard.append((sender, body))
        return self.answer

    async def report(self, company: str, reference: str, status: str) -> bool:
        """See `Inbound.report`; the first `unknown` are about nothing we know."""
        if self.unknown:
            self.unknown -= 1
            return False
        self.reported.append((company, reference, status))
        return True


@dataclass
class Door:
    """One company behind its interface, and the people it reaches."""

    company: TelephoneCompany
    exchange: Exchange
    ours: Ours
    smsc: Smsc | None = None

    def inbox(self, number: str = BOB) -> list[Message]:
        """What a telephone received."""
        messages = self.exchange.phone(number).messages
        return [message for message in messages if message.direction != "inbound"]

    async def settled(self) -> None:
        """Wait for everything that is under way at the company."""
        await self.exchange.settle()


def _exchange(http: httpx.AsyncClient) -> Exchange:
    numbers = count(1)
    return Exchange(
        Customer("AC1", "secret", NUMBER),
        http,
        clock=lambda: datetime.now(UTC),
        identifier=lambda kind: f"{kind}{next(numbers):032d}",
    )


class Callbacks(httpx.AsyncBaseTransport):
    """Takes the status callbacks of the REST company."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fields = dict(httpx.QueryParams((await request.aread()).decode()))
        await self._ours.report("rest", fields["MessageSid"], fields["MessageStatus"])
        return httpx.Response(204)


@asynccontextmanager
async def by_rest() -> AsyncIterator[Door]:
    """The company by its REST interface."""
    ours = Ours()
    async with httpx.AsyncClient(transport=Callbacks(ours)) as http:
        exchange = _exchange(http)
        company = Twilio(
            Account("https://company.example.org", "AC1", "secret", NUMBER, "rest"),
            httpx.ASGITransport(app=application(exchange)),
        )
        yield Door(company, exchange, ours)
        await exchange.close()
        await company.close()


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a message centre shows and what a client trusts, made once."""
    authority = trustme.CA()
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(inside)
    outside = ssl.create_default_context()
    authority.configure_trust(outside)
    return inside, outside


@asynccontextmanager
async def by_smpp(*, tls: bool = False) -> AsyncIterator[Door]:
    """The company by SMPP, with its line open."""
    ours = Ours()
    inside = outside = None
    if tls:
        inside, outside = _contexts()
    async with httpx.AsyncClient() as http:
        exchange = _exchange(http)
        smsc = Smsc(exchange)
        await smsc.start(tls=inside)
        account = SmppAccount("localhost", smsc.port, "AC1", "secret", NUMBER, "smpp", outside)
        company = Smpp(account)
        stop = asyncio.Event()
        serving = asyncio.ensure_future(company.serve(ours, stop))
        await until(lambda: company.is_open)
        yield Door(company, exchange, ours, smsc)
        stop.set()
        await serving
        await exchange.close()
        await smsc.stop()


async def until(condition: object, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `condition` holds."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other tasks change it
            await asyncio.sleep(0.01)
