"""A home with a machine, wired as the server wires it, on a clock that the test moves.

Device messages go through the ingest, operations through HTTP; nothing runs by itself.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, LiteralString

import httpx
import pytest

from adapters.batch import Incoming
from adapters.ingest import Ingest
from adapters.mqtt.messages import Topic
from fhirserver.kernel.canonical import ESCALATION_TIER
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from subscriptions.composition import Subscriptions
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.sessions.every_second import SettleTreatments
from tests.conftest import Database
from tests.integration.rest.conftest import JSON
from tests.integration.wired import Told, database_of_module, wired

_numbers = count(1)
BOB, EVE = "+15550000001", "+15550000002"


class Home:
    """Ann, her machine, Bob and Eve who are told first, and the nurse."""

    record: Record
    parts: Subscriptions
    told: Told
    ingest: Ingest
    settle: SettleTreatments
    tenant: int
    name: str
    address: str
    admin: httpx.AsyncClient
    nurse: httpx.AsyncClient
    patient: httpx.AsyncClient
    partner: httpx.AsyncClient
    stranger: httpx.AsyncClient

    def __init__(self) -> None:
        self.now = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
        self._seq = 0

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def say(
        self,
        mode: str | None = "TX",
        *,
        session: str | None = "t-1",
        ago: float = 0.0,
        values: dict[str, Any] | None = None,
    ) -> None:
        """Let the machine say its mode, and let what is due be done."""
        self._seq += 1
        at = self.now - timedelta(seconds=ago)
        body = {
            "schema": "hd.tel/1", "dev": self.address, "boot": "b1", "seq": self._seq, "mode": mode,
            "session": session, "dev_time": at.isoformat(), "s": [{"t": 0, "v": values or {}}],
            "mono_ms": int((at - datetime(2026, 8, 1, tzinfo=UTC)).total_seconds() * 1000),
        }  # fmt: skip
        topic = Topic(self.name, self.address, "tel")
        await self.ingest.commit(
            self.tenant, [Incoming(topic, json.dumps(body).encode(), self.now)]
        )
        await self.settle()

    async def wait(self, seconds: float) -> None:
        """Let time pass and what is due be done, without a word of the machine."""
        self.pass_time(seconds)
        await self.settle()

    async def put(self, *resources: Json) -> None:
        """Write as the server does."""
        async with self.record.transaction(self.tenant) as tx:
            for resource in resources:
                await tx.put(resource, id_=resource["id"])

    async def prove(self, member: str, status: str = "active") -> None:
        """Say of a member's telephone what its owner says."""
        async with self.record.transaction(self.tenant) as tx:
            id_ = subscription_id(member)
            subscription = await tx.get("Subscription", id_)
            assert subscription is not None
            await tx.put({**subscription, "status": status}, id_=id_)

    async def test_page(self) -> dict[str, Any]:
        """Ask for a test page, as the patient; return what is said."""
        return told(await self.patient.post("Patient/ann/$test-page"))

    async def armed(self) -> dict[str, Any]:
        """Return how monitoring stands, as the patient sees it."""
        return told(await self.patient.get("Patient/ann/$armed"))

    async def test_tasks(self) -> dict[str, Json]:
        """The Tasks of the last test page, by member."""
        rows = await self.execute(
            "SELECT member, task FROM test_page WHERE tenant = %s ORDER BY member", [self.tenant]
        )
        return {member: await self.get("Task", task) for member, task in rows}

    async def acknowledge(self, member: str, status: str = "received") -> None:
        """Answer the test page as `member` does."""
        task = (await self.test_tasks())[member]
        async with self.record.transaction(self.tenant) as tx:
            await tx.put({**task, "status": status}, id_=task["id"])

    async def arm(self) -> None:
        """Send a test page and let Bob answer."""
        await self.test_page()
        await self.acknowledge("RelatedPerson/bob")

    async def get(self, type_: str, id_: str) -> Json:
        async with self.record.transaction(self.tenant) as tx:
            found = await tx.get(type_, id_)
        assert found is not None
        return found

    async def procedures(self) -> list[Json]:
        return await self.search("Procedure?_sort=date")

    async def search(self, query: str) -> list[Json]:
        answer = await self.admin.get(query)
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", ())]

    async def alerts(self, *, still_open: bool = True) -> list[str]:
        """Codes and priorities of the alerts of Ann."""
        condition = "condition = 'present' AND closed IS NULL" if still_open else "true"
        rows = await self.execute(
            "SELECT priority || ' ' || code FROM alert WHERE tenant = %s AND "
            + condition
            + " ORDER BY raised",
            [self.tenant],
        )
        return [text for (text,) in rows]

    async def execute(self, sql: LiteralString, args: list[Any]) -> list[Any]:
        async with self.record.transaction(self.tenant) as tx:
            return await tx.execute(sql, args)


