"""Fixtures of integration tests that need the broker, and a device as a real MQTT client."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.device_authenticator import DeviceAuthenticator, DeviceGrant
from fhirserver.supervisor.nats_jwt import AccountKey
from tests.conftest import make_data_directory
from tests.patience import PATIENCE_SECONDS

Devices = dict[str, tuple[str, DeviceGrant]]


class MqttDevice:
    """A device over MQTT 3.1.1 (paho): remembers what the broker told it."""

    def __init__(
        self, broker: Broker, username: str | None, password: str = "", **will: Any
    ) -> None:
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=username or "", protocol=mqtt.MQTTv311
        )
        if username is not None:
            self.client.username_pw_set(username, password)
        if will:
            self.client.will_set(**will)
        self.answered = threading.Event()
        self.refusal = ""
        self.acknowledged: set[int] = set()
        self.subscribed: dict[int, bool] = {}
        self.received: list[tuple[str, bytes]] = []
        self.client.on_connect = self._connected
        self.client.on_publish = lambda _c, _u, mid, _r, _p: self.acknowledged.add(mid)
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self.subscribed.update(
            {mid: not any(code.is_failure for code in codes)}
        )
        self.client.on_message = lambda _c, _u, m: self.received.append((m.topic, bytes(m.payload)))
        self._broker = broker

    def _connected(
        self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        self.refusal = str(code) if code.is_failure else ""
        self.answered.set()

    async def connect(self) -> bool:
        """Connect and return whether the broker let us in."""
        self.client.connect(self._broker.mqtt_host, self._broker.mqtt_port, keepalive=10)
        self.client.loop_start()
        await until(self.answered.is_set)
        if self.refusal:
            self.close()
        return not self.refusal

    async def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the PUBACK."""
        mid = self.client.publish(topic, payload, qos=1, retain=retain).mid
        await until(lambda: mid in self.acknowledged)

    async def subscribe(self, topic: str, qos: int = 1) -> bool:
        """Subscribe and return whether the broker granted it."""
        mid = self.client.subscribe(topic, qos)[1]
        assert mid is not None
        await until(lambda: mid in self.subscribed)
        return self.subscribed[mid]

    def close(self) -> None:
        """Say goodbye and end the network thread."""
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        """Lose the connection without a goodbye, as in a power cut."""
        socket = self.client.socket()
        assert socket is not None
        self.client.loop_stop()
        socket.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail the test after a minute, which a busy machine may need."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - set by a thread or by the broker
            await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """One embedded broker for the session, on free loopback ports."""
    data = make_data_directory()
    server = Broker(data)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(data)


@pytest.fixture
def fresh_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test alone, which it may kill."""
    server = Broker(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def devices() -> Devices:
    """The credentials the authenticator knows: username -> (password, grant)."""
    return {name: (f"{name}-secret", DeviceGrant("home", name)) for name in ("D1", "D2")}


OpenDoor = Callable[[Broker], Awaitable[None]]


@pytest.fixture
async def open_door(devices: Devices) -> AsyncIterator[OpenDoor]:
    """A function that starts answering a broker's questions from `devices`."""
    opened: list[tuple[Any, DeviceAuthenticator]] = []

    async def check(username: str, password: str) -> DeviceGrant | None:
        expected, grant = devices.get(username, ("", None))
        return grant if password == expected else None

    async def open_it(broker: Broker) -> None:
        connection = await nats.connect(broker.authenticator_url, error_cb=_quiet)
        door = DeviceAuthenticator(connection, AccountKey.from_seed(broker.issuer_seed), check)
        await door.start()
        opened.append((connection, door))

    yield open_it
    for connection, door in opened:
        if connection.is_connected:
            await door.stop()
        await connection.close()


async def _quiet(_error: Exception) -> None:
    """A killed broker is what some tests are about; nats-py would print it."""
