"""How the parts of `subscriptions` are put together for one process.

`fhirserver.bootstrap` gives what belongs to the record: transactions, the clock, the access decision.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.routing import BaseRoute

from fhirserver.definitions import Definitions
from fhirserver.interactions.operation import Operation
from fhirserver.kernel.ports import ChangeObserver, Transaction
from fhirserver.kernel.principal import Principal
from subscriptions.channels.egress import Egress
from subscriptions.channels.email import MailServer
from subscriptions.channels.managed import ManagedChannel
from subscriptions.channels.registry import Tools, by_code, custom, shipped
from subscriptions.channels.sms import Telephone
from subscriptions.channels.sockets import Sockets
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.channels.websocket import WEBSOCKET
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.reply_code import code_from
from subscriptions.evaluation import alerts, defaults
from subscriptions.evaluation.every_second import WatchTime
from subscriptions.evaluation.part import Evaluation
from subscriptions.observer import Observer
from subscriptions.operations.events import events_operation
from subscriptions.operations.get_ws_binding_token import get_ws_binding_token
from subscriptions.operations.status import status_operation
from subscriptions.response import shipped_topics
from subscriptions.response.notifications import Notifications
from subscriptions.response.ports import OwnerSearch, Visibility
from subscriptions.response.response import Response
from subscriptions.response.story import story
from subscriptions.rest import metrics, telephony
from subscriptions.worker.parcels import Parcels
from subscriptions.worker.ports import Clock, Scan, Surroundings, Transactions
from subscriptions.worker.worker import Worker

_CODE_BYTES: Final = 16
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator decided about deliveries. Without a provider (`account` None) nobody can be called."""

    account: Account | None
    public_url: str
    fhir_base: str
    endpoints: EndpointPolicy
    demo: bool
    mail_server: MailServer | None = None
    channel_factories: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RecordAccess:
    """What workers and routes need of the record. `principal` returns who holds a bearer token."""

    transactions: Transactions
    scan: Scan
    clock: Clock
    tenants: Callable[[], Mapping[str, int]]
    principal: Callable[[str], Awaitable[Principal | None]]


class Subscriptions:
    """The wired parts: the observer of every write, the webhooks, and the loops of engine and delivery."""

    def __init__(
        self,
        options: Options,
        visibility: Visibility,
        definitions_of: Callable[[int], Definitions],
        search: OwnerSearch,
    ) -> None:
        """Wire everything that lives inside write transactions.

        `definitions_of` gives a tenant's definitions as they are now, without waiting; `search`
        searches the record as one caller.
        """
        self._topics = shipped_topics.topics(definitions_of, options.fhir_base)
        self._options = options
        self._visibility = visibility
        self.notifications = Notifications(
            base=options.fhir_base, visibility=visibility, search=search
        )
        self._story = story(aloud=options.demo)
        self._egress = Egress(options.endpoints)
        tools = Tools(self._egress, options.fhir_base)
        self._channels = by_code(
            shipped(tools, options.mail_server), custom(options.channel_factories, tools)
        )
        self.response = Response(
            token=_reply_code,
            topics=self._topics,
            channels=by_code(self._channels.values(), (WEBSOCKET,)),
            alerts=alerts,
            visibility=visibility,
            endpoints=options.endpoints,
            story=self._story,
        )
        self._observer = Observer(Evaluation(self.response), self.response)

    @property
    def observer(self) -> ChangeObserver:
        """What the record shows every change to."""
        return self._observer

    def topics_of(self, definitions: Definitions) -> Sequence[str]:
        """Return the canonicals of the topics that clients with these definitions may subscribe to."""
        return self._topics.of_definitions(definitions).urls

    async def ensure_content(self, tx: Transaction) -> None:
        """Store what every tenant has from the start."""
        await defaults.ensure(tx)

    async def file_again(self, tx: Transaction) -> None:
        """Make every Subscription of a tenant findable by changes, where an upgrade lost how it was."""
        await self.response.file_again(tx)

    def operations(self) -> Sequence[Operation]:
        """Return the operations on Subscriptions."""
        return (
            status_operation(self.notifications),
            events_operation(self.notifications, self._topics),
            get_ws_binding_token(self._options.public_url, _binding_token),
        )

    def routes(self, record: RecordAccess) -> Sequence[BaseRoute]:
        """Return the metrics, and the webhooks of the telephone company where there is an account."""
        account = self._options.account
        watching = metrics.route(record.scan, record.principal, record.tenants, record.clock)
        if account is None:
            return (watching,)
        return (
            watching,
            *telephony.routes(
                response=self.response,
                transactions=record.transactions,
                public_url=self._options.public_url,
                tokens=(account.token,),
                tenant_of=lambda name: record.tenants().get(name),
            ),
        )

    def sockets(self, record: RecordAccess, access_epoch: Callable[[], int]) -> Sockets:
        """Return the websockets of this process, to be run beside the application they belong to.

        `access_epoch` returns the newest one known, without waiting.
        """
        return Sockets(
            transactions=record.transactions,
            scan=record.scan,
            clock=record.clock,
            visibility=self._visibility,
            notifications=self.notifications,
            topics=self._topics,
            access_epoch=access_epoch,
        )

    async def run(self, record: RecordAccess, roles: Collection[str], stop: asyncio.Event) -> None:
        """Run the loops of `roles` (``engine``, ``deliver``) until `stop` is set."""
        company = None if self._options.account is None else Twilio(self._options.account)
        managed: dict[str, ManagedChannel[Any]] = {}
        if company is not None:
            managed["sms"] = Telephone(
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
            channels=self._channels,
            managed=managed,
            parcels=Parcels(
                channels=self._channels,
                notifications=self.notifications,
                topics=self._topics.of,
            ),
            around=Surroundings(record.transactions, record.scan, record.clock, random.random),
            every_second=[
                WatchTime(
                    self._observer, record.transactions, record.scan, record.clock, record.clock()
                )
            ],
        )
        try:
            await worker.run(roles, stop)
        finally:
            for channel in self._channels.values():
                await channel.close()
            await self._egress.close()
            if company is not None:
                await company.close()


def _reply_code() -> str:
    return code_from(secrets.token_bytes(_CODE_BYTES))


def _binding_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)
