"""Devices over TLS: the embedded broker with a certificate of its own."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.broker_stream import ensure_device_stream
from tests.integration.conftest import MqttDevice, OpenDoor
from tests.integration.edges.certificates import Certificate, certificate, only


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
    with socket.create_connection(("127.0.0.1", secured.mqtt_port), timeout=10) as plain:
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
        socket.create_connection(("127.0.0.1", secured.mqtt_port), timeout=10) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(connection, server_hostname="127.0.0.1")
