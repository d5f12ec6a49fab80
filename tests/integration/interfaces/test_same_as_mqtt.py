"""The same treatment told over MQTT and as PCD-01 and PCD-04: the same Observations and the same alerts.

The simulator encodes with hl7apy and sends over MLLP; rules, alerts and people are those of a whole process. Each way has
a tenant of its own in which everything bears the same name, and both share one clock, which the test moves.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.batch import Incoming
from adapters.hl7v2 import sites
from adapters.hl7v2.listener import Door, Listener
from adapters.ingest import Ingest
from adapters.mqtt.messages import Topic
from fhirserver import definitions
from fhirserver.hl7v2_side import Behind, intake
from fhirserver.kernel.principal import Principal
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from simulator.devices.identity import cuff, machine
from simulator.devices.messages import Message, Speaker
from simulator.enrolment import device_id, home_resources
from simulator.hl7v2.messages import Tongue
from simulator.hl7v2.mllp import Caller
from simulator.home import Home, Send, started_before
from simulator.physiology.person import person
from simulator.physiology.treatment import Treatment
from simulator.scenarios import named
from tests.conftest import Database
from tests.integration.interfaces.interface import OPEN
from tests.integration.rest.conftest import BASE
from tests.integration.wired import Wired, database_of_module, wired
from tests.patience import PATIENCE_SECONDS

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
DEVICES = (machine("same"), cuff("same", interval_s=60.0))
# What the devices promise over MQTT is agreed with the interface.
SITE = b"""
senders:
  - {name: machine, match: {MSH-3: SIM-HD 1}, interval-s: 1}
  - {name: cuff, match: {MSH-3: SIM-BP 1}, interval-s: 60}
"""
TROUBLED_SECONDS = 35
ELAPSED_MIN = 60.0
ALERTS = """
SELECT system, code, display, kind, family, priority, condition, response, signal, patient, device, onset, raised, ended,
  delayed, pages, rule, simulated, rang
FROM alert WHERE tenant = %s ORDER BY raised, code, device
"""
TOLD = "SELECT kind, at FROM alert_event WHERE tenant = %s ORDER BY at, kind"


class Clock:
    """The time of both ways."""

    now = START

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Way:
    """A tenant, and how a home speaks to it."""

    process: Wired
    tenant: int
    say: Callable[[str, Message], Awaitable[None]]

    async def observations(self) -> list[dict[str, Any]]:
        """Return every Observation."""
        token = await self.process.record.issue_token(Principal(self.tenant, "admin", ""), 86_400)
        client = self.process.client(token)
        found: list[dict[str, Any]] = []
        url: str | None = "Observation?_count=1000"
        while url is not None:
            page = fhir_json.read((await client.get(url)).content)
            found += [one["resource"] for one in page.get("entry", ())]
            url = next((one["url"] for one in page["link"] if one["relation"] == "next"), None)
        return found

    async def rows(self, sql: Any) -> list[tuple[Any, ...]]:
        """Return rows of this tenant."""
        async with self.process.record.transaction(self.tenant) as tx:
            return await tx.execute(sql, [self.tenant])


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module; each way of each test has a tenant of its own."""
    with database_of_module(postgres_server, template_database) as database:
        yield database


@asynccontextmanager
async def over_mqtt(process: Wired, name: str, clock: Clock) -> AsyncIterator[Way]:
    """What devices publish, as the broker hands it over."""
    tenant = await _home(process, name)
    ingest = Ingest(process.record, process.parts.observer)

    async def say(eui64: str, message: Message) -> None:
        incoming = Incoming(Topic(name, eui64, message.channel), message.payload, clock.now)
        await ingest.commit(tenant, [incoming])

    yield Way(process, tenant, say)