def told(answer: httpx.Response) -> dict[str, Any]:
    """The parameters of an answer by name; those that may repeat as lists."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = {"by": [], "treatment": []}
    for one in answer.json()["parameter"]:
        (value,) = (content for name, content in one.items() if name != "name")
        if one["name"] in ("by", "treatment"):
            found[one["name"]].append(value["reference"])
        else:
            found[one["name"]] = value
    return found


def related(id_: str, phone: str) -> Json:
    return {
        "resourceType": "RelatedPerson",
        "id": id_,
        "patient": {"reference": "Patient/ann"},
        "telecom": [{"system": "sms", "value": phone}],
    }


def team(*members: tuple[str, int]) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": "Patient/ann"},
        "participant": [
            {"member": {"reference": "Practitioner/nina"}},
            {"member": {"reference": "Patient/ann"}},
            *(
                {
                    "member": {"reference": member},
                    "extension": [{"url": ESCALATION_TIER, "valuePositiveInt": tier}],
                }
                for member, tier in members
            ),
        ],
    }


FIRST: Json = {
    "resourceType": "Patient",
    "id": "ann",
    "birthDate": "1961-04-02",
    "telecom": [{"system": "sms", "value": "+15550000009"}],
}
MACHINE: Json = {
    "resourceType": "Device",
    "id": "machine",
    "identifier": [
        {
            "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
            "value": "0A-1B-2C-FF-FE-3D-4E-5F",
        }
    ],
}
USE: Json = {
    "resourceType": "DeviceUseStatement",
    "id": "use",
    "status": "active",
    "subject": {"reference": "Patient/ann"},
    "device": {"reference": "Device/machine"},
    "timingPeriod": {"start": "2026-07-01"},
}


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module; each test has a tenant of its own."""
    with database_of_module(postgres_server, template_database) as database:
        yield database


@pytest.fixture
def arming_required() -> bool:
    return True


@pytest.fixture
async def home(shared_database: Database, *, arming_required: bool) -> AsyncIterator[Home]:
    home = Home()
    async with wired(shared_database, home.clock, arming_required=arming_required) as process:
        record = home.record = process.record
        parts = process.parts
        home.parts = parts
        home.told = process.told
        home.name = f"home-{next(_numbers)}"
        home.tenant = await record.ensure_tenant(home.name)
        home.ingest = Ingest(record, parts.observer)
        home.settle = SettleTreatments(
            parts.sessions, record.work, record.scan, home.clock, record.figures
        )
        async with record.transaction(home.tenant) as tx:
            await parts.ensure_content(tx)
        await home.put(FIRST, MACHINE, USE)
        await home.put(*({"resourceType": "Practitioner", "id": one} for one in ("nina", "omar")))
        await home.put(related("bob", BOB), related("eve", EVE))
        await home.put(team(("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2)))
        await home.prove("RelatedPerson/bob")
        await home.prove("RelatedPerson/eve")
        credential = await record.enroll_device(home.tenant, "machine")
        home.address = credential.device

        async def acting(kind: PrincipalKind, reference: str) -> httpx.AsyncClient:
            principal = Principal(home.tenant, kind, reference)
            token = await record.issue_token(principal, 7 * 86_400)
            return process.client(token, **{"content-type": JSON})

        home.admin = await acting("admin", "")
        home.nurse = await acting("practitioner", "Practitioner/nina")
        home.patient = await acting("patient", "Patient/ann")
        home.partner = await acting("related-person", "RelatedPerson/bob")
        home.stranger = await acting("practitioner", "Practitioner/omar")
        yield home
