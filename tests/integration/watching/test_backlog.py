"""How late evaluation is, as the broker itself knows it."""

import asyncio
from datetime import UTC, datetime, timedelta

import nats
import pytest
from nats.aio.client import Client

from adapters.mqtt import backlog
from adapters.mqtt.connection import connect
from adapters.mqtt.consumer import StreamConsumer
from adapters.mqtt.worker import MEASURED, URGENT
from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.broker_stream import (
    DEVICE_PREFIX,
    DEVICE_STREAM,
    device_subject,
    ensure_device_stream,
)
from tests.patience import PATIENCE_SECONDS


async def test_the_oldest_message_nobody_committed_says_how_late_it_is(
    fresh_broker: Broker,
) -> None:
    client = await nats.connect(fresh_broker.url)
    with pytest.raises(backlog.CannotTell):
        await backlog.lag(client, datetime.now(UTC))
    await ensure_device_stream(client.jetstream())
    readers = []
    for lane in (URGENT, MEASURED):
        subjects = [device_subject(leaf) for leaf in lane.leaves]
        reader = StreamConsumer(client, DEVICE_STREAM, lane.consumer, subjects, 30.0)
        await reader.create(client.jetstream(), 100)
        await reader.start()
        readers.append(reader)
    assert await backlog.lag(client, datetime.now(UTC)) == timedelta(0)
    begun = datetime.now(UTC)
    for leaf in ("evt", "tel", "tel"):
        await client.jetstream().publish(f"{DEVICE_PREFIX}hd.v1.home.D1.{leaf}", b"{}")
        await asyncio.sleep(0.05)
    later = datetime.now(UTC) + timedelta(seconds=10)
    both = await backlog.lag(client, later)
    assert timedelta(seconds=10.1) < both <= later - begun
    (alarm,) = await readers[0].fetch(1, 5)
    await readers[0].acknowledge(alarm)
    first = await backlog.lag(client, later)
    assert first < both
    told = await readers[1].fetch(2, 5)
    # Fetched is not committed.
    assert await backlog.lag(client, later) == first
    await readers[1].acknowledge(told[-1])
    assert await backlog.lag(client, later) == timedelta(0)
    await client.close()


async def test_a_broker_that_is_away_is_waited_for_and_its_lag_is_unknown(
    fresh_broker: Broker,
) -> None:
    client = Client()
    fresh_broker.stop()
    waiting = asyncio.ensure_future(connect(client, fresh_broker.url))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    fresh_broker.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting
    assert client.is_connected
    await client.close()
