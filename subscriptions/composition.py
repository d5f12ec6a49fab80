"""How the parts of `subscriptions` are put together for one process.

`fhirserver.bootstrap` gives what belongs to the record: transactions, the clock, the access decision.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

from starlette.routing import BaseRoute

from fhirserver.crypto.signing import SigningKeys
from fhirserver.definitions import Definitions
from fhirserver.interactions.operation import Operation
from fhirserver.kernel.hl7 import Line
from fhirserver.kernel.ports import ChangeObserver, Transaction
from fhirserver.kernel.principal import Grant
from subscriptions.channels.client_certificate import ClientCertificate
from subscriptions.channels.egress import Egress
from subscriptions.channels.email import MailServer
from subscriptions.channels.hl7v2 import HL7v2
from subscriptions.channels.managed import ManagedChannel
from subscriptions.channels.presences import Presences
from subscriptions.channels.registry import Tools, by_code, custom, shipped
from subscriptions.channels.sockets import Sockets
from subscriptions.channels.status_back import StatusBack
from subscriptions.channels.websocket import WEBSOCKET
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.reply_code import code_from
from subscriptions.evaluation import alerts, defaults
from subscriptions.evaluation.every_second import WatchTime
from subscriptions.evaluation.lateness import Lateness
from subscriptions.evaluation.part import Evaluation
from subscriptions.evaluation.rule_book import RuleBook
from subscriptions.observer import Observer
from subscriptions.operations.arming import ARMED, test_page_operation
from subscriptions.operations.check_in import check_in_operation
from subscriptions.operations.events import events_operation
from subscriptions.operations.evidence import evidence_operation
from subscriptions.operations.get_ws_binding_token import get_ws_binding_token
from subscriptions.operations.monitoring_rules import monitoring_rules_operation
from subscriptions.operations.preview_rules import PREVIEW_RULES
from subscriptions.operations.status import status_operation
from subscriptions.operations.why import WHY
from subscriptions.operations.why_not import WHY_NOT
from subscriptions.response import shipped_topics
from subscriptions.response.acknowledgements import Acknowledgements
from subscriptions.response.enclosures import AlarmSource, Enclosures
from subscriptions.response.notifications import Notifications
from subscriptions.response.ports import OwnerSearch, Visibility
from subscriptions.response.response import Response
from subscriptions.response.story import story
from subscriptions.rest import answer_page, evidence_keys, metrics, telephony
from subscriptions.sessions import questionnaires
from subscriptions.sessions.every_second import SettleTreatments
from subscriptions.sessions.part import Sessions
from subscriptions.sessions.run_sheets import FiguresOf
from subscriptions.store.watch_rows import Execute
from subscriptions.telephones import Companies, Telephones
from subscriptions.watching import synthetic_patient
from subscriptions.watching.beats import Pulse
from subscriptions.worker.pace import periodically
from subscriptions.worker.parcels import Parcels
from subscriptions.worker.ports import Clock, EverySecond, Scan, Surroundings, Transactions
from subscriptions.worker.worker import Worker

_CODE_BYTES: Final = 16
_TOKEN_BYTES: Final = 32
_LINES_SECONDS: Final = 5.0
# Keeps how many connections of HL7 v2 this process has open.
TellLines = Callable[[Mapping[Line, int]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator decided about deliveries.

    `arming_required`: a treatment without an acknowledged test page is an alarm. `signing` holds the
    keys of evidence documents; without them $evidence is not offered. `hl7_certificate` is shown to
    receivers of HL7 v2 who ask for one.
    """

    companies: Companies
    public_url: str
    fhir_base: str
    endpoints: EndpointPolicy
    demo: bool
    mail_server: MailServer | None = None
    channel_factories: Sequence[str] = ()
    arming_required: bool = True
    signing: SigningKeys | None = None
    hl7_certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True)
