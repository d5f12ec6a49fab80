"""Every device of a tenant can hear the heartbeat, and none can send it."""

import json
from datetime import UTC, datetime, timedelta

import nats

from fhirserver.supervisor.broker import Broker
from subscriptions.watching.heartbeat import beat_message, subject
from tests.integration.conftest import MqttDevice, OpenDoor, until


async def test_a_device_hears_the_servers_heartbeat_and_cannot_forge_it(
    broker: Broker, open_door: OpenDoor
) -> None:
    await open_door(broker)
    server = await nats.connect(broker.url)
    first, second = MqttDevice(broker, "D1", "D1-secret"), MqttDevice(broker, "D2", "D2-secret")
    try:
        assert await first.connect()
        assert await second.connect()
        assert await first.subscribe("hd/v1/home/cmd", qos=0)
        message = beat_message(datetime.now(UTC), timedelta(milliseconds=7))
        await server.publish(subject("home"), message)
        await until(lambda: len(first.received) == 1)
        topic, payload = first.received[0]
        assert topic == "hd/v1/home/cmd"
        assert json.loads(payload)["lag_ms"] == 7
        second.client.publish("hd/v1/home/cmd", "forged", qos=0)
        await server.publish(subject("home"), message)
        await until(lambda: len(first.received) == 2)
        assert first.received[1][1] == payload
    finally:
        first.close()
        second.close()
        await server.close()
