"""The ingest worker: takes device messages from the broker, commits them, answers the devices.

One worker holds the partition's lease. Alarms and connection states have a consumer of their own, and so have births: no
backlog of measurements, and no thousand machines that were switched on at once, stand in front of an alarm; among alarms
and states, devices with an alarm go first. A batch that fails is tried again in place, then halved until the message that
cannot be stored is alone; that one goes to the dead letters.
"""

import asyncio
import json
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from zlib import crc32

import structlog
from nats.aio.client import Client

from adapters.batch import Incoming, Outcome, letter_of
from adapters.ingest import Ingest
from adapters.mqtt.births_ahead import BirthsAhead
from adapters.mqtt.consumer import Published, StreamConsumer
from adapters.mqtt.messages import parse_topic
from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.telemetry import TelemetryStore
from fhirserver.supervisor.broker_stream import device_subject

PARTITION: Final = 0
UNSTORABLE: Final = "unstorable"

_LEASE_BEAT: Final = 0.7
_LEASE_RETRY: Final = 0.25
_FETCH_WAIT: Final = 1.0
_LONGEST_PAUSE: Final = 2.0
_SPLIT_FROM: Final = 32

_Result = TypeVar("_Result")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """Messages that wait for none of another lane: their durable consumer and topic leaves.

    At most `batch` are committed together; what is not acknowledged within `ack_wait` seconds comes again.
    """

    consumer: str
    leaves: tuple[str, ...]
    batch: int
    ack_wait: float


URGENT: Final = Lane("ingest-urgent", ("evt", "status"), 256, 2.0)
# A birth writes a machine's whole tree the first time, and holds what it writes until all of its batch are done.
BIRTHS: Final = Lane("ingest-births", ("birth",), 32, 5.0)
MEASURED: Final = Lane("ingest-measured", ("tel",), 256, 5.0)
# Births come before the lane that had them once: a stream keeps only what some consumer is owed.
_LANES: Final = (BIRTHS, URGENT, MEASURED)


