"""MQTT 3.1.1 for simulated devices: one credential and one connection each, many to an event loop.

Every device publishes on `hd/v1/{tenant}/{device}/birth|status|tel|evt`, has a last will on
`status`, and listens to its own `ack` and `cmd`. Numbered messages go through the
store-and-forward buffer and leave it only when the server acknowledged them.
http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulator.devices.messages import Message, Speaker
from simulator.transports.buffer import (
    AcknowledgementError,
    StoreAndForward,
    read_acknowledgement,
)

CONTROL_TOPIC = "hd/v1/sim/ctl"
OWN_TOPICS = ("ack", "cmd")
RETAINED = frozenset({"birth", "status"})
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0

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


class Link:
    """One device's connection; all methods are called on the event loop."""

    def __init__(
        self,
        broker: Broker,
        credential: Credential,
        speaker: Speaker,
        buffer: StoreAndForward,
        *,
        last_will: bool = True,
        jitter: Random | None = None,
        on_control: Callable[[bytes], None] | None = None,
        on_command: Callable[[bytes], None] | None = None,
    ) -> None:
        """`on_control` also subscribes the demonstration's control topic and receives its
        payloads.
        """
        self._broker = broker
        self._credential = credential
        self._speaker = speaker
        self._last_will = last_will
        self._jitter = jitter or Random()
        self._on_control = on_control
        self._on_command = on_command
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._birth: Callable[[], Message] | None = None
        self._wanted = False
        self._retry_s = FIRST_RETRY_S
        self._reconnecting: asyncio.Task[None] | None = None
        self.buffer = buffer
        self.connected = asyncio.Event()
        self.published = 0
        self.bad_acknowledgements = 0
        self.refused_subscriptions = 0

    def announce(self, birth: Callable[[], Message]) -> None:
        """Set what makes the birth message sent after every connection: its clocks are of then."""
        self._birth = birth

    def send(self, message: Message) -> None:
        """Publish `message`; a numbered one is kept until the server acknowledges it."""
        if message.seq is None:
            if self.connected.is_set():
                self._publish(message)
        else:
            self.buffer.put(message)
            self.flush()

    def flush(self) -> None:
        """Send whatever of the buffer is due."""
        if self.connected.is_set():
            for message in self.buffer.take(self._loop.time()):
                self._publish(message)

    def beat(self) -> None:
        """To be called every second: keep-alive, and what was not acknowledged in time."""
        if self._client is not None:
            self._client.loop_misc()
        self.flush()

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
        """Say goodbye (status offline) and disconnect."""
        self._wanted = False
        self._stop_reconnecting()
        if self._client is not None:
            if self.connected.is_set():
                self._publish(self._speaker.status("offline"))
            self._client.disconnect()

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
            log.info("broker not reachable", device=self._credential.device, error=str(error))
            self._reconnecting = None
            self._retry()

    def _retry(self) -> None:
        if not self._wanted:
            return
        delay = self._retry_s * (0.5 + self._jitter.random())
        self._retry_s = min(LONGEST_RETRY_S, self._retry_s * 2.0)
        self._connect_later(delay)

    def _new_client(self) -> Client:
        credential = self._credential
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=credential.device,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.username_pw_set(credential.username, credential.password)
        client.max_inflight_messages_set(0)
        if self._last_will:
            offline = self._speaker.status("offline")
            client.will_set(credential.topic("status"), offline.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
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
            log.warning("broker refused", device=self._credential.device, reason=str(reason))
            return
        self._reconnecting = None
        # QoS 0: an acknowledgement covers everything before it, so a lost one costs nothing, while
        # each QoS 1 subscription costs the broker a consumer, and brokers have only so many.
        topics = [(self._credential.topic(channel), 0) for channel in OWN_TOPICS]
        if self._on_control is not None:
            topics.append((CONTROL_TOPIC, 0))
        client.subscribe(topics)

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
        if any(refused[: len(OWN_TOPICS)]):
            # A device that cannot hear acknowledgements would send the same messages for ever.
            self.refused_subscriptions += 1
            log.warning("broker refused a subscription", device=self._credential.device)
            client.disconnect()
            return
        if any(refused):
            log.warning("broker refused the control topic", device=self._credential.device)
        self._retry_s = FIRST_RETRY_S
        self.connected.set()
        self._publish(self._speaker.status("online"))
        if self._birth is not None:
            self._publish(self._birth())
        self.buffer.reconnected()
        self.flush()

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
        self._client = None
        self._loop.call_soon(self._retry)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if message.topic == CONTROL_TOPIC:
            if self._on_control is not None:
                self._on_control(bytes(message.payload))
        elif message.topic.endswith("/ack"):
            try:
                self.buffer.acknowledge(read_acknowledgement(bytes(message.payload)))
            except AcknowledgementError as error:
                self.bad_acknowledgements += 1
                log.warning(
                    "bad acknowledgement",
                    device=self._credential.device,
                    error=str(error),
                )
                return
            self.flush()
        elif self._on_command is not None:
            self._on_command(bytes(message.payload))

    def _publish(self, message: Message) -> None:
        assert self._client is not None
        answer = self._client.publish(
            self._credential.topic(message.channel),
            message.payload,
            qos=1,
            retain=message.channel in RETAINED,
        )
        if answer.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.published += 1