@asynccontextmanager
async def over_mllp(process: Wired, name: str, clock: Clock) -> AsyncIterator[Way]:
    """What interfaces send, over sockets."""
    tenant = await _home(process, name)
    parts = Behind(process.record, process.parts.observer, lambda _: definitions.load(), BASE)
    tongues = {one.eui64: Tongue(one) for one in DEVICES}
    async with intake(parts, sites.load([("site.yaml", SITE)]), (tenant, name)) as taking:
        taking._now = clock
        listener = Listener(Door("127.0.0.1", 0, None, 5, 5), taking, OPEN)
        await listener.start()
        caller = Caller("127.0.0.1", listener.port, answered_within_s=PATIENCE_SECONDS)

        async def say(eui64: str, message: Message) -> None:
            spoken = tongues[eui64].say(message)
            if spoken is not None:
                answer = await caller.send(spoken)
                assert answer.code == "CA", answer.text
                assert "ERR" not in answer.text

        try:
            yield Way(process, tenant, say)
        finally:
            await caller.hang_up()
            await listener.stop()


async def _home(process: Wired, name: str) -> int:
    record = process.record
    tenant = await record.ensure_tenant(name)
    async with record.transaction(tenant) as tx:
        await process.parts.ensure_content(tx)
    async with record.transaction(tenant) as tx:
        for resource in home_resources("same", DEVICES):
            await tx.put(resource, id_=resource["id"])
    for one in DEVICES:
        await record.enroll_device(tenant, device_id("same", one))
    return tenant


async def _played(scenario: str, calm: int, clock: Clock, ways: tuple[Way, ...]) -> None:
    """Play a treatment to every way: the same seconds, the same numbers; `scenario` begins after `calm` seconds."""
    home = Home(
        "same",
        Treatment.of(person(5), 5, elapsed_min=ELAPSED_MIN),
        *(Speaker(one, "b1") for one in DEVICES),
        started=started_before(START, ELAPSED_MIN),
        mono_ms=int(ELAPSED_MIN * 60_000),
    )
    clock.now = START
    for one in DEVICES:
        for way in ways:
            await way.say(one.eui64, home.birth(one.eui64, START))
    for second in range(1, calm + TROUBLED_SECONDS):
        now = clock.now = START + timedelta(seconds=second)
        if second == calm:
            home.begin(named(scenario))
        for command in home.tick(1.0, now):
            if isinstance(command, Send):
                for way in ways:
                    await way.say(command.eui64, command.message)


def _compared(observations: list[dict[str, Any]]) -> Counter[str]:
    """Count what was said, without what names this one writing of it."""
    told: Counter[str] = Counter()
    for one in observations:
        assert [problem for problem in validate(one) if problem.severity != "warning"] == []
        meta = {key: value for key, value in one["meta"].items() if key in ("profile", "security")}
        said = {key: value for key, value in one.items() if key not in ("id", "meta")}
        told[fhir_json.write({**said, "meta": meta}).decode()] += 1
    return told


@pytest.mark.parametrize(
    ("scenario", "calm", "owed"),
    [
        # The machine finds it by itself.
        ("needle-slip-graft", 20, "198260"),
        # The server alone sees it, and has to know the pressures before.
        ("needle-slip-fistula", 200, "suspected-needle-dislodgement"),
    ],
)
async def test_a_needle_that_slips_is_the_same_over_either_way(
    shared_database: Database, scenario: str, calm: int, owed: str
) -> None:
    clock = Clock()
    async with (
        wired(shared_database, clock, arming_required=False) as process,
        over_mqtt(process, f"mqtt-{scenario}", clock) as mqtt,
        over_mllp(process, f"mllp-{scenario}", clock) as mllp,
    ):
        await _played(scenario, calm, clock, (mqtt, mllp))
        one, other = _compared(await mqtt.observations()), _compared(await mllp.observations())
        assert one.total() > 12 * calm
        assert one == other
        alerts = await mqtt.rows(ALERTS)
        assert owed in [row[1] for row in alerts]
        assert alerts == await mllp.rows(ALERTS)
        assert await mqtt.rows(TOLD) == await mllp.rows(TOLD)
