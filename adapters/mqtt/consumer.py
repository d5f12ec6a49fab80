"""A durable consumer of the broker's stream, read through one standing request for messages.

The broker hands messages over as they come and keeps them until they are acknowledged; one acknowledgement covers
everything before it. There is one reader at a time, so the order of the stream is kept. What takes longer to commit than
the broker waits is said to be in progress: sent again, and again, it would be worked on twice, and take longer still.
https://docs.nats.io/nats-concepts/jetstream/consumers
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from adapters.mqtt import broker_time

_EXPIRES_SECONDS: Final = 5.0
_NANOSECONDS: Final = 1_000_000_000
_TOLD_IN_A_WAIT: Final = 4


@dataclass(frozen=True, slots=True)
class Published:
    """One message: the subject it was published on, and when the broker took it."""

    subject: str
    payload: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class Delivered(Published):
    """One that was handed to us, and what acknowledges it."""

    raw: Msg


class StreamConsumer:
    """Reads one durable consumer of one stream."""

    def __init__(
        self,
        client: Client,
        stream: str,
        durable: str,
        subjects: Sequence[str],
        ack_wait_seconds: float,
    ) -> None:
        """Consume `subjects` of `stream` as `durable`; what is not acknowledged comes again after `ack_wait_seconds`."""
        self._client = client
        self._stream = stream
        self._durable = durable
        self._subjects = list(subjects)
        self._ack_wait = ack_wait_seconds
        self._inbox = client.new_inbox()
        self._queue: asyncio.Queue[Msg] = asyncio.Queue()
        self._held: deque[tuple[float, Msg]] = deque()
        self._outstanding = 0
        self._requested_at = 0.0
        self._reconnects = 0

    async def create(self, streams: JetStreamContext, most_unacknowledged: int) -> None:
        """Make the durable consumer; it must exist before devices are let in, or the stream would not keep for it."""
        await streams.add_consumer(
            self._stream,
            ConsumerConfig(
                durable_name=self._durable,
                filter_subjects=self._subjects,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.ALL,
                ack_wait=self._ack_wait,
                max_ack_pending=most_unacknowledged,
            ),
        )

    async def start(self) -> None:
        """Begin to receive."""
        await self._client.subscribe(self._inbox, cb=self._arrived)

    async def fetch(self, most: int, wait_seconds: float) -> list[Delivered]:
        """Return what is there, at least one message unless `wait_seconds` pass without any, at most `most`."""
        loop = asyncio.get_running_loop()
        found: list[Delivered] = []
        deadline = loop.time() + wait_seconds
        while not found:
            await self._ask(most, loop.time())
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + 1)):
                    message = await self._queue.get()
            except TimeoutError:
                if loop.time() >= deadline:
                    return found
                continue
            self._take(message, found)
        while len(found) < most and not self._queue.empty():
            self._take(self._queue.get_nowait(), found)
        await self._ask(most, loop.time())
        return found

    async def acknowledge(self, last: Delivered) -> None:
        """Acknowledge `last` and everything before it, and wait until the broker has it. Lost: it all comes again."""
        while self._held and self._held.popleft()[1] is not last.raw:
            pass
        try:
            await last.raw.ack_sync(timeout=2)
        except NatsTimeout:
            return

    async def keep(self) -> None:
        """Say until cancelled, of all that was handed over and is not acknowledged, that it is in progress."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._ack_wait / _TOLD_IN_A_WAIT)
            before = loop.time() - self._ack_wait / _TOLD_IN_A_WAIT
            for since, message in tuple(self._held):
                if since > before:
                    break
                await self._client.publish(message.reply, Msg.Ack.Progress)

    async def _arrived(self, message: Msg) -> None:
        if message.reply:
            self._held.append((asyncio.get_running_loop().time(), message))
        self._queue.put_nowait(message)

    def _take(self, message: Msg, found: list[Delivered]) -> None:
        if not message.reply:
            # A status instead of a message: the request expired or was refused, so nothing is outstanding.
            self._outstanding = 0
            return
        self._outstanding = max(0, self._outstanding - 1)
        found.append(
            Delivered(message.subject, message.data, broker_time.in_reply(message.reply), message)
        )

    async def _ask(self, most: int, now: float) -> None:
        """Keep a request standing. The broker forgets one when it expires and when it restarts: nothing is owed then."""
        reconnects = self._client.stats["reconnects"]
        if now - self._requested_at >= _EXPIRES_SECONDS or reconnects != self._reconnects:
            self._outstanding = 0
            self._reconnects = reconnects
        if self._outstanding > most // 2:
            return
        wanted = most * 2 - self._outstanding
        request = {"batch": wanted, "expires": int(_EXPIRES_SECONDS * _NANOSECONDS)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        await self._client.publish(subject, json.dumps(request).encode(), reply=self._inbox)
        self._outstanding += wanted
        self._requested_at = now
