"""A place whose people are called through two companies, with the watch over receipts running."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from subscriptions.channels.carriers import Carriers
from subscriptions.channels.telephony import TelephoneCompany
from subscriptions.worker.receipt_watch import ReceiptWatch
from tests.integration.response.conftest import Place, telephone
from tests.integration.response.doubles import Company, Sent


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

    def through(self, companies: list[Company], *, patience: float = 2.0) -> None:
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

    async def after(self, seconds: int) -> None:
        """Let time pass second by second, everything running."""
        for _ in range(seconds):
            await self.place.after(1)
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