class RecordAccess:
    """What workers and routes need of the record.

    `grant` returns what a bearer token stands for, `figures` sums up what was measured, `alarm_source` says which
    message of HL7 v2 told of an alarm, `tell_lines` keeps how many connections are open.
    """

    transactions: Transactions
    scan: Scan
    clock: Clock
    tenants: Callable[[], Mapping[str, int]]
    grant: Callable[[str], Awaitable[Grant | None]]
    figures: FiguresOf
    alarm_source: AlarmSource
    tell_lines: TellLines


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
            shipped(tools, options.mail_server, options.hl7_certificate),
            custom(options.channel_factories, tools),
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
        self.alert_answers = Acknowledgements(self.response.ladders, visibility)
        self.sessions = Sessions(
            self.response, self.response.pages, required=options.arming_required
        )
        self.response.ladders.tell_rosters(self.sessions.roster_changed)
        self._rules = RuleBook()
        self._observer = Observer(
            Evaluation(self.response, self._rules), self.response, self.sessions
        )

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
        await questionnaires.ensure(tx)

    async def ensure_synthetic(self, tx: Transaction) -> None:
        """Store the synthetic patient in the tenant of `tx`, which is theirs alone."""
        await self.ensure_content(tx)
        await synthetic_patient.ensure(tx)

    async def file_again(self, tx: Transaction) -> None:
        """Make every Subscription of a tenant findable by changes, where an upgrade lost how it was."""
        await self.response.file_again(tx)

    def operations(self) -> Sequence[Operation]:
        """Return the operations on Subscriptions, and those of monitoring on Patients."""
        return (
            status_operation(self.notifications),
            events_operation(self.notifications, self._topics),
            get_ws_binding_token(self._options.public_url, _binding_token),
            test_page_operation(self.sessions),
            ARMED,
            check_in_operation(self.sessions),
            WHY,
            WHY_NOT,
            monitoring_rules_operation(self._rules),
            PREVIEW_RULES,
            *(
                ()
                if self._options.signing is None
                else (evidence_operation(self._options.signing.sign),)
            ),
        )

    def routes(self, record: RecordAccess) -> Sequence[BaseRoute]:
        """Return the metrics, and the webhooks of telephone companies where there are any."""
        companies = self._options.companies
        watching: list[BaseRoute] = [
            metrics.route(record.scan, record.grant, record.tenants, record.clock)
        ]
        if self._options.signing is not None:
            watching.append(evidence_keys.route(self._options.signing.public()))
        if not companies.accounts:
            return tuple(watching)
        return (
            *watching,
            *answer_page.routes(response=self.response, transactions=record.transactions),
            *telephony.routes(
                response=self.response,
                transactions=record.transactions,
                public_url=self._options.public_url,
                tokens=companies.webhook_tokens,
                tenant_of=lambda name: record.tenants().get(name),
            ),
        )

    def sockets(
        self,
        record: RecordAccess,
        access_epoch: Callable[[], int],
        is_well: Callable[[], bool],
    ) -> Sockets:
        """Return the websockets of this process, to be run beside the application they belong to.

        `access_epoch` returns the newest one known, without waiting; heartbeats are sent while `is_well`.
        """
        return Sockets(
            transactions=record.transactions,
            scan=record.scan,
            clock=record.clock,
            visibility=self._visibility,
            notifications=self.notifications,
            topics=self._topics,
            access_epoch=access_epoch,
            is_well=is_well,
        )

    def presences(self, record: RecordAccess, access_epoch: Callable[[], int]) -> Presences:
        """Return who has which chart open, to be run beside the websockets of this process."""
        return Presences(
            transactions=record.transactions,
            scan=record.scan,
            clock=record.clock,
            visibility=self._visibility,
            access_epoch=access_epoch,
            new_id=uuid4,
        )

    async def run(self, record: RecordAccess, roles: Collection[str], stop: asyncio.Event) -> None:
        """Run the loops of `roles` (``engine``, ``deliver``) until `stop` is set."""
        managed: dict[str, ManagedChannel[Any]] = {}
        lateness = Lateness(self.response, record.transactions, record.scan, record.clock)
        every_second: list[EverySecond] = [
            lateness,
            WatchTime(
                self._observer,
                record.transactions,
                record.scan,
                record.clock,
                lateness.listening_since,
            ),
            SettleTreatments(
                self.sessions, record.transactions, record.scan, record.clock, record.figures
            ),
        ]
        pulse = Pulse(record.scan, record.clock)
        around = Surroundings(
            record.transactions, record.scan, record.clock, random.random, lambda: pulse.is_well
        )
        status_back = StatusBack(self.alert_answers, record.transactions, record.clock)
        for channel in self._channels.values():
            if isinstance(channel, HL7v2):
                channel.listen(status_back)
                channel.enclose(Enclosures(self.notifications, record.alarm_source))
        telephones = self._telephones(record, around)
        if telephones is not None:
            managed["sms"] = telephones.channel
            every_second.append(telephones.watch)
        worker = Worker(
            response=self.response,
            channels=self._channels,
            managed=managed,
            parcels=Parcels(
                channels=self._channels,
                notifications=self.notifications,
                topics=self._topics.of,
            ),
            around=around,
            every_second=every_second,
        )
        try:
            async with asyncio.TaskGroup() as lines:
                landed = asyncio.Event()
                if telephones is not None and "deliver" in roles:
                    lines.create_task(telephones.serve(landed))
                lines.create_task(pulse.run(stop))
                if "deliver" in roles:
                    lines.create_task(
                        periodically(
                            "lines", _LINES_SECONDS, partial(self._tell_lines, record), stop
                        )
                    )
                await worker.run(roles, stop)
                landed.set()  # what was being sent went over these lines
        finally:
            for channel in self._channels.values():
                await channel.close()
            await self._egress.close()
            if telephones is not None:
                await telephones.close()

    def synthetic_patient(
        self,
        record: RecordAccess,
        execute: Execute,
        publish: synthetic_patient.Publish,
        forget: synthetic_patient.Forget,
        every: timedelta,
    ) -> synthetic_patient.SyntheticPatient:
        """Return what runs the synthetic patient: `publish` hands the broker what its device says."""
        way = synthetic_patient.Way(
            execute=execute,
            transactions=record.transactions,
            tenants=record.tenants,
            publish=publish,
            forget=forget,
            clock=record.clock,
            to_sink=bool(self._options.companies.accounts),
        )
        return synthetic_patient.SyntheticPatient(way, every, secrets.token_hex(8))

    async def _tell_lines(self, record: RecordAccess) -> None:
        for channel in self._channels.values():
            if isinstance(channel, HL7v2):
                await record.tell_lines(channel.lines())

    def _telephones(self, record: RecordAccess, around: Surroundings) -> Telephones | None:
        if not self._options.companies.accounts:
            return None
        return Telephones(
            self._options.companies,
            public_url=self._options.public_url,
            response=self.response,
            around=around,
            tenants=record.tenants,
            token=_reply_code,
            story=self._story,
            send_simulated=self._options.demo,
        )


def _reply_code() -> str:
    return code_from(secrets.token_bytes(_CODE_BYTES))


def _binding_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)
