"""A gateway: one credential and one connection that speaks for many devices.

Each device behind it keeps its own topics, numbers and buffer; the server knows from the gateway's
enrolment for whom it may speak. When one of them is lost the gateway says so for it; when the
gateway itself is lost only its own last will is published, and the devices behind it are noticed by
their silence.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random

import structlog

from simulator.devices.messages import Message, Speaker
from simulator.transports.buffer import (
    AcknowledgementError,
    StoreAndForward,
    read_acknowledgement,
)
from simulator.transports.connection import Broker, Connection, Credential
from simulator.transports.mqtt import CONTROL_TOPIC

log = structlog.get_logger("simulator.gateway")


class Spoke:
    """One device behind a gateway, used like a connection of its own."""

    def __init__(
        self, gateway: "Gateway", address: str, speaker: Speaker, buffer: StoreAndForward
    ) -> None:
        self._gateway = gateway
        self._speaker = speaker
        self._birth: Callable[[], Message] | None = None
        self._here = True
        self._topics = {
            channel: f"hd/v1/{gateway.credential.tenant}/{address}/{channel}"
            for channel in ("birth", "status", "tel", "evt", "ack")
        }
        self.buffer = buffer
        self.connected = gateway.connected
        self.bad_acknowledgements = 0

    @property
    def connection(self) -> Connection:
        """What carries it: the gateway."""
        return self._gateway

    @property
    def acknowledgements(self) -> str:
        """The topic on which the server acknowledges its messages."""
        return self._topics["ack"]

    def announce(self, birth: Callable[[], Message]) -> None:
        """Set what makes the birth message sent after every connection."""
        self._birth = birth

    def send(self, message: Message) -> None:
        """Publish `message`; a numbered one is kept until the server acknowledges it."""
        if message.seq is not None:
            self.buffer.put(message)
            self.flush()
        elif self.connected.is_set() and self._here:
            self._publish(message)

    def flush(self) -> None:
        """Send whatever of the buffer is due."""
        if self._here and len(self.buffer) and self.connected.is_set():
            for message in self.buffer.take(self._gateway.now_s):
                self._publish(message)

    def open(self) -> None:
        """The device is there (again): the gateway says so."""
        self._here = True
        if self.connected.is_set():
            self.greet()

    def cut(self) -> None:
        """The device is lost to the gateway, which says so for it."""
        self._here = False
        if self.connected.is_set():
            self._publish(self._speaker.status("offline"))

    def greet(self) -> None:
        """Say online and birth, then everything that is due again."""
        if not self._here:
            return
        self._publish(self._speaker.status("online"))
        if self._birth is not None:
            self._publish(self._birth())
        self.buffer.reconnected()
        self.flush()

    def leave(self) -> None:
        """Say offline."""
        if self._here:
            self._publish(self._speaker.status("offline"))

    def acknowledge(self, payload: bytes) -> None:
        """Take the server's word."""
        try:
            self.buffer.acknowledge(read_acknowledgement(payload))
        except AcknowledgementError as error:
            self.bad_acknowledgements += 1
            log.warning("bad acknowledgement", topic=self.acknowledgements, error=str(error))
            return
        self.flush()

    def _publish(self, message: Message) -> None:
        self._gateway.publish(self._topics[message.channel], message)


class Gateway(Connection):
    """The connection of many devices; `voice` is the gateway's own, for its status."""

    def __init__(
        self,
        broker: Broker,
        credential: Credential,
        voice: Speaker,
        *,
        jitter: Random | None = None,
        on_control: Callable[[bytes], None] | None = None,
    ) -> None:
        super().__init__(broker, credential, jitter=jitter)
        self._voice = voice
        self._spokes: dict[str, Spoke] = {}
        self._on_control = on_control

    def spoke(self, address: str, speaker: Speaker, buffer: StoreAndForward) -> Spoke:
        """Take in the device at `address`; before `open`."""
        spoke = Spoke(self, address, speaker, buffer)
        self._spokes[spoke.acknowledgements] = spoke
        return spoke

    @property
    def spokes(self) -> Iterable[Spoke]:
        """The devices behind it."""
        return self._spokes.values()

    def beat(self) -> None:
        """To be called every second: keep-alive, and what was not acknowledged in time."""
        super().beat()
        for spoke in self._spokes.values():
            spoke.flush()

    def _will(self) -> Message | None:
        return self._voice.status("offline")

    def _needed_topics(self) -> Sequence[str]:
        return list(self._spokes)

    def _other_topics(self) -> Sequence[str]:
        return () if self._on_control is None else (CONTROL_TOPIC,)

    def _came_up(self) -> None:
        self.publish(self.credential.topic("status"), self._voice.status("online"))
        for spoke in self._spokes.values():
            spoke.greet()

    def _say_goodbye(self) -> None:
        for spoke in self._spokes.values():
            spoke.leave()
        self.publish(self.credential.topic("status"), self._voice.status("offline"))

    def _heard(self, topic: str, payload: bytes) -> None:
        if topic == CONTROL_TOPIC:
            if self._on_control is not None:
                self._on_control(payload)
        elif (spoke := self._spokes.get(topic)) is not None:
            spoke.acknowledge(payload)
