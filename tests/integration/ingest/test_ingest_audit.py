"""Device data in the audit, through the broker itself: one AuditEvent for each connection and hour, and one for whoever
the broker did not let in.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from fhirserver import broker_side
from fhirserver.auditing.expanding import Expander
from fhirserver.auditing.queue import AuditQueue
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.settings import Settings
from fhirserver.store.audit_rows import AuditRows
from fhirserver.store.audit_spool import AuditSpool
from fhirserver.store.record import Record
from fhirserver.supervisor.broker import Broker
from fhirserver.wire import fhir_json
from tests.conftest import Database
from tests.integration.auditing.conftest import references
from tests.integration.auditing.test_requests import query_of
from tests.integration.conftest import MqttDevice, until
from tests.integration.ingest.test_ingest import ADDRESS, BIRTH, tel
from tests.integration.store.conftest import Clock, Witness, open_record
from tests.oracles.balp import violations
from tests.patience import PATIENCE_SECONDS

BASE = "http://test/fhir"
ADMIN = Access(Principal(1, "admin", ""), everything=True)


@dataclass
class Hospital:
    """Ann's machine, the broker it speaks to, and the ingest behind it."""

    record: Record
    queue: AuditQueue
    broker: Broker
    clock: Clock
    username: str
    password: str
    tenant: str

    def client(self, password: str) -> MqttDevice:
        # The broker gives it an id: ours have a dot, which it takes for a level.
        device = MqttDevice(self.broker, None)
        device.client.username_pw_set(self.username, password)
        return device

    async def device(self) -> MqttDevice:
        """Return the machine once the door is open; before, nobody is let in and nobody told."""
        device = self.client(self.password)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await device.connect():
                await asyncio.sleep(0.1)
                device = self.client(self.password)
        assert await device.subscribe(f"hd/v1/{self.tenant}/{ADDRESS}/ack")
        return device

    async def say(self, device: MqttDevice, kind: str, body: dict[str, Any]) -> None:
        """Publish a message and wait until the ingest has committed it."""
        before = len(device.received)
        await device.publish(f"hd/v1/{self.tenant}/{ADDRESS}/{kind}", json.dumps(body))
        if kind == "tel":
            await until(lambda: len(device.received) > before)

    async def events(self, code: str) -> list[Json]:
        await self.queue.flush()
        await Expander(self.record.audit_expansion(AuditRows(BASE)), lambda: 0.0).all()
        async with self.record.work(1) as tx:
            number = tx.definitions.type_number("AuditEvent")
            rows = await tx.execute(
                "SELECT id FROM resource WHERE type = %s ORDER BY id", (number,)
            )
        found = [
            fhir_json.read((await self.record.read(ADMIN, "AuditEvent", str(row[0]))).content)
            for row in rows
        ]
        return [one for one in found if any(sub["code"] == code for sub in one["subtype"])]


@asynccontextmanager
async def hospital(database: Database, broker: Broker) -> AsyncIterator[Hospital]:
    clock, witness = Clock(), Witness()
    async with open_record(database, witness, clock) as record:
        parts: Any = record
        parts._write = replace(parts._write, audit_rows=AuditSpool())
        parts._work = replace(parts._work, audit_rows=AuditSpool())
        async with record.transaction(1) as tx:
            await tx.put({"resourceType": "Patient"}, id_="ann")
            eui = {
                "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
                "value": "0A-1B-2C-FF-FE-3D-4E-5F",
            }
            await tx.put({"resourceType": "Device", "identifier": [eui]}, id_="machine")
            use = {
                "resourceType": "DeviceUseStatement",
                "status": "active",
                "subject": {"reference": "Patient/ann"},
                "device": {"reference": "Device/machine"},
                "timingPeriod": {"start": "2026-07-01"},
            }
            await tx.put(use, id_="use")
        credential = await record.enroll_device(1, "machine")
        ((_, tenant),) = await record.tenants()
        settings = replace(
            Settings.from_environment({}),
            nats_url=broker.url,
            nats_authenticator_url=broker.authenticator_url,
            nats_callout_seed=broker.issuer_seed,
        )
        queue = AuditQueue(record.audit_writer(1).write)
        running = asyncio.create_task(broker_side.run_ingest(settings, record, witness, queue))
        try:
            yield Hospital(
                record, queue, broker, clock, credential.username, credential.password, tenant
            )
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def test_a_connection_leaves_one_event_an_hour(
    database: Database, fresh_broker: Broker
) -> None:
    async with hospital(database, fresh_broker) as place:
        device = await place.device()
        await place.say(device, "birth", BIRTH)
        for number in (1, 2, 3):
            await place.say(device, *tel(number, {"158776": 160 + number}))
        (event,) = await place.events("ingest")
        assert references(event) == ["Device/machine", "Patient/ann"]
        assert event["type"]["code"] == "110107"
        assert event["agent"][0]["who"] == {"reference": "Device/machine"}
        place.clock.now += timedelta(hours=1)
        await place.say(device, *tel(4, {"158776": 170}))
        await place.say(device, *tel(5, {"158776": 171}))
        assert len(await place.events("ingest")) == 2
        # It started anew: another connection, though the hour is the same.
        await place.say(device, "birth", {**BIRTH, "boot": "b2"})
        await place.say(device, *tel(1, {"158776": 172}, boot="b2"))
        assert len(await place.events("ingest")) == 3
        device.close()


async def test_a_device_that_may_not_come_in_is_told(
    database: Database, fresh_broker: Broker
) -> None:
    async with hospital(database, fresh_broker) as place:
        good = await place.device()
        wrong = place.client("not-its-password")
        assert not await wrong.connect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await place.events("unauthenticated")
                if found:
                    break
                await asyncio.sleep(0.05)
        event = found[0]
        assert violations(event) == []
        assert (event["outcome"], event["outcomeDesc"]) == ("4", "401")
        assert query_of(event) == f"MQTT CONNECT {place.username}"
        assert event["agent"][0]["network"]["address"] == "127.0.0.1"
        assert "not-its-password" not in str(event)
        good.close()
