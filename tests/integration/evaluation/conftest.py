"""The rules part over a real record, with a listener that only remembers."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.canonical import MONITORING_RULE
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Contact, DeviceEvent, Mode, Reading
from fhirserver.kernel.resource import Json
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from subscriptions.core.alert import Alert, Cause
from subscriptions.evaluation import defaults
from subscriptions.evaluation.part import Evaluation
from tests.conftest import ROLE_PASSWORDS, Database


class Listener:
    """Remembers what it is told about alerts."""

    def __init__(self) -> None:
        self.told: list[tuple[Cause, Alert]] = []

    async def alert_changed(
        self,
        tx: Transaction,
        alert: Alert,
        previous: Alert | None,
        cause: Cause,
    ) -> None:
        self.told.append((cause, alert))

    @property
    def causes(self) -> list[str]:
        return [f"{cause} {alert.priority} {alert.code}" for cause, alert in self.told]


class Home:
    """A patient, her machine, and the rules part that watches them."""

    def __init__(self, record: Record, evaluation: Evaluation, listener: Listener) -> None:
        self.record = record
        self.evaluation = evaluation
        self.listener = listener
        self.now = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def put(self, *resources: Json) -> None:
        async with self.record.transaction(1) as tx:
            for resource in resources:
                await tx.put(resource, id_=resource["id"])

    async def measure(self, *readings: Reading) -> None:
        async with self.record.transaction(1) as tx:
            await self.evaluation.readings(tx, readings)

    async def hear(self, *events: DeviceEvent) -> None:
        async with self.record.transaction(1) as tx:
            await self.evaluation.device_events(tx, events)

    async def contact(self, *contacts: Contact) -> None:
        async with self.record.transaction(1) as tx:
            await self.evaluation.contacts(tx, contacts)

    async def scan(self, listening_since: datetime | None = None) -> int:
        async with self.record.transaction(1) as tx:
            return await self.evaluation.scan(
                tx, listening_since or datetime.min.replace(tzinfo=UTC)
            )

    async def query(self, sql: Any, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        async with self.record.transaction(1) as tx:
            return await tx.execute(sql, args)

    async def resources(self, type_: str) -> list[Json]:
        """Return every resource of a type, in the order of their ids."""
        async with self.record.transaction(1) as tx:
            number = tx.definitions.type_number(type_)
            ids = await tx.execute(
                "SELECT coalesce(fhir_id, id::text) FROM resource WHERE type = %s ORDER BY id",
                (number,),
            )
            found = [await tx.get(type_, id_) for (id_,) in ids]
        return [one for one in found if one is not None]

    def reading(
        self, code: str, value: int, *, patient: str = "ann", unit: str = "mm[Hg]"
    ) -> Reading:
        return Reading(
            patient=patient,
            device="m1",
            code=code,
            value=Decimal(value),
            unit=unit,
            effective=self.now,
            received=self.now,
            age=0.5,
            observation="o-1",
            mode="TX",
            bound=True,
            simulated=False,
        )

    def event(self, code: str, phase: Any = "start", patient: str | None = "ann") -> DeviceEvent:
        return DeviceEvent(
            patient=patient,
            device="m1",
            alarm_id="a-1",
            event=code,
            source=None,
            phase=phase,
            state="inactive" if phase == "end" else "active",
            activity="enabled",
            priority="PH",
            value=None,
            unit=None,
            effective=self.now,
            received=self.now,
            age=0.1,
            simulated=False,
        )

    def sign(
        self, *, online: bool = True, mode: Mode | None = "TX", patient: str | None = "ann"
    ) -> Contact:
        return Contact(
            tenant=1,
            device="m1",
            patient=patient,
            mode=mode,
            online=online,
            received=self.now,
            simulated=False,
        )


def order(low: int, *, status: str = "active", unit: str = "mm[Hg]") -> Json:
    """A clinician's own systolic limit for Ann."""
    return {
        "resourceType": "ServiceRequest",
        "id": "limits",
        "status": status,
        "intent": "order",
        "subject": {"reference": "Patient/ann"},
        "requester": {"reference": "Practitioner/dr"},
        "extension": [
            {
                "url": MONITORING_RULE,
                "extension": [
                    {"url": "id", "valueId": "own-systolic"},
                    {
                        "url": "parameter",
                        "valueCodeableConcept": {
                            "coding": [{"system": "http://loinc.org", "code": "8480-6"}]
                        },
                    },
                    {"url": "limit", "valueRange": {"low": {"value": low, "code": unit}}},
                    {"url": "priority", "valueCode": "PH"},
                ],
            }
        ],
    }


SYSTOLIC = "150021"
DEVICE_USE: Json = {
    "resourceType": "DeviceUseStatement",
    "id": "use",
    "status": "active",
    "subject": {"reference": "Patient/ann"},
    "device": {"reference": "Device/m1"},
    "timingPeriod": {"start": "2026-08-01"},
}


@pytest.fixture
async def home(database: Database) -> AsyncIterator[Home]:
    listener = Listener()
    evaluation = Evaluation(listener)
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        place = Home.__new__(Home)
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            definitions.load(),
            evaluation,
            lambda: place.now,
        )
        Home.__init__(place, record, evaluation, listener)
        await record.ensure_tenant("home")
        await record.ensure_partitions()
        async with record.transaction(1) as tx:
            await defaults.ensure(tx)
        await place.put(
            {"resourceType": "Patient", "id": "ann"}, {"resourceType": "Device", "id": "m1"}
        )
        yield place
