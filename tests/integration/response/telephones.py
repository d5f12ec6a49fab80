"""Telephone companies for tests: two with the watch over receipts running, and a message centre."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx

from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Account as Customer
from simulator.phone_company.smsc import Smsc
from subscriptions.channels.carriers import Carriers
from subscriptions.channels.telephony import TelephoneCompany
from subscriptions.worker.receipt_watch import ReceiptWatch
from tests.integration.response.conftest import Place, telephone
from tests.integration.response.doubles import Company, Sent
from tests.patience import PATIENCE_SECONDS

CLINIC = "+15550009999"


@asynccontextmanager
async def message_centre() -> AsyncIterator[Smsc]:
    """Run a message centre whose customer is the clinic, on a free port."""
    numbers = count(1)
    async with httpx.AsyncClient() as http:
        exchange = Exchange(
            Customer("clinic", "secret", CLINIC),
            http,
            clock=lambda: datetime.now(UTC),
            identifier=lambda kind: f"{kind}{next(numbers):06d}",
        )
        centre = Smsc(exchange)
        await centre.start()
        try:
            yield centre
        finally:
            await exchange.close()
            await centre.stop()


@dataclass
class Two:
    """`place` with the companies `first` and `second`."""

    place: Place
    first: Company
    second: Company
    watch: ReceiptWatch = field(init=False)

    def __post_init__(self) -> None:
        """Wire both companies."""
        self.through([self.first, self.second])

    def through(self, companies: list[Company], *, patience: float = PATIENCE_SECONDS) -> None:
        """Call people through `companies` from now on, each given `patience` seconds to answer."""
        place = self.place
        place.managed = {"sms": telephone(place, companies, patience=patience)}
        place.worker = place.another_worker()
        self.watch = watch(place, companies)

    def sent(self, phone: str, medium: str = "sms") -> list[tuple[str, Sent]]:
        """What a telephone was sent, by company, oldest first."""
        both = [(c.name, s) for c in (self.first, self.second) for s in c.sent]
        pages = [(n, s) for n, s in both if s.to == phone and s.medium == medium]
        found = [(n, s) for n, s in pages if "to get alerts" not in s.text]
        return sorted(found, key=lambda pair: pair[1].at)

    def by(self, phone: str, medium: str = "sms") -> list[str]:
        """The companies that carried something to a telephone, oldest first."""
        return [name for name, _ in self.sent(phone, medium)]

    async def after(self, seconds: int, step: int = 1) -> None:
        """Let time pass second by second, or `step` by `step`, everything running."""
        for _ in range(0, seconds, step):
            self.place.now += timedelta(seconds=step)
            await self.place.work()
            await self.watch()
            await self.place.work()

    async def arrived(self) -> None:
        """Every text that was taken and not reported on has been delivered, every call rang."""
        for _, sent in self.everything():
            await self.place.reports(sent, "delivered" if sent.medium == "sms" else "ringing")

    def everything(self) -> list[tuple[str, Sent]]:
        """All that was sent, by company."""
        return [(c.name, s) for c in (self.first, self.second) for s in c.sent]


def watch(place: Place, companies: Sequence[TelephoneCompany]) -> ReceiptWatch:
    """The watch over receipts of `companies`."""
    carriers = Carriers(companies, place.now.timestamp)
    return ReceiptWatch(
        receipts=place.response.receipts,
        carrying=carriers.carrying,
        transactions=place.record.work,
        scan=place.record.scan,
        clock=place.clock,
    )
