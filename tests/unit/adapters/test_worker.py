"""A message that cannot be stored is set aside alone; everything beside it is committed, in order, and answered."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from nats.aio.client import Client

from adapters.batch import Incoming, Outcome
from adapters.ingest import Ingest
from adapters.mqtt.consumer import Delivered
from adapters.mqtt.worker import UNSTORABLE, IngestWorker
from adapters.streams import Acknowledgement
from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.telemetry import DeadLetter, TelemetryStore

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


class Broker:
    """Remembers what was published to devices."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def new_inbox(self) -> str:
        return "inbox"

    async def publish(self, subject: str, payload: bytes) -> None:
        self.published.append(subject)


class Letters:
    def __init__(self, store: "Store") -> None:
        self._store = store

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        self._store.letters += letters


class Store:
    """A store that only keeps dead letters."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    @asynccontextmanager
    async def telemetry(self, tenant: int) -> AsyncIterator[Letters]:
        assert tenant == 1
        yield Letters(self)

    async def tenant_number(self, name: str) -> int | None:
        return {"home": 1}.get(name)


class Door:
    """An ingest that cannot store ``poison`` and meets a concurrent change before ``contended``."""

    def __init__(self) -> None:
        self.committed: list[bytes] = []
        self.hindrances = 2

    async def commit(self, tenant: int, batch: Sequence[Incoming]) -> Outcome:
        payloads = [one.payload for one in batch]
        if b"poison" in payloads:
            raise RuntimeError("cannot be stored")
        if b"contended" in payloads and self.hindrances:
            self.hindrances -= 1
            raise Conflict("somebody else won")
        self.committed += payloads
        answers = tuple(Acknowledgement(one.topic.address, "b", "tel", 1, (), ()) for one in batch)
        return Outcome(answers, len(batch), 0, {})


def delivered(*payloads: bytes, tenant: str = "home") -> list[Delivered]:
    subject = f"$MQTT.msgs.hd.v1.{tenant}.0A1B.tel"
    return [Delivered(subject, payload, NOW, cast("Any", None)) for payload in payloads]


def worker() -> tuple[IngestWorker, Store, Door, Broker]:
    store, door, broker = Store(), Door(), Broker()
    made = IngestWorker(
        cast("Client", broker), cast("TelemetryStore", store), cast("Ingest", door), "stream"
    )
    return made, store, door, broker


async def test_a_poison_message_is_set_aside_alone() -> None:
    ingest, store, door, broker = worker()
    await ingest.process(delivered(b"1", b"2", b"poison", b"4", b"5"))
    assert door.committed == [b"1", b"2", b"4", b"5"]
    assert [(one.reason, one.raw) for one in store.letters] == [(UNSTORABLE, b"poison")]
    assert broker.published == ["hd.v1.home.0A1B.ack"] * 4


async def test_a_hindrance_is_waited_out_and_loses_nothing() -> None:
    ingest, store, door, _ = worker()
    await ingest.process(delivered(b"1", b"contended"))
    assert (door.committed, store.letters) == ([b"1", b"contended"], [])


async def test_messages_of_an_unknown_tenant_are_not_stored() -> None:
    ingest, store, door, _ = worker()
    await ingest.process(delivered(b"1", tenant="elsewhere"))
    assert (door.committed, store.letters) == ([], [])


async def test_a_large_batch_keeps_the_order_of_every_device() -> None:
    ingest, _, door, _ = worker()
    subjects = [f"$MQTT.msgs.hd.v1.home.{device:04X}.tel" for device in range(7)]
    batch = [
        Delivered(subject, f"{subject} {number}".encode(), NOW, cast("Any", None))
        for number in range(20)
        for subject in subjects
    ]
    await ingest.process(batch)
    assert sorted(door.committed) == sorted(one.payload for one in batch)
    for subject in subjects:
        mine = [one for one in door.committed if one.startswith(subject.encode())]
        assert mine == [f"{subject} {number}".encode() for number in range(20)]


async def test_devices_with_an_alarm_go_first_and_keep_their_own_order() -> None:
    working, _, door, _ = worker()
    said = [
        ("A1", "birth", b"a birth"),
        ("B2", "birth", b"b birth"),
        ("C3", "status", b"c online"),
        ("B2", "evt", b"b alarm"),
        ("B2", "status", b"b online"),
    ]
    await working.process(
        [
            Delivered(f"$MQTT.msgs.hd.v1.home.{name}.{kind}", payload, NOW, cast("Any", None))
            for name, kind, payload in said
        ]
    )
    assert door.committed == [b"b birth", b"b alarm", b"b online", b"a birth", b"c online"]
