"""Connections that end: a device that was revoked is put out of a broker that runs."""

from datetime import UTC, datetime, timedelta

import nats

from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.device_connections import DeviceConnections
from tests.integration.conftest import Devices, MqttDevice, OpenDoor, until


async def test_a_connection_that_is_good_no_more_is_ended_and_the_others_stay(
    broker: Broker, open_door: OpenDoor, devices: Devices
) -> None:
    await open_door(broker)
    revoked, other = MqttDevice(broker, "D1", "D1-secret"), MqttDevice(broker, "D2", "D2-secret")
    lost: list[str] = []
    for name, device in (("D1", revoked), ("D2", other)):
        device.client.on_disconnect = lambda *_args, name=name: lost.append(name)
        assert await device.connect()
    # Revoked: the door does not open a second time.
    del devices["D1"]
    client = await nats.connect(broker.authenticator_url)
    connections = DeviceConnections(client)

    ended = await connections.end({"D1": datetime.now(UTC) + timedelta(seconds=1)})

    assert ended == 1
    await until(lambda: lost[:1] == ["D1"])
    await until(lambda: bool(revoked.refusal))
    assert other.client.is_connected()
    await client.close()
    for device in (revoked, other):
        device.close()


async def test_a_connection_that_began_after_the_change_stays(
    broker: Broker, open_door: OpenDoor
) -> None:
    await open_door(broker)
    before = datetime.now(UTC) - timedelta(seconds=5)
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    client = await nats.connect(broker.authenticator_url)
    assert await DeviceConnections(client).end({"D1": before}) == 0
    assert device.client.is_connected()
    await client.close()
    device.close()


async def test_devices_and_our_other_processes_may_not_give_that_order(
    broker: Broker, open_door: OpenDoor
) -> None:
    await open_door(broker)
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    server = await nats.connect(broker.url)
    assert await DeviceConnections(server).end({"D1": datetime.max.replace(tzinfo=UTC)}) == 0
    assert device.client.is_connected()
    await server.close()
    device.close()
