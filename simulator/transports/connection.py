"""One MQTT 3.1.1 connection of simulated devices on the event loop; who speaks over it is left open.

http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulator.devices.messages import Message

RETAINED: Final = frozenset({"birth", "status"})
FIRST_RETRY_S: Final = 0.5
LONGEST_RETRY_S: Final = 10.0

log = structlog.get_logger("simulator.mqtt")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker listens; `keepalive_s` is the MQTT keep-alive."""

    host: str
    port: int
    keepalive_s: int = 20


@dataclass(frozen=True, slots=True)
class Credential:
    """What enrolment gave a device: the broker's user, and the tenant and name in its topics."""

    username: str
    password: str
    tenant: str
    device: str

    def topic(self, channel: str) -> str:
        """Return the device's topic for `channel`."""
        return f"hd/v1/{self.tenant}/{self.device}/{channel}"


class Connection(ABC):
    """Stays connected while it is wanted; subclasses say what is spoken and heard."""

    def __init__(
        self, broker: Broker, credential: Credential, *, jitter: Random | None = None
    ) -> None:
        self.credential = credential
        self._broker = broker
        self._jitter = jitter or Random()
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._wanted = False
        self._retry_s = FIRST_RETRY_S
        self._reconnecting: asyncio.Task[None] | None = None
        self._unheard: set[int] = set()
        self._closing = False
        self.connected = asyncio.Event()
        self.published = 0
        self.refused_subscriptions = 0

    @abstractmethod
    def _will(self) -> Message | None:
        """Return what the broker says when the connection breaks."""

    @abstractmethod
    def _needed_topics(self) -> Sequence[str]:
        """Return the topics without which the connection is of no use."""

    def _other_topics(self) -> Sequence[str]:
        """Return topics it would like to hear as well."""
        return ()

    @abstractmethod
    def _came_up(self) -> None:
        """Say what is said first on a new connection."""

    @abstractmethod
    def _say_goodbye(self) -> None:
        """Say what is said before disconnecting."""

    @abstractmethod
    def _heard(self, topic: str, payload: bytes) -> None:
        """Take what came in."""

    @property
    def now_s(self) -> float:
        """The event loop's time."""
        return self._loop.time()

    def beat(self) -> None:
        """To be called every second: keep-alive."""
        if self._client is not None:
            self._client.loop_misc()

    def open(self) -> None:
        """Connect, and stay connected until `close` or `cut`."""
        self._wanted = True
        self._connect_later(0.0)

    def cut(self) -> None:
        """Lose the connection without a goodbye: the broker publishes the last will."""
        self._wanted = False
        self._stop_reconnecting()
        if self._client is not None and isinstance(sock := self._client.socket(), socket.socket):
            sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Say goodbye, and disconnect once the broker has everything."""
        self._wanted = False
        self._stop_reconnecting()
        if self._client is None:
            return
        if self.connected.is_set():
            self._say_goodbye()
        self._closing = True
        self._disconnect_when_heard()

    def _disconnect_when_heard(self) -> None:
        # A socket closed while answers are unread is reset, and what the broker had not read is
        # lost.
        if self._closing and not self._unheard and self._client is not None:
            self._closing = False
            self._client.disconnect()

    def publish(self, topic: str, message: Message) -> None:
        """Publish `message` with QoS 1 on the open connection."""
        assert self._client is not None
        answer = self._client.publish(
            topic, message.payload, qos=1, retain=message.channel in RETAINED
        )
        if answer.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.published += 1
            self._unheard.add(answer.mid)

    def _stop_reconnecting(self) -> None:
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            self._reconnecting = None

    def _connect_later(self, delay_s: float) -> None:
        self._stop_reconnecting()
        self._reconnecting = self._loop.create_task(self._connect(delay_s))

    async def _connect(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        # A new client for every connection: paho would repeat its own unanswered messages beside
        # ours.
        client = self._new_client()
        self._client = client
        try:
            await asyncio.to_thread(
                client.connect,
                self._broker.host,
                self._broker.port,
                self._broker.keepalive_s,
            )
        except OSError as error:
            log.info("broker not reachable", device=self.credential.device, error=str(error))
            self._reconnecting = None
            self._retry()

    def _retry(self) -> None:
        if not self._wanted:
            return
        delay = self._retry_s * (0.5 + self._jitter.random())
        self._retry_s = min(LONGEST_RETRY_S, self._retry_s * 2.0)
        self._connect_later(delay)

    def _new_client(self) -> Client:
        credential = self.credential
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=credential.device,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.username_pw_set(credential.username, credential.password)
        client.max_inflight_messages_set(0)
        if (will := self._will()) is not None:
            client.will_set(credential.topic(will.channel), will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        return client

    def _on_loop(self, act: Callable[[], object]) -> None:
        """Run `act` now when on the event loop's thread, else hand it over: connecting is done
        aside.
        """
        try:
            on_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            on_loop = False
        if on_loop:
            act()
        else:
            self._loop.call_soon_threadsafe(act)

    def _on_socket_open(self, client: Client, userdata: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._on_loop(lambda: self._loop.add_reader(sock, self._read, client))

    def _on_socket_close(self, client: Client, userdata: Any, sock: Any) -> None:
        self._on_loop(lambda: self._loop.remove_reader(sock) if sock.fileno() >= 0 else None)

    def _on_register_write(self, client: Client, userdata: Any, sock: Any) -> None:
        self._on_loop(lambda: self._loop.add_writer(sock, client.loop_write))

    def _on_unregister_write(self, client: Client, userdata: Any, sock: Any) -> None:
        self._on_loop(lambda: self._loop.remove_writer(sock) if sock.fileno() >= 0 else None)

    def _read(self, client: Client) -> None:
        client.loop_read()

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            log.warning("broker refused", device=self.credential.device, reason=str(reason))
            return
        self._reconnecting = None
        # QoS 0: an acknowledgement covers everything before it, so a lost one costs nothing, while
        # each QoS 1 subscription costs the broker a consumer, and brokers have only so many.
        topics = (*self._needed_topics(), *self._other_topics())
        client.subscribe([(topic, 0) for topic in topics])

    def _on_subscribe(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        refused = [reason.is_failure for reason in reasons]
        needed = len(self._needed_topics())
        if any(refused[:needed]):
            # A device that cannot hear acknowledgements would send the same messages for ever.
            self.refused_subscriptions += 1
            log.warning("broker refused a subscription", device=self.credential.device)
            client.disconnect()
            return
        if any(refused):
            log.warning("broker refused another topic", device=self.credential.device)
        self._retry_s = FIRST_RETRY_S
        self.connected.set()
        self._came_up()

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        self.connected.clear()
        self._unheard.clear()
        self._client = None
        self._loop.call_soon(self._retry)

    def _on_publish(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reason: ReasonCode,
        properties: Properties,
    ) -> None:
        if client is self._client:
            self._unheard.discard(mid)
            if self._closing:
                self._loop.call_soon(self._disconnect_when_heard)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self._heard(message.topic, bytes(message.payload))
