"""Devices over TLS: the embedded broker with a certificate of its own."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from adapters.mqtt import publishing
from adapters.mqtt.publishing import MqttDoor, publish
from fhirserver.kernel.errors import Unavailable
from fhirserver.store.device_access import DeviceCredential
from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.broker_stream import DEVICE_STREAM, ensure_device_stream
from tests.integration.conftest import MqttDevice, OpenDoor
from tests.integration.edges.certificates import Certificate, certificate, only
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    return certificate(tmp_path)


@pytest.fixture
def secured(tmp_path: Path, files: Certificate) -> Iterator[Broker]:
    broker = Broker(tmp_path, mqtt_certificate=files.chain, mqtt_key=files.key)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


async def test_a_device_speaks_over_tls(
    secured: Broker, files: Certificate, open_door: OpenDoor
) -> None:
    await open_door(secured)
    server = await nats.connect(secured.url)
    await ensure_device_stream(server.jetstream())
    device = MqttDevice(secured, "D1", "D1-secret")
    device.client.tls_set_context(files.client)
    assert await device.connect()
    await device.publish("hd/v1/home/D1/tel", "reading")
    device.close()
    await server.close()


def test_plain_mqtt_and_old_tls_get_no_answer(secured: Broker, files: Certificate) -> None:
    with socket.create_connection(
        ("127.0.0.1", secured.mqtt_port), timeout=PATIENCE_SECONDS
    ) as plain:
        # CONNECT of MQTT 3.1.1, client id "x", clean session.
        plain.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01x")
        try:
            answer = plain.recv(16)
        except ConnectionError:
            answer = b""
        # Never a CONNACK (0x20): a TLS alert, or nothing.
        assert answer[:1] != b"\x20"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = only(ssl.TLSVersion.TLSv1_1, files.client)
    with (
        socket.create_connection(
            ("127.0.0.1", secured.mqtt_port), timeout=PATIENCE_SECONDS
        ) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(connection, server_hostname="127.0.0.1")


async def test_the_servers_own_device_comes_in_by_the_same_door(
    secured: Broker, files: Certificate, open_door: OpenDoor
) -> None:
    await open_door(secured)
    server = await nats.connect(secured.url)
    stream = server.jetstream()
    await ensure_device_stream(stream)
    door = MqttDoor("127.0.0.1", secured.mqtt_port, files.chain)
    own = DeviceCredential("D1", "D1-secret", "home", "D1")
    await publish(door, own, "hd/v1/home/D1/tel", b"reading")
    assert (await stream.stream_info(DEVICE_STREAM)).state.last_seq == 1
    await server.close()


async def test_the_servers_own_device_is_refused_like_any_other(
    secured: Broker, files: Certificate, open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_CONNECT_SECONDS", 1.0)
    await open_door(secured)
    stranger = DeviceCredential("D1", "wrong", "home", "D1")
    for door in (
        MqttDoor("127.0.0.1", secured.mqtt_port, files.chain),
        MqttDoor("127.0.0.1", secured.mqtt_port),
        MqttDoor("127.0.0.1", 9),
    ):
        with pytest.raises(Unavailable):
            await publish(door, stranger, "hd/v1/home/D1/tel", b"reading")
