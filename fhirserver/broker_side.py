"""What the server itself says to the broker, put together: ingest, and the synthetic patient's device.

Like `fhirserver.bootstrap` it knows all parts.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import nats
import structlog

from adapters.ingest import Ingest
from adapters.mqtt.publishing import MqttDoor
from adapters.mqtt.publishing import publish as mqtt_publish
from adapters.mqtt.worker import IngestWorker
from fhirserver.auditing.refusals import Refusals
from fhirserver.kernel.audit import Auditing
from fhirserver.kernel.ports import ChangeObserver, Transaction
from fhirserver.revocation import Revocation
from fhirserver.settings import Settings
from fhirserver.store import leftovers
from fhirserver.store.record import Record
from fhirserver.supervisor.broker_stream import DEVICE_STREAM, ensure_device_stream
from fhirserver.supervisor.device_authenticator import DeviceAuthenticator, DeviceGrant
from fhirserver.supervisor.device_connections import DeviceConnections
from fhirserver.supervisor.nats_jwt import AccountKey
from subscriptions.composition import Subscriptions
from subscriptions.core import synthetic
from subscriptions.watching.synthetic_patient import SyntheticPatient

SYNTHETIC_TENANT: Final = synthetic.TENANT
# As HTTP calls it.
_UNAUTHENTICATED: Final = 401

log = structlog.get_logger(__name__)


async def run_ingest(
    settings: Settings, record: Record, observer: ChangeObserver, auditing: Auditing
) -> None:
    """Let devices in and take what they say, until cancelled; `auditing` is told of those who may not come in."""
    refusals = Refusals(auditing, _now)
    client = await nats.connect(
        settings.nats_url,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        error_cb=_broker_error,
    )
    door = await nats.connect(
        settings.nats_authenticator_url,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        error_cb=_broker_error,
    )

    async def check(username: str, password: str) -> DeviceGrant | None:
        device = await record.check_device(username, password)
        return None if device is None else DeviceGrant(*device, simulated=settings.demo)

    async def refused(username: str, host: str) -> None:
        await refusals.tell(host, _UNAUTHENTICATED, f"MQTT CONNECT {username[:64]}".encode())

    authenticator = DeviceAuthenticator(
        door, AccountKey.from_seed(settings.nats_callout_seed), check, refused
    )
    try:
        await ensure_device_stream(client.jetstream())
        ingest = IngestWorker(
            client,
            record,
            Ingest(record, observer),
            DEVICE_STREAM,
        )
        await ingest.prepare()
        await authenticator.start()
        revocation = Revocation(
            record.tenants, record.changed_devices, DeviceConnections(door).end, _now
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(revocation.run())
            await ingest.run()
    finally:
        await authenticator.stop()
        await door.close()
        await client.close()


async def ensure_synthetic(record: Record, subscriptions: Subscriptions) -> None:
    """Give the synthetic patient a tenant of their own and a device that may speak there."""
    tenant = await record.ensure_tenant(synthetic.TENANT)
    async with record.transaction(tenant) as tx:
        await subscriptions.ensure_synthetic(tx)
    await record.enroll_device(tenant, synthetic.DEVICE)


async def run_synthetic(
    settings: Settings,
    record: Record,
    make: Callable[..., SyntheticPatient],
    stop: asyncio.Event,
) -> None:
    """Run the synthetic patient, whose device comes in by the door of real ones, with a new password each time."""
    tenant = await record.ensure_tenant(SYNTHETIC_TENANT)
    door = MqttDoor(settings.mqtt_host, settings.mqtt_port, settings.mqtt_tls_certificate)

    async def publish(topic: str, message: bytes) -> None:
        credential = await record.enroll_device(tenant, synthetic.DEVICE)
        await mqtt_publish(door, credential, topic, message)

    async def forget(tx: Transaction, before: datetime) -> None:
        await leftovers.forget(tx, synthetic.LEFT_BEHIND, before)

    every = timedelta(seconds=settings.synthetic_seconds)
    await make(record.tend, publish, forget, every).run(stop)


async def _broker_error(error: Exception) -> None:
    log.warning("broker connection", cause=repr(error))


def _now() -> datetime:
    return datetime.now(UTC)
