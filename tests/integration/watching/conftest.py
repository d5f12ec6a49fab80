"""A whole server without a broker: what the synthetic device says goes straight into the ingest."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from adapters.batch import Incoming
from adapters.ingest import Ingest
from adapters.mqtt.messages import parse_topic
from fhirserver import broker_side, definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access
from fhirserver.kernel.search_page import SearchPage
from fhirserver.parts import tell_lines
from fhirserver.search.query import Query
from fhirserver.store import hl7_alarms, leftovers
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.store.visibility import Visibility
from subscriptions.channels.twilio import Account
from subscriptions.composition import Options, RecordAccess, Subscriptions
from subscriptions.core import synthetic
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.telephones import Companies
from subscriptions.watching.synthetic_patient import SyntheticPatient
from tests.conftest import ROLE_PASSWORDS, Database

NOBODY = Account("http://127.0.0.1:9", "AC1", "secret", "+15550009999")
EVERY = timedelta(seconds=60)


class Server:
    """The wired parts, in real time that a test may set forward."""

    record: Record
    parts: Subscriptions
    ingest: Ingest
    names: Mapping[str, int]

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.fixed: datetime | None = None

    def clock(self) -> datetime:
        return (self.fixed or datetime.now(UTC)) + self.ahead

    @property
    def access(self) -> RecordAccess:
        record = self.record
        return RecordAccess(
            record.work,
            record.scan,
            self.clock,
            lambda: self.names,
            record.grant,
            record.figures,
            hl7_alarms.told_by,
            partial(tell_lines, record),
        )

    @property
    def synthetic_tenant(self) -> int:
        return self.names[synthetic.TENANT]

    def synthetic(self) -> SyntheticPatient:
        """Return what runs the synthetic patient in one process."""
        return self.parts.synthetic_patient(
            self.access, self.record.tend, self.publish, self.forget, EVERY
        )

    async def publish(self, topic: str, message: bytes) -> None:
        parsed = parse_topic(topic.replace("/", "."))
        assert parsed is not None
        await self.ingest.commit(
            self.names[parsed.tenant], [Incoming(parsed, message, self.clock())]
        )

    async def forget(self, tx: Transaction, before: datetime) -> None:
        await leftovers.forget(tx, synthetic.LEFT_BEHIND, before)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run engine and delivery until the block ends."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.parts.run(self.access, {"engine", "deliver"}, stop))
            try:
                yield
            finally:
                stop.set()


@pytest.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    server, known = Server(), definitions.load()

    async def search(access: Access, query: Query) -> SearchPage:
        return await server.record.search(access, query)

    server.parts = Subscriptions(
        Options(
            companies=Companies((NOBODY,)),
            public_url="http://test",
            fhir_base="http://test/fhir",
            endpoints=EndpointPolicy(allow_insecure=True),
            demo=False,
            arming_required=False,
        ),
        Visibility(),
        lambda _tenant: known,
        search,
    )
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        ring = keyring.create("test", bytes(range(32)))
        server.record = Record(pools, ring, known, server.parts.observer, server.clock)
        server.ingest = Ingest(server.record, server.parts.observer)
        home = await server.record.ensure_tenant("home")
        await server.record.ensure_partitions()
        async with server.record.transaction(home) as tx:
            await server.parts.ensure_content(tx)
        await broker_side.ensure_synthetic(server.record, server.parts)
        server.names = {name: number for number, name in await server.record.tenants()}
        yield server
