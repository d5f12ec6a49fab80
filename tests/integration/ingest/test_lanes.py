"""Alarms, births and measurements come in beside one another: none of them waits for the others."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import nats

from adapters.batch import Incoming, Outcome
from adapters.ingest import Ingest
from adapters.mqtt.worker import IngestWorker
from fhirserver.kernel.telemetry import TelemetryStore
from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.broker_stream import DEVICE_PREFIX, DEVICE_STREAM, ensure_device_stream
from tests.patience import PATIENCE_SECONDS


class Store:
    """Gives the lease to whoever asks and knows one tenant."""

    async def hold_ingest(self, partition: int, holder: str) -> bool:
        return True

    async def release_ingest(self, partition: int, holder: str) -> None:
        """Nobody else waits for it."""

    async def tenant_number(self, name: str) -> int:
        return 1


class Door:
    """An ingest that takes no births of machines without an alarm until it may."""

    def __init__(self) -> None:
        self.committed: list[str] = []
        self.may_go_on = asyncio.Event()
        self.news = asyncio.Event()

    async def commit(self, tenant: int, batch: Sequence[Incoming]) -> Outcome:
        kinds = {one.topic.kind for one in batch}
        if kinds == {"birth"}:
            await self.may_go_on.wait()
        self.committed += [f"{one.topic.address} {one.topic.kind}" for one in batch]
        self.news.set()
        return Outcome((), len(batch), 0, {})

    async def until(self, told: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while told not in self.committed:
                self.news.clear()
                await self.news.wait()


async def test_a_hundred_births_do_not_stand_in_front_of_an_alarm(fresh_broker: Broker) -> None:
    client = await nats.connect(fresh_broker.url)
    streams = client.jetstream()
    await ensure_device_stream(streams)
    door = Door()
    worker = IngestWorker(
        client, cast("TelemetryStore", Store()), cast("Ingest", door), DEVICE_STREAM
    )
    await worker.prepare()
    for number in range(100):
        await streams.publish(f"{DEVICE_PREFIX}hd.v1.home.D{number}.birth", b"{}")
    await streams.publish(f"{DEVICE_PREFIX}hd.v1.home.D99.evt", json.dumps({"boot": "b1"}).encode())
    await streams.publish(f"{DEVICE_PREFIX}hd.v1.home.D7.tel", b"{}")
    working = asyncio.ensure_future(worker.run())
    await door.until("D99 evt")
    await door.until("D7 tel")
    assert sorted(door.committed) == ["D7 tel", "D99 birth", "D99 evt"]
    assert door.committed.index("D99 birth") < door.committed.index("D99 evt")
    door.may_go_on.set()
    for number in range(100):
        await door.until(f"D{number} birth")
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    await client.close()
