"""The embedded broker: who gets in, what a device may say and hear, and what survives kill -9."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from fhirserver.supervisor.broker import PROCESS_NAME, Broker, greets
from fhirserver.supervisor.broker_config import LARGEST_MESSAGE
from fhirserver.supervisor.broker_stream import DEVICE_STREAM, device_subject, ensure_device_stream
from fhirserver.supervisor.device_authenticator import SIMULATOR_CONTROL, DeviceGrant
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.process import wait_until_gone, working_in
from tests.integration.conftest import Devices, MqttDevice, OpenDoor, until


@pytest.fixture
async def server(broker: Broker) -> AsyncIterator[Client]:
    connection = await nats.connect(broker.url)
    yield connection
    await connection.close()


async def consumer(streams: JetStreamContext, name: str, *leaves: str) -> None:
    """Make the durable consumer `name` of every device's `leaves`."""
    await ensure_device_stream(streams)
    await streams.add_consumer(
        DEVICE_STREAM,
        ConsumerConfig(
            durable_name=name,
            filter_subjects=[device_subject(leaf) for leaf in leaves],
            ack_policy=AckPolicy.EXPLICIT,
        ),
    )


async def fetched(streams: JetStreamContext, name: str, count: int) -> list[bytes]:
    """Return `count` messages of the consumer `name`, each acknowledged and confirmed."""
    subscription = await streams.pull_subscribe_bind(name, DEVICE_STREAM)
    payloads: list[bytes] = []
    while len(payloads) < count:
        for message in await subscription.fetch(count - len(payloads), timeout=10):
            await message.ack_sync()
            payloads.append(message.data)
    return payloads


async def test_device_publishes_and_hears_its_acknowledgement(
    broker: Broker, server: Client, open_door: OpenDoor
) -> None:
    await open_door(broker)
    streams = server.jetstream()
    await consumer(streams, "talk", "tel")
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    assert await device.subscribe("hd/v1/home/D1/ack")
    await device.publish("hd/v1/home/D1/tel", "reading")
    assert await fetched(streams, "talk", 1) == [b"reading"]
    await server.publish("hd.v1.home.D1.ack", b'{"through":1}')
    await until(lambda: device.received == [("hd/v1/home/D1/ack", b'{"through":1}')])
    device.close()


@pytest.mark.parametrize(
    ("username", "password"),
    [("D1", "guess"), ("D1", ""), ("D3", "D3-secret"), (None, ""), ("server", "guess")],
    ids=["wrong password", "empty password", "unknown", "anonymous", "our own name"],
)
async def test_whoever_is_not_a_known_device_is_refused(
    broker: Broker, open_door: OpenDoor, username: str | None, password: str
) -> None:
    await open_door(broker)
    device = MqttDevice(broker, username, password)
    assert not await device.connect()
    assert device.refusal == "Not authorized"


async def test_nobody_is_let_in_while_nobody_answers(broker: Broker) -> None:
    device = MqttDevice(broker, "D1", "D1-secret")
    assert not await device.connect()


async def test_failing_check_refuses(broker: Broker, open_door: OpenDoor, devices: Devices) -> None:
    devices["broken"] = ()  # type: ignore[assignment] # makes the check itself fail
    await open_door(broker)
    device = MqttDevice(broker, "broken", "secret")
    assert not await device.connect()


async def test_device_credentials_do_not_open_the_port_of_our_own_processes(
    broker: Broker, open_door: OpenDoor
) -> None:
    await open_door(broker)
    password = str(urlsplit(broker.url).password)
    assert greets("127.0.0.1", broker.client_port, "server", password)
    # In a thread, so that our own authenticator can answer the broker meanwhile.
    let_in = await asyncio.to_thread(greets, "127.0.0.1", broker.client_port, "D1", "D1-secret")
    assert not let_in


@pytest.mark.parametrize("topic", ["hd/v1/home/D2/ack", "hd/v1/home/D2/tel", "hd/v1/#", "#"])
@pytest.mark.parametrize("qos", [0, 1])
async def test_device_cannot_listen_to_another(
    broker: Broker, open_door: OpenDoor, topic: str, qos: int
) -> None:
    await open_door(broker)
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    assert not await device.subscribe(topic, qos)
    device.close()


async def test_device_cannot_speak_for_another(
    broker: Broker, server: Client, open_door: OpenDoor
) -> None:
    await open_door(broker)
    streams = server.jetstream()
    await consumer(streams, "forged", "tel")
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    # The broker acknowledges what it then drops; MQTT 3.1.1 has no way to refuse a publish.
    await device.publish("hd/v1/home/D2/tel", "forged")
    await device.publish("hd/v1/home/D1/tel", "own")
    assert await fetched(streams, "forged", 1) == [b"own"]
    assert (await streams.consumer_info(DEVICE_STREAM, "forged")).num_pending == 0
    device.close()


