"""How the telephones of one process are put together: companies, channel, receipts, inbound lines."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from subscriptions.channels.carriers import Carriers
from subscriptions.channels.sending_pages import Addresses, Pager
from subscriptions.channels.sink import Sink, SinkChannel
from subscriptions.channels.smpp import Smpp, SmppAccount
from subscriptions.channels.sms import Telephone
from subscriptions.channels.telephony import TelephoneCompany
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.core import synthetic
from subscriptions.response.response import Response
from subscriptions.response.story import Story
from subscriptions.worker.inbound_lines import InboundLines
from subscriptions.worker.ports import Surroundings
from subscriptions.worker.receipt_watch import ReceiptWatch

_SMPP_PORTS: Final[Mapping[str, int]] = {"smpp": 2775, "smpps": 3550}


@dataclass(frozen=True, slots=True)
class Companies:
    """Through whom people are called, preferred first; without any nobody can be.

    The scheme of an account's URL says how it is spoken to: ``https`` (Twilio's REST API) or
    ``smpps`` (SMPP over TLS), and both without TLS. `old_tokens` prove webhooks too, while a token is
    being replaced. `links`: texts end with a link.
    """

    accounts: Sequence[Account] = ()
    old_tokens: Sequence[str] = field(default=(), repr=False)
    links: bool = False

    @property
    def webhook_tokens(self) -> tuple[str, ...]:
        """Return every token a webhook may be signed with."""
        tokens = [account.token for account in self.accounts if not _is_smpp(account)]
        return tuple(token for token in (*tokens, *self.old_tokens) if token)


class Telephones:
    """The managed channel ``sms`` and what runs beside it."""

    def __init__(
        self,
        companies: Companies,
        *,
        public_url: str,
        response: Response,
        around: Surroundings,
        tenants: Callable[[], Mapping[str, int]],
        token: Callable[[], str],
        story: Story,
        send_simulated: bool,
    ) -> None:
        """Open nothing yet."""
        self._companies = [_company(account) for account in companies.accounts]
        self._inbound = InboundLines(
            response=response, transactions=around.transactions, tenants=tenants
        )
        carriers = Carriers(self._companies, _seconds)
        addresses = Addresses(
            webhooks=f"{public_url}/telephony", links=f"{public_url}/a" if companies.links else None
        )

        def telephone(through: Carriers, *, simulated: bool) -> Telephone:
            return Telephone(
                carriers=through,
                pager=Pager(
                    carriers=through, addresses=addresses, token=token, send_simulated=simulated
                ),
                receipts=response.receipts,
                transactions=around.transactions,
                draw=around.draw,
                story=story,
            )

        self.channel = SinkChannel(
            telephone(carriers, simulated=send_simulated),
            telephone(Carriers([Sink()], _seconds), simulated=True),
            lambda tenant: tenants().get(synthetic.TENANT) == tenant,
        )
        self.watch = ReceiptWatch(
            receipts=response.receipts,
            carrying=carriers.carrying,
            transactions=around.transactions,
            scan=around.scan,
            clock=around.clock,
        )

    async def serve(self, stop: asyncio.Event) -> None:
        """Keep the lines of those companies open that need one, until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            for company in self._companies:
                tasks.create_task(company.serve(self._inbound, stop))

    async def close(self) -> None:
        """Close every company."""
        for company in self._companies:
            await company.close()


def _is_smpp(account: Account) -> bool:
    return urlsplit(account.base_url).scheme in _SMPP_PORTS


def _company(account: Account) -> TelephoneCompany:
    if not _is_smpp(account):
        return Twilio(account)
    place = urlsplit(account.base_url)
    return Smpp(
        SmppAccount(
            host=place.hostname or "",
            port=place.port or _SMPP_PORTS[place.scheme],
            system_id=account.sid,
            password=account.token,
            number=account.number,
            name=account.name,
            tls=ssl.create_default_context() if place.scheme == "smpps" else None,
        )
    )


def _seconds() -> float:
    return asyncio.get_running_loop().time()
