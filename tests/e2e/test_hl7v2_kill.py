"""kill -9 of the process that listens for HL7 v2, and a network that is cut, while machines send PCD-01.

Every accepted snapshot must be there exactly once afterwards, with all its values. FHIR_KILL_SEED repeats a run.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from conformance.load import processes
from conformance.load.hl7v2.feed import Feed
from conformance.load.hl7v2.load import settle, verify
from conformance.load.server import free_port
from conformance.record import Record
from tests import conftest
from tests.e2e.conftest import RunningServer, a_server
from tests.e2e.network import Cable, cable
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow
LISTENER = "worker ingest"
HOMES = 12
LINES = 8
KILLS = 12
CUTS = 8
RECOVERY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Senders:
    """Machines that send on and on, by dice thrown with `seed`."""

    feeds: Sequence[Feed]
    dice: random.Random

    async def heard(self) -> None:
        """Wait until a snapshot of every machine is accepted that is sent from now on."""
        said = {id(one): one.sent for one in self.feeds}
        async with asyncio.timeout(RECOVERY_SECONDS):
            while any(max(one.accepted, default=0) <= said[id(one)] for one in self.feeds):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@asynccontextmanager
async def sending(record: Record, feeds: Sequence[Feed], seed: int) -> AsyncIterator[Senders]:
    """Let machines send within the block, and wait until all is answered that was sent."""
    ending = asyncio.Event()

    async def send(feed: Feed, dice: random.Random) -> None:
        while not ending.is_set():
            await feed.send()
            await asyncio.sleep(dice.uniform(0.0, 0.1))

    print(f"FHIR_KILL_SEED={seed}")
    async with asyncio.TaskGroup() as tasks:
        for feed in feeds:
            tasks.create_task(send(feed, random.Random(f"{seed}/{feed.patient}")))
        yield Senders(feeds, random.Random(seed))
        ending.set()
    for feed in feeds:
        feed.line.close()


def seed_of_this_run() -> int:
    return int(os.environ.get("FHIR_KILL_SEED") or random.SystemRandom().getrandbits(32))


async def listener_of(server: RunningServer) -> psutil.Process:
    """Return the process that listens; one that was killed a moment ago is waited for."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            found = processes.matching(processes.of_data(server.data, server.process.pid), LISTENER)
            if found:
                return found[0]
            await asyncio.sleep(0.05)


@pytest.fixture
def site(tmp_path: Path) -> str:
    """The site's files: the machines are known."""
    (tmp_path / "senders.yaml").write_text("senders: [{name: machines}]\n")
    return str(tmp_path)


async def test_a_listener_killed_at_random_loses_and_doubles_nothing(site: str) -> None:
    seed, port = seed_of_this_run(), free_port()
    with a_server(HL7_PORTS=f"{port}=home", HL7_SITE=site) as server:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as http:
            record = Record(http, server.base, server.token)
            feeds = await settle(record, ("127.0.0.1", port), HOMES, LINES)
            async with sending(record, feeds, seed) as senders:
                for _ in range(KILLS):
                    await senders.heard()
                    await asyncio.sleep(senders.dice.uniform(0.0, 0.5))
                    (await listener_of(server)).kill()
                await senders.heard()
            assert [text for one in feeds for text in one.refused] == []
            assert await verify(record, feeds, whole=HOMES) == []
    # Whoever was connected when the listener died had to send again.
    assert sum(one.line.resent for one in feeds) >= KILLS


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """A network of two ends that can be cut; the far end is where the machines are."""
    with cable() as made:
        monkeypatch.setattr(conftest, "LOOPBACK", conftest.LOOPBACK | {made.near})
        yield made


async def test_a_network_cut_at_random_loses_and_doubles_nothing(wire: Cable, site: str) -> None:
    seed, port = seed_of_this_run(), free_port()
    with a_server(
        HL7_PORTS=f"{port}=home",
        HL7_HOST=wire.near,
        HL7_TLS="off",
        HL7_SITE=site,
        HL7_CONNECTIONS_PEER="200",
    ) as server:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as http:
            record = Record(http, server.base, server.token)
            feeds = await settle(record, (wire.near, port), HOMES, LINES)
            for feed in feeds:
                # Sooner than the network is whole again: what is under way is sent a second time beside itself.
                feed.line.answered_within_s = 1.0
                feed.line.new_socket = wire.far_socket
            async with sending(record, feeds, seed) as senders:
                for _ in range(CUTS):
                    await senders.heard()
                    await asyncio.sleep(senders.dice.uniform(0.0, 0.5))
                    with wire.cut():
                        await asyncio.sleep(senders.dice.uniform(0.2, 4.0))
                await senders.heard()
            assert [text for one in feeds for text in one.refused] == []
            assert await verify(record, feeds, whole=HOMES) == []
    assert sum(one.line.resent for one in feeds) > 0