@pytest.mark.parametrize("simulated", [True, False])
async def test_only_simulated_devices_hear_the_simulators_control(
    broker: Broker, open_door: OpenDoor, devices: Devices, *, simulated: bool
) -> None:
    devices["D1"] = ("D1-secret", DeviceGrant("home", "D1", simulated=simulated))
    await open_door(broker)
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    assert await device.subscribe(SIMULATOR_CONTROL.replace(".", "/"), 0) is simulated
    device.close()


async def test_last_will_and_retained_birth_reach_the_stream(
    broker: Broker, server: Client, open_door: OpenDoor
) -> None:
    await open_door(broker)
    streams = server.jetstream()
    await consumer(streams, "presence", "status", "birth")
    device = MqttDevice(
        broker,
        "D1",
        "D1-secret",
        topic="hd/v1/home/D1/status",
        payload="offline",
        qos=1,
        retain=True,
    )
    assert await device.connect()
    await device.publish("hd/v1/home/D1/birth", "born", retain=True)
    await device.publish("hd/v1/home/D1/status", "online", retain=True)
    device.vanish()
    assert await fetched(streams, "presence", 3) == [b"born", b"online", b"offline"]


async def test_acknowledged_messages_survive_kill_9_while_nobody_fetches(
    fresh_broker: Broker, open_door: OpenDoor
) -> None:
    await open_door(fresh_broker)
    connection = await nats.connect(fresh_broker.url)
    await consumer(connection.jetstream(), "ingest", "tel")
    await connection.close()
    device = MqttDevice(fresh_broker, "D1", "D1-secret")
    assert await device.connect()
    for number in range(500):
        device.client.publish("hd/v1/home/D1/tel", str(number), qos=1)
    await until(lambda: len(device.acknowledged) >= 200)
    os.kill(fresh_broker.pid, signal.SIGKILL)
    acknowledged = len(device.acknowledged)
    device.vanish()
    fresh_broker.stop()
    fresh_broker.start()
    connection = await nats.connect(fresh_broker.url)
    streams = connection.jetstream()
    pending = (await streams.consumer_info(DEVICE_STREAM, "ingest")).num_pending
    assert pending is not None
    assert pending >= acknowledged
    kept = await fetched(streams, "ingest", pending)
    assert kept == [str(number).encode() for number in range(pending)]
    await connection.close()


async def test_full_stream_is_not_acknowledged(fresh_broker: Broker, open_door: OpenDoor) -> None:
    await open_door(fresh_broker)
    connection = await nats.connect(fresh_broker.url)
    streams = connection.jetstream()
    await consumer(streams, "ingest", "tel")
    await ensure_device_stream(streams, largest_backlog=50_000)
    device = MqttDevice(fresh_broker, "D1", "D1-secret")
    assert await device.connect()
    device.client.reconnect_delay_set(60, 60)
    for _ in range(100):
        device.client.publish("hd/v1/home/D1/tel", "x" * 1000, qos=1)
    await until(lambda: not device.client.is_connected())
    stored = (await streams.stream_info(DEVICE_STREAM)).state.messages
    assert 0 < len(device.acknowledged) <= stored < 100
    device.close()
    await connection.close()


async def test_too_large_message_ends_the_connection(broker: Broker, open_door: OpenDoor) -> None:
    await open_door(broker)
    device = MqttDevice(broker, "D1", "D1-secret")
    assert await device.connect()
    device.client.reconnect_delay_set(60, 60)
    device.client.publish("hd/v1/home/D1/tel", "x" * (LARGEST_MESSAGE + 1), qos=1)
    await until(lambda: not device.client.is_connected())
    device.close()


def test_orphan_of_a_killed_supervisor_is_replaced(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from fhirserver.supervisor.broker import Broker\n"
        "broker = Broker(Path(sys.argv[1]))\n"
        "broker.start()\n"
        "print(broker.client_port, broker.mqtt_port, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    client_port, mqtt_port = (int(port) for port in finished.stdout.split())
    [orphan] = working_in(tmp_path / "broker", PROCESS_NAME)
    again = Broker(tmp_path, client_port=client_port, mqtt_port=mqtt_port)
    again.start()
    assert working_in(tmp_path / "broker", PROCESS_NAME) == [again.pid]
    assert wait_until_gone(orphan, 10)
    again.stop()
    assert working_in(tmp_path / "broker", PROCESS_NAME) == []


def test_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SupervisorError, match="set MQTT_PORT to another port"):
            Broker(tmp_path, mqtt_port=other.getsockname()[1]).start()


def test_store_on_disk_is_encrypted(fresh_broker: Broker) -> None:
    assert "Encryption:      AES-GCM" in fresh_broker.log_file.read_text()
