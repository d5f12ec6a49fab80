"""The response part over a real record: alerts by the rules part, a telephone company in memory.

Nothing runs by itself: a test moves the clock and lets the worker's loops run once.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.canonical import ESCALATION_TIER
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import DeviceEvent
from fhirserver.kernel.resource import Json
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.validation import validate
from subscriptions.channels.carriers import Carriers
from subscriptions.channels.channel import Channel
from subscriptions.channels.managed import ManagedChannel
from subscriptions.channels.rest_hook import RestHook
from subscriptions.channels.sending_pages import Addresses, Pager
from subscriptions.channels.sms import Telephone
from subscriptions.channels.telephony import TelephoneCompany
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.core.reply_code import ALPHABET
from subscriptions.evaluation import alerts, defaults
from subscriptions.evaluation.part import Evaluation
from subscriptions.observer import Observer
from subscriptions.response import shipped_topics
from subscriptions.response.notifications import Notifications
from subscriptions.response.response import Response
from subscriptions.response.story import story
from subscriptions.sessions.part import Sessions
from subscriptions.worker.parcels import Parcels
from subscriptions.worker.ports import Surroundings
from subscriptions.worker.worker import Worker
from tests.conftest import ROLE_PASSWORDS, Database, _database
from tests.integration.response.doubles import Company, Eyes, Receiver, Sent
from tests.patience import PATIENCE_SECONDS

_numbers = count(1)
BASE = "https://example.org/fhir"
BOB, EVE, ANN = "+15550000001", "+15550000002", "+15550000003"
NINA = "+15550000004"


class Place:
    """A clinic with one patient, her people, and everything that reaches them."""

    record: Record
    response: Response
    evaluation: Evaluation
    sessions: Sessions
    worker: Worker
    channels: Mapping[str, Channel]
    managed: Mapping[str, ManagedChannel[Any]]
    parcels: Parcels
    tenant: int
    name: str

    def __init__(self) -> None:
        self.now = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
        self.company = Company(self.clock)
        self.receiver = Receiver(self.clock)
        self.eyes = Eyes()
        self.written: list[Json] = []
        self._codes = _codes()
        self._messages = 0
        self._alarms = 0

    def clock(self) -> datetime:
        return self.now

    def token(self) -> str:
        return next(self._codes)

    def another_worker(self) -> Worker:
        """Return a worker as it runs in a process of its own."""
        return Worker(
            response=self.response,
            channels=self.channels,
            managed=self.managed,
            parcels=self.parcels,
            around=Surroundings(
                self.record.work, self.record.scan, self.clock, lambda: 0.0, lambda: True
            ),
        )

    # Writing

    async def put(self, *resources: Json) -> None:
        async with self.record.transaction(self.tenant) as tx:
            for resource in resources:
                await tx.put(resource, id_=resource["id"])
        await self.work()

    async def client_put(self, resource: Json, principal: Principal) -> None:
        """Write as a client does: admitted first."""
        async with self.record.transaction(self.tenant) as tx:
            before = await tx.get(resource["resourceType"], resource["id"])
            sessions = Sessions(self.response, self.response.pages, required=False)
            observer = Observer(self.evaluation, self.response, sessions)
            admitted = await observer.admit(tx, principal, resource, before)
            await tx.put(admitted, id_=resource["id"])

    async def get(self, type_: str, id_: str) -> Json:
        async with self.record.transaction(self.tenant) as tx:
            found = await tx.get(type_, id_)
        assert found is not None
        return found

    async def all(self, type_: str) -> list[Json]:
        """Every resource of a type that was written, as it is now, oldest first."""
        ids = dict.fromkeys(r["id"] for r in self.written if r["resourceType"] == type_)
        return [await self.get(type_, id_) for id_ in ids]

    async def query(self, sql: Any, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        async with self.record.transaction(self.tenant) as tx:
            return await tx.execute(sql, args)

    # What happens

    async def alarm(
        self, event: str = "198260", *, patient: str = "ann", end: bool = False
    ) -> None:
        """The machine of `patient` raises an alarm event."""
        async with self.record.transaction(self.tenant) as tx:
            await self.evaluation.device_events(tx, [self._event(event, patient, end=end)])
        await self.work()

    def _event(self, event: str, patient: str, *, end: bool) -> DeviceEvent:
        return DeviceEvent(
            patient=patient,
            device=f"m-{patient}",
            alarm_id=f"a-{event}",
            event=event,
            source=None,
            phase="end" if end else "start",
            state="inactive" if end else "active",
            activity="enabled",
            priority="PH",
            value=None,
            unit=None,
            effective=self.now,
            received=self.now,
            age=0.1,
            simulated=False,
        )

    async def writes(self, phone: str, body: str, message: str | None = None) -> str:
        """Somebody sends a text message; return the answer."""
        self._messages += 1
        async with self.record.transaction(self.tenant) as tx:
            answer = await self.response.handle_reply(
                tx, phone, body, message or f"SM{self._messages}"
            )
        await self.work()
        return answer

    async def reports(self, sent: Sent, status: str, error: str | None = None) -> None:
        """The company reports what became of a message."""
        async with self.record.transaction(self.tenant) as tx:
            await self.response.receipts.received(tx, sent.attempt, status, error)
        await self.work()

    async def after(self, seconds: float) -> None:
        """Let time pass second by second, the loops running."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(self.now + timedelta(seconds=1), end)
            await self.work()

    async def work(self) -> None:
        """Run the loops until there is nothing left to do now."""
        for _ in range(20):
            done = await self.worker.timers.run_due()
            done += await self.worker.sequencer.run_due()
            done += await self.deliver()
            if not done:
                return
        raise AssertionError("the loops do not come to rest")

    async def deliver(self) -> int:
        async with asyncio.TaskGroup() as tasks:
            return await self.worker.delivery.start_due(tasks)

    # What to look at

    def pages(self, phone: str | None = None, medium: str | None = None) -> list[Sent]:
        return [
            s
            for s in self.company.sent
            if (phone is None or s.to == phone)
            and (medium is None or s.medium == medium)
            and "to get alerts" not in s.text
            and "para recibir" not in s.text
        ]

    async def verify(self, phone: str) -> None:
        """Answer the verification message of a telephone."""
        asked = [s for s in self.company.sent if s.to == phone and "to get alerts" in s.text]
        answer = await self.writes(phone, asked[-1].code)
        assert "Thank you" in answer

    async def status(self, member: str) -> str:
        return str((await self.get("Subscription", subscription_id(member)))["status"])


