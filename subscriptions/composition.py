"""How the parts of `subscriptions` are put together for one process.

`fhirserver.bootstrap` gives what belongs to the record: transactions, the clock, the access decision.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.routing import Route

from fhirserver.kernel.ports import ChangeObserver, Transaction
from subscriptions.channels.channel import Channel
from subscriptions.channels.egress import Egress
from subscriptions.channels.rest_hook import RestHook
from subscriptions.channels.sms import Telephone
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.core.reply_code import code_from
from subscriptions.core.subscription_check import EndpointPolicy
from subscriptions.evaluation import alerts, defaults
from subscriptions.evaluation.every_second import WatchTime
from subscriptions.evaluation.part import Evaluation
from subscriptions.observer import Observer
from subscriptions.response import shipped_topics
from subscriptions.response.ports import Visibility
from subscriptions.response.response import Response
from subscriptions.response.story import story
from subscriptions.rest import telephony
from subscriptions.worker.ports import Clock, Scan, Transactions
from subscriptions.worker.worker import Worker

_CODE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator decided about deliveries. Without a provider (`account` None) nobody can be called."""

    account: Account | None
    public_url: str
    fhir_base: str
    allow_insecure_endpoints: bool
    demo: bool


@dataclass(frozen=True, slots=True)
class RecordAccess:
    """What the workers need of the record."""

    transactions: Transactions
    scan: Scan
    clock: Clock
    tenants: Callable[[], Mapping[str, int]]


class Subscriptions:
    """The wired parts: the observer of every write, the webhooks, and the loops of engine and delivery."""

    def __init__(self, options: Options, visibility: Visibility) -> None:
        """Wire everything that lives inside write transactions."""
        self._options = options
        self._visibility = visibility
        self._story = story(aloud=options.demo)
        self.response = Response(
            token=_reply_code,
            topics=shipped_topics.shipped(),
            alerts=alerts,
            visibility=visibility,
            endpoints=EndpointPolicy(options.allow_insecure_endpoints),
            story=self._story,
        )
        self._observer = Observer(Evaluation(self.response), self.response)

    @property
    def observer(self) -> ChangeObserver:
        """What the record shows every change to."""
        return self._observer

    @property
    def topics(self) -> Sequence[str]:
        """The canonicals of the topics clients may subscribe to."""
        return self.response.topics.urls

    async def ensure_content(self, tx: Transaction) -> None:
        """Store what every tenant has from the start."""
        await defaults.ensure(tx)

    def routes(self, record: RecordAccess) -> Sequence[Route]:
        """Return the webhooks of the telephone company, none without an account."""
        account = self._options.account
        if account is None:
            return ()
        return telephony.routes(
            response=self.response,
            transactions=record.transactions,
            public_url=self._options.public_url,
            tokens=(account.token,),
            tenant_of=lambda name: record.tenants().get(name),
        )

    async def run(self, record: RecordAccess, roles: Collection[str], stop: asyncio.Event) -> None:
        """Run the loops of `roles` (``engine``, ``deliver``) until `stop` is set."""
        egress = Egress(allow_insecure=self._options.allow_insecure_endpoints)
        company = None if self._options.account is None else Twilio(self._options.account)
        channels: dict[str, Channel[Any]] = {
            "rest-hook": RestHook(
                base=self._options.fhir_base,
                egress=egress,
                visibility=self._visibility,
                draw=random.random,
            )
        }
        if company is not None:
            channels["sms"] = Telephone(
                company=company,
                webhooks=f"{self._options.public_url}/telephony",
                receipts=self.response.receipts,
                token=_reply_code,
                draw=random.random,
                story=self._story,
                send_simulated=self._options.demo,
            )
        worker = Worker(
            response=self.response,
            channels=channels,
            transactions=record.transactions,
            scan=record.scan,
            clock=record.clock,
            every_second=[
                WatchTime(
                    self._observer, record.transactions, record.scan, record.clock, record.clock()
                )
            ],
        )
        try:
            await worker.run(roles, stop)
        finally:
            await egress.close()
            if company is not None:
                await company.close()


def _reply_code() -> str:
    return code_from(secrets.token_bytes(_CODE_BYTES))