class IngestWorker:
    """Runs until cancelled."""

    def __init__(self, client: Client, store: TelemetryStore, ingest: Ingest, stream: str) -> None:
        """Read `stream` through `client`, commit with `ingest`."""
        self._client = client
        self._store = store
        self._ingest = ingest
        self._holder = f"{socket.gethostname()}/{uuid.uuid4().hex[:8]}"
        self._consumers = {
            lane: StreamConsumer(
                client,
                stream,
                lane.consumer,
                [device_subject(one) for one in lane.leaves],
                lane.ack_wait,
            )
            for lane in _LANES
        }
        self._ahead = BirthsAhead(client, stream)
        self._tenants: dict[str, int] = {}

    async def prepare(self) -> None:
        """Make the durable consumers; devices may only be let in after this."""
        streams = self._client.jetstream()
        for lane, consumer in self._consumers.items():
            await consumer.create(streams, lane.batch * 8)

    async def run(self) -> None:
        """Take the lease, then consume while it is held."""
        # The lease is a row other processes write, so there is no event to wait for.
        while not await self._store.hold_ingest(PARTITION, self._holder):  # noqa: ASYNC110
            await asyncio.sleep(_LEASE_RETRY)
        log.info("ingest holds its partition", partition=PARTITION)
        for consumer in self._consumers.values():
            await consumer.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease())
                for lane, consumer in self._consumers.items():
                    tasks.create_task(consumer.keep())
                    tasks.create_task(self._consume(lane, consumer))
        finally:
            await self._store.release_ingest(PARTITION, self._holder)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(_LEASE_BEAT)
            try:
                held = await self._store.hold_ingest(PARTITION, self._holder)
            except Unavailable:
                continue
            if not held:
                # Somebody else works on: this process ends and is started anew by its supervisor.
                msg = "another worker holds the ingest partition"
                raise RuntimeError(msg)

    async def _consume(self, lane: Lane, consumer: StreamConsumer) -> None:
        while True:
            delivered = await consumer.fetch(lane.batch, _FETCH_WAIT)
            if delivered:
                ahead = await self._ahead.before(delivered) if lane is URGENT else ()
                await self.process([*ahead, *delivered])
                await consumer.acknowledge(delivered[-1])

    async def process(self, published: Sequence[Published]) -> None:
        """Commit what was published, tenant by tenant, and answer the devices."""
        batches: dict[str, list[Incoming]] = {}
        for one in published:
            topic = parse_topic(one.subject)
            if topic is None:
                log.error("a message on a topic that is none of ours", subject=one.subject)
                continue
            batches.setdefault(topic.tenant, []).append(Incoming(topic, one.payload, one.received))
        for tenant_name, batch in batches.items():
            tenant = await self._tenant(tenant_name)
            if tenant is None:
                log.error("messages of an unknown tenant", tenant=tenant_name, messages=len(batch))
                continue
            for some in _alarms_first(batch):
                async with asyncio.TaskGroup() as commits:
                    for lane in _lanes(some):
                        commits.create_task(self._commit(tenant_name, tenant, lane))

    async def _commit(self, tenant_name: str, tenant: int, batch: Sequence[Incoming]) -> None:
        try:
            outcome = await _persistently(lambda: self._ingest.commit(tenant, batch))
        except Exception:
            if len(batch) == 1:
                log.exception(
                    "a message cannot be stored",
                    device=batch[0].topic.address,
                    kind=batch[0].topic.kind,
                )
                await _persistently(lambda: self._bury(tenant, batch[0]))
                return
            log.warning("a batch failed, halving it", messages=len(batch), exc_info=True)
            middle = len(batch) // 2
            await self._commit(tenant_name, tenant, batch[:middle])
            await self._commit(tenant_name, tenant, batch[middle:])
            return
        await self._answer(tenant_name, outcome)

    async def _answer(self, tenant_name: str, outcome: Outcome) -> None:
        for one in outcome.acknowledgements:
            subject = f"hd.v1.{tenant_name}.{one.address}.ack"
            await self._client.publish(
                subject, json.dumps(one.as_json(), separators=(",", ":")).encode()
            )
        if outcome.dead_letters:
            log.warning("dead letters", **outcome.dead_letters)

    async def _bury(self, tenant: int, incoming: Incoming) -> None:
        async with self._store.telemetry(tenant) as tx:
            await tx.dead_letter([letter_of(incoming, UNSTORABLE)])

    async def _tenant(self, name: str) -> int | None:
        known = self._tenants.get(name)
        if known is None:
            found = await _persistently(lambda: self._store.tenant_number(name))
            if found is None:
                return None
            known = self._tenants[name] = found
        return known


def _alarms_first(batch: Sequence[Incoming]) -> list[list[Incoming]]:
    """Split a batch: everything of devices that tell of an alarm, then the others.

    A device's messages stay together and in order, so its birth still comes before its alarm.
    """
    alarming = {one.topic.address for one in batch if one.topic.kind == "evt"}
    first = [one for one in batch if one.topic.address in alarming]
    others = [one for one in batch if one.topic.address not in alarming]
    return [some for some in (first, others) if some]


def _lanes(batch: Sequence[Incoming]) -> list[list[Incoming]]:
    """Split a large batch by device, each device's messages staying together and in order.

    Two transactions overlap: one is prepared while the database works on the other.
    """
    if len(batch) < _SPLIT_FROM:
        return [list(batch)]
    lanes: list[list[Incoming]] = [[], []]
    for one in batch:
        lanes[crc32(one.topic.address.encode()) % 2].append(one)
    return [lane for lane in lanes if lane]


async def _persistently(action: Callable[[], Awaitable[_Result]]) -> _Result:
    """Repeat `action` while the database is away or a concurrent change won; anything else is raised."""
    pause = 0.05
    while True:
        try:
            return await action()
        except (Unavailable, Conflict) as hindrance:
            log.warning("ingest waits", cause=str(hindrance), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
