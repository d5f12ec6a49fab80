"""A simulated device with a credential and a connection of its own.

Every device publishes on `hd/v1/{tenant}/{device}/birth|status|tel|evt`, has a last will on
`status`, and listens to its own `ack` and `cmd`. Numbered messages go through the
store-and-forward buffer and leave it only when the server acknowledged them.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import structlog

from simulator.devices.messages import Message, Speaker
from simulator.transports.buffer import (
    AcknowledgementError,
    StoreAndForward,
    read_acknowledgement,
)
from simulator.transports.connection import Broker, Connection, Credential

CONTROL_TOPIC: Final = "hd/v1/sim/ctl"
OWN_TOPICS: Final = ("ack", "cmd")

log = structlog.get_logger("simulator.mqtt")


class Link(Connection):
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
        super().__init__(broker, credential, jitter=jitter)
        self._speaker = speaker
        self._last_will = last_will
        self._on_control = on_control
        self._on_command = on_command
        self._birth: Callable[[], Message] | None = None
        self.buffer = buffer
        self.bad_acknowledgements = 0

    @property
    def connection(self) -> Connection:
        """What carries it: itself."""
        return self

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
            for message in self.buffer.take(self.now_s):
                self._publish(message)

    def beat(self) -> None:
        """To be called every second: keep-alive, and what was not acknowledged in time."""
        super().beat()
        self.flush()

    def _publish(self, message: Message) -> None:
        self.publish(self.credential.topic(message.channel), message)

    def _will(self) -> Message | None:
        return self._speaker.status("offline") if self._last_will else None

    def _needed_topics(self) -> Sequence[str]:
        return [self.credential.topic(channel) for channel in OWN_TOPICS]

    def _other_topics(self) -> Sequence[str]:
        return () if self._on_control is None else (CONTROL_TOPIC,)

    def _came_up(self) -> None:
        self._publish(self._speaker.status("online"))
        if self._birth is not None:
            self._publish(self._birth())
        self.buffer.reconnected()
        self.flush()

    def _say_goodbye(self) -> None:
        self._publish(self._speaker.status("offline"))

    def _heard(self, topic: str, payload: bytes) -> None:
        if topic == CONTROL_TOPIC:
            if self._on_control is not None:
                self._on_control(payload)
        elif topic.endswith("/ack"):
            try:
                self.buffer.acknowledge(read_acknowledgement(payload))
            except AcknowledgementError as error:
                self.bad_acknowledgements += 1
                log.warning("bad acknowledgement", device=self.credential.device, error=str(error))
                return
            self.flush()
        elif self._on_command is not None:
            self._on_command(payload)
