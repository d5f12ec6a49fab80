"""A device: connects, says who it is, publishes, keeps everything until the server acknowledged it.

It subscribes to its acknowledgements at QoS 0: one that is lost costs a repetition, which the server
recognizes by its number and acknowledges again.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from conformance.load import messages
from conformance.load.connection import Connection
from conformance.load.messages import Kind, Voice
from conformance.load.outbox import Kept, Outbox

KEEPALIVE_S: Final = 60
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 2.0
# Longer than any queue in front of a healthy server; a repetition under load only adds load.
RESEND_AFTER_S: Final = 15.0
# What a device sends ahead of the server's acknowledgements; the rest waits in it.
WINDOW: Final = 500


@dataclass(frozen=True, slots=True)
class Credential:
    """What enrolment gave: the broker's user, and the tenant and name in the topics."""

    username: str
    password: str
    tenant: str
    device: str


@dataclass(frozen=True, slots=True)
class Habits:
    """How a device speaks: quantities a sample, samples a message, when it repeats itself."""

    values: int = 12
    samples: int = 1
    resend_after_s: float = RESEND_AFTER_S
    window: int = WINDOW


class Listener(Protocol):
    """Told what the server acknowledged."""

    def acknowledged(self, device: "Device", kind: Kind, settled: list[Kept], now: float) -> None:
        """`settled` left the outbox at `now` (monotonic seconds)."""


class Device:
    """One device of one boot, acting for `patient`."""

    def __init__(
        self,
        address: tuple[str, int],
        credential: Credential,
        boot: str,
        patient: str,
        listener: Listener,
        habits: Habits,
    ) -> None:
        """Publish to the broker at `address` with `habits`."""
        self.patient = patient
        self.voice = Voice(credential.device, boot)
        self.tel = Outbox(boot, "tel", habits.window)
        self.evt = Outbox(boot, "evt", habits.window)
        self.ready = asyncio.Event()
        self.connections = 0
        self.last_refusal = ""
        self.bad_acknowledgements = 0
        self._address = address
        self._credential = credential
        self._listener = listener
        self._habits = habits
        self._connection: Connection | None = None
        self._topic = f"hd/v1/{credential.tenant}/{credential.device}/"
        self._readings = 0

    # What it says

    def measure(
        self,
        extra: Mapping[str, int | float] | None = None,
        *,
        mode: str = "TX",
        spread_ms: int = 0,
        samples: int | None = None,
    ) -> Kept:
        """Publish a telemetry message, its samples spread over the `spread_ms` before now.

        `extra` values join the newest sample. Every sample has a number of its own; `samples` is
        how many there are where that is not the habit.
        """
        count = samples or self._habits.samples
        numbers = tuple(range(self._readings + 1, self._readings + 1 + count))
        self._readings += count
        step = spread_ms // count
        taken = [
            (
                -step * (count - 1 - position),
                messages.calm(number, self._habits.values),
            )
            for position, number in enumerate(numbers)
        ]
        if extra:
            taken[-1][1].update(extra)
        seq = self.tel.next_number()
        payload = messages.telemetry(self.voice, seq, _now(), _mono_ms(), taken, mode=mode)
        stored = sum(messages.observations(values) for _, values in taken)
        kept = self.tel.put(payload, time.monotonic(), stored, numbers)
        self._send("tel", self.tel)
        return kept

    def alarm(self, code: str, priority: str) -> Kept:
        """Publish the start of an alarm."""
        seq = self.evt.next_number()
        payload = messages.event(self.voice, seq, _now(), _mono_ms(), code, priority)
        kept = self.evt.put(payload, time.monotonic(), 1)
        self._send("evt", self.evt)
        return kept

    def repeat(self) -> int:
        """Publish again what was not acknowledged in time; return how many messages that were."""
        if self._connection is None or not self.ready.is_set():
            return 0
        repeated = 0
        for kind, outbox in self._lanes():
            for kept in outbox.late(time.monotonic(), self._habits.resend_after_s):
                self._connection.publish(self._topic + kind, kept.payload)
                repeated += 1
        return repeated

    @property
    def readings(self) -> int:
        """How many numbered readings were published or kept so far."""
        return self._readings

    @property
    def waiting(self) -> int:
        """How many messages the server has not acknowledged."""
        return len(self.tel) + len(self.evt)

    def _send(self, kind: Kind, outbox: Outbox) -> None:
        if self._connection is not None and self.ready.is_set():
            for kept in outbox.take(time.monotonic()):
                self._connection.publish(self._topic + kind, kept.payload)

    def _lanes(self) -> tuple[tuple[Kind, Outbox], ...]:
        return ("evt", self.evt), ("tel", self.tel)

    # How it is connected

    async def run(self) -> None:
        """Stay connected until cancelled; after every loss everything kept is sent again."""
        retry = FIRST_RETRY_S
        while True:
            try:
                await self._connected()
                retry = FIRST_RETRY_S
            except OSError as error:
                # Whoever waits for `ready` with a deadline reports it; a device only tries again.
                self.last_refusal = str(error) or type(error).__name__
            await asyncio.sleep(retry * (0.5 + random.random()))
            retry = min(LONGEST_RETRY_S, retry * 2)

    async def _connected(self) -> None:
        credential = self._credential
        connection = await Connection.open(
            self._address,
            credential.device,
            (credential.username, credential.password),
            self._on_message,
            KEEPALIVE_S,
        )
        self._connection = connection
        try:
            await connection.subscribe([(self._topic + "ack", 0)])
            self.connections += 1
            connection.publish(
                self._topic + "status", messages.status(self.voice, "online"), retain=True
            )
            birth = messages.birth(self.voice, _now(), _mono_ms(), self._habits.values)
            connection.publish(self._topic + "birth", birth, retain=True)
            self.ready.set()
            for kind, outbox in self._lanes():
                outbox.reconnected()
                self._send(kind, outbox)
            while not connection.lost.is_set():
                try:
                    async with asyncio.timeout(KEEPALIVE_S / 2):
                        await connection.lost.wait()
                except TimeoutError:
                    connection.ping()
        finally:
            self.ready.clear()
            self._connection = None
            connection.close()

    def _on_message(self, topic: str, payload: bytes) -> None:
        try:
            word = messages.read_acknowledgement(payload)
        except ValueError:
            self.bad_acknowledgements += 1
            return
        outbox = self.tel if word.kind == "tel" else self.evt
        settled = outbox.acknowledge(word)
        if settled:
            self._listener.acknowledged(self, word.kind, settled, time.monotonic())
            self._send(word.kind, outbox)


def _now() -> datetime:
    return datetime.now(UTC)


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000
