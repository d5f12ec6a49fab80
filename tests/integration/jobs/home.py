"""A patient with a machine that speaks through the door devices use, at a time the test says."""

import json
from datetime import datetime
from typing import Any

from adapters.batch import Incoming
from adapters.ingest import Ingest
from adapters.mqtt.messages import Topic
from fhirserver.kernel.resource import Json
from fhirserver.store.record import Record
from tests.integration.jobs.conftest import Clock
from tests.integration.rest.conftest import Bystander

ADDRESS = "0A1B2CFFFE3D4E5F"
PRESSURE, FLOW = "158776", "158740"
BIRTH: Json = {
    "schema": "hd.birth/1", "dev": ADDRESS, "boot": "b1", "mono_ms": 1000, "model": "SIM", "kind": "hemodialysis-machine",
    "metrics": {PRESSURE: {"unit": "mm[Hg]", "limits": {"low": 122, "high": 262}}, FLOW: {"unit": "mL/min"}},
}  # fmt: skip
DEVICE = {
    "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
    "value": "0A-1B-2C-FF-FE-3D-4E-5F",
}


class Home:
    """Patient/ann at home."""

    def __init__(self, record: Record, clock: Clock) -> None:
        self.record, self.clock = record, clock
        self._ingest = Ingest(record, Bystander())  # type: ignore[arg-type]
        self._number = 0

    async def furnish(self) -> None:
        """Bind the machine to the patient."""
        async with self.record.transaction(1) as tx:
            await tx.put({"resourceType": "Patient"}, id_="ann")
            await tx.put({"resourceType": "Device", "identifier": [DEVICE]}, id_="machine")
            use: Json = {
                "resourceType": "DeviceUseStatement",
                "status": "active",
                "subject": {"reference": "Patient/ann"},
                "device": {"reference": "Device/machine"},
                "timingPeriod": {"start": "2026-01-01"},
            }
            await tx.put(use, id_="use")
        await self.record.enroll_device(1, "machine")
        await self._say("birth", BIRTH)

    async def measure(self, at: datetime, **values: Any) -> None:
        """Let the machine report readings at a moment, which is also when they are received."""
        self.clock.now = at
        self._number += 1
        told = {name.removeprefix("m"): value for name, value in values.items()}
        await self.record.ensure_partitions()
        await self._say(
            "tel",
            {
                "schema": "hd.tel/1", "dev": ADDRESS, "boot": "b1", "seq": self._number,
                "dev_time": at.isoformat().replace("+00:00", "Z"), "mode": "TX",
                "s": [{"t": 0, "v": told or {PRESSURE: 162, FLOW: 398}}],
            },
        )  # fmt: skip

    async def _say(self, kind: Any, body: Json) -> None:
        message = Incoming(Topic("home", ADDRESS, kind), json.dumps(body).encode(), self.clock.now)
        outcome = await self._ingest.commit(1, [message])
        assert all(not one.rejected for one in outcome.acknowledgements), outcome


async def rows(record: Record, sql: Any, *args: Any) -> list[tuple[Any, ...]]:
    """What the tenant's own role reads."""
    async with record.work(1) as tx:
        return await tx.execute(sql, args)