class _Recorder(Observer):
    """The observer, and a check that everything the server writes is valid FHIR."""

    place: Place

    async def changed(self, tx: Transaction, changes: Any) -> None:
        for change in changes:
            if change.resource is not None:
                self.place.written.append(change.resource)
                problems = [p for p in validate(change.resource) if p.severity == "error"]
                assert not problems, (change.reference, problems)
        await super().changed(tx, changes)


def _codes() -> Iterator[str]:
    for number in range(10_000):
        code = ""
        for _ in range(4):
            number, digit = divmod(number, len(ALPHABET))  # noqa: PLW2901
            code = ALPHABET[digit] + code
        yield code


def telephone(
    place: Place,
    companies: Sequence[TelephoneCompany],
    *,
    links: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Telephone:
    """The telephone channel of `place` through `companies`; texts end with a link to `links`.

    A company is given `patience` seconds to answer.
    """
    carriers = Carriers(
        companies,
        lambda: place.now.timestamp(),  # noqa: PLW0108 - `now` is replaced as time passes
        send_seconds=patience,
        look_up_seconds=patience,
    )
    return Telephone(
        carriers=carriers,
        pager=Pager(
            carriers=carriers,
            addresses=Addresses("https://example.org/telephony", links),
            token=place.token,
            send_simulated=False,
        ),
        receipts=place.response.receipts,
        transactions=place.record.work,
        draw=lambda: 0.0,
        story=story(aloud=False),
    )


def person(type_: str, id_: str, phone: str | None, language: str | None = None) -> Json:
    resource: Json = {"resourceType": type_, "id": id_}
    if type_ == "RelatedPerson":
        resource["patient"] = {"reference": "Patient/ann"}
    if phone is not None:
        resource["telecom"] = [{"system": "sms", "value": phone}]
    if language is not None:
        concept = {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}
        resource["communication"] = [
            concept if type_ == "Practitioner" else {"language": concept, "preferred": True}
        ]
    return resource


def team(*members: tuple[str, int], patient: str = "ann", id_: str = "team") -> Json:
    return {
        "resourceType": "CareTeam",
        "id": id_,
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [
            {
                "member": {"reference": member},
                "extension": [{"url": ESCALATION_TIER, "valuePositiveInt": tier}],
            }
            for member, tier in members
        ],
    }


@pytest.fixture(scope="session")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """One database for all tests of this part: each has a tenant of its own."""
    yield from _database(postgres_server, template_database)


@pytest.fixture
def database(shared_database: Database) -> Iterator[Database]:
    """The shared database, in which nothing of this test stays due."""
    yield shared_database
    with psycopg.connect(shared_database.dsn, autocommit=True) as admin:
        tables = (
            "timer",
            "subscription_cursor",
            "event",
            "attempt",
            "delivery_dead_letter",
            "reply_code",
            "inbound_message",
        )
        for table in tables:
            admin.execute(f"DELETE FROM {table}".encode())


@pytest.fixture
async def bare(database: Database) -> AsyncIterator[Place]:
    """The place before anybody is in a care team."""
    place = Place()
    known = definitions.load()
    topics = shipped_topics.topics(lambda _tenant: known, BASE)
    channels = {"rest-hook": RestHook(place.receiver)}  # type: ignore[arg-type]
    tell = story(aloud=False)
    place.response = Response(
        token=place.token,
        topics=topics,
        channels=channels,
        alerts=alerts,
        visibility=place.eyes,
        endpoints=EndpointPolicy(allow_insecure=False),
        story=tell,
    )
    place.evaluation = Evaluation(place.response)
    sessions = Sessions(place.response, place.response.pages, required=False)
    place.response.ladders.tell_rosters(sessions.roster_changed)
    place.sessions = sessions
    observer = _Recorder(place.evaluation, place.response, sessions)
    observer.place = place
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        place.record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            known,
            observer,
            place.clock,
        )
        place.name = f"home-{next(_numbers)}"
        place.tenant = await place.record.ensure_tenant(place.name)
        await place.record.ensure_partitions()
        place.managed = {"sms": telephone(place, [place.company])}
        place.parcels = Parcels(
            channels=channels,
            notifications=Notifications(
                base=BASE, visibility=place.eyes, search=place.record.search
            ),
            topics=topics.of,
        )
        place.channels = channels
        place.worker = place.another_worker()
        async with place.record.transaction(place.tenant) as tx:
            await defaults.ensure(tx)
        await place.put(
            {"resourceType": "Patient", "id": "ann"},
            {"resourceType": "Device", "id": "m-ann"},
        )
        yield place


@pytest.fixture
async def place(bare: Place) -> Place:
    """Ann with Bob (tier 1), Eve (tier 2) and the nurse Nina, all of them proven."""
    await bare.put(
        person("RelatedPerson", "bob", BOB),
        person("RelatedPerson", "eve", EVE),
        person("Practitioner", "nina", NINA),
    )
    await bare.put(
        team(("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2), ("Practitioner/nina", 2))
    )
    for phone in (BOB, EVE, NINA):
        await bare.verify(phone)
    return bare
