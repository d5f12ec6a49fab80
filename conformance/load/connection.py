"""One MQTT connection on the event loop: the codec of `conformance.load.mqtt` joined to a socket."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from conformance.load import mqtt

# A broker may ask somebody else whether a device may come in; many devices ask at once.
ANSWER_SECONDS: Final = 15.0


class ConnectionRefused(OSError):
    """The broker let us not in, or not subscribe."""


class Connection(asyncio.Protocol):
    """Opened by `Connection.open`; `on_message` hears publications, `lost` is set at the end."""

    def __init__(self, on_message: Callable[[str, bytes], None]) -> None:
        self._on_message = on_message
        self._decoder = mqtt.Decoder()
        self._transport: asyncio.Transport | None = None
        self._welcome: asyncio.Future[mqtt.ConnAck] = asyncio.get_running_loop().create_future()
        self._granted: dict[int, asyncio.Future[mqtt.SubAck]] = {}
        self._flying: set[int] = set()
        self._last_id = 0
        self.lost = asyncio.Event()

    @classmethod
    async def open(
        cls,
        address: tuple[str, int],
        client_id: str,
        credential: tuple[str, str],
        on_message: Callable[[str, bytes], None],
        keepalive_s: int,
    ) -> "Connection":
        """Return a connection the broker accepted; raises OSError (also when it takes too long)."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(on_message), *address)
        try:
            made.write(mqtt.connect(client_id, *credential, keepalive_s))
            async with asyncio.timeout(ANSWER_SECONDS):
                await made.admitted(client_id)
        except BaseException:
            made.abort()
            raise
        return made

    async def admitted(self, client_id: str) -> None:
        """Wait for the broker's answer; raises OSError when it is no."""
        answer = await self._welcome
        if answer.code:
            raise ConnectionRefused(f"the broker refused {client_id}: code {answer.code}")

    async def subscribe(self, topics: Sequence[tuple[str, int]]) -> None:
        """Subscribe; raises OSError when one of `topics` (filter, QoS) is not granted."""
        packet_id = self._new_id()
        granted = self._granted[packet_id] = asyncio.get_running_loop().create_future()
        self.write(mqtt.subscribe(packet_id, topics))
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await granted
        self._flying.discard(packet_id)
        if mqtt.REFUSED_SUBSCRIPTION in answer.granted:
            raise ConnectionRefused(f"not all of {topics} were granted")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1."""
        self.write(mqtt.publish(topic, payload, self._new_id(), retain=retain))

    def ping(self) -> None:
        """Show that we are there."""
        self.write(mqtt.PINGREQ)

    def write(self, data: bytes) -> None:
        """Send `data`; after the end of the connection it goes nowhere."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    @property
    def unconfirmed(self) -> int:
        """How many publications the broker has not confirmed yet."""
        return len(self._flying)

    def close(self) -> None:
        """Say goodbye."""
        self.write(mqtt.DISCONNECT)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _new_id(self) -> int:
        if len(self._flying) >= mqtt.HIGHEST_PACKET_ID:
            raise ConnectionRefused("the broker confirmed none of 65535 publications")
        while True:
            self._last_id = self._last_id % mqtt.HIGHEST_PACKET_ID + 1
            if self._last_id not in self._flying:
                self._flying.add(self._last_id)
                return self._last_id

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            packets = self._decoder.feed(data)
        except mqtt.MqttError as error:
            self._fail(ConnectionRefused(str(error)))
            self.abort()
            return
        for packet in packets:
            self._take(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._fail(exc or ConnectionRefused("the broker closed the connection"))
        self.lost.set()

    def _take(self, packet: mqtt.Packet) -> None:
        match packet:
            case mqtt.PubAck(packet_id):
                self._flying.discard(packet_id)
            case mqtt.Publish(topic, payload, packet_id):
                if packet_id is not None:
                    self.write(mqtt.puback(packet_id))
                self._on_message(topic, payload)
            case mqtt.SubAck(packet_id):
                waiting = self._granted.pop(packet_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(packet)
            case mqtt.ConnAck() if not self._welcome.done():
                self._welcome.set_result(packet)
            case _:
                return

    def _fail(self, reason: Exception) -> None:
        waiting: list[asyncio.Future[Any]] = [self._welcome, *self._granted.values()]
        for one in waiting:
            if not one.done():
                one.set_exception(reason)
                # Nobody may be waiting any more; an unread exception would be reported as a defect.
                one.exception()
        self._granted.clear()
