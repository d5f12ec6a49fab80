"""Connections that break anywhere: the sender sends again, and everything is in the record exactly once.

A proxy between sender and listener resets connections after so many bytes, in either direction, by dice.
"""

import asyncio
import os
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.hl7v2.messages import Spoken
from simulator.hl7v2.mllp import Caller
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import Interface, opened, snapshot
from tests.patience import PATIENCE_SECONDS
from tests.unit.adapters.hl7v2.machine_messages import venous

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
SENDERS = 3
MESSAGES = 40
# A few messages and their answers; what one sender has to say is several times as long.
LONGEST_LIFE = 4000
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Carries bytes of each connection until its time has come, and then resets both sides."""

    def __init__(self, port: int, dice: random.Random) -> None:
        self.port = 0
        self.resets = 0
        self._target = port
        self._dice = dice

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        left = self._dice.randrange(1, LONGEST_LIFE)

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            nonlocal left
            while data := await source.read(1024):
                through = data[: max(left, 0)]
                left -= len(data)
                target.write(through)
                await target.drain()
                if left <= 0:
                    self.resets += 1
                    return

        ways = [
            asyncio.ensure_future(carry(reader, back)),
            asyncio.ensure_future(carry(there, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for one in (writer, back):
            one.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.transport.abort()


@asynccontextmanager
async def between(interface: Interface, dice: random.Random) -> AsyncIterator[Proxy]:
    proxy = Proxy(interface.listener.port, dice)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


async def test_whatever_breaks_everything_is_there_exactly_once(home: Home) -> None:
    seed = int(os.environ.get("FHIR_KILL_SEED") or random.SystemRandom().getrandbits(32))
    print(f"FHIR_KILL_SEED={seed}")
    numbers = [range(place, SENDERS * MESSAGES, SENDERS) for place in range(SENDERS)]
    async with opened(home) as interface, between(interface, random.Random(seed)) as proxy:

        async def send(wanted: range) -> int:
            async with Caller(
                "127.0.0.1",
                proxy.port,
                answered_within_s=PATIENCE_SECONDS,
                pause_s=0.0,
                attempts=1000,
            ) as caller:
                for number in wanted:
                    content = snapshot(f"m-{number:03d}", venous(str(number)))
                    answer = await caller.send(Spoken(f"m-{number:03d}", content))
                    assert answer.code == "CA", answer.text
                return caller.resent

        resent = sum(await asyncio.gather(*(send(wanted) for wanted in numbers)))
        stored = sorted(int(one["valueQuantity"]["value"]) for one in await home.observations())
        assert stored == list(range(SENDERS * MESSAGES))
        assert [(one[0], one[1]) for one in await interface.messages()] == [
            (f"m-{number:03d}", "accepted") for number in range(SENDERS * MESSAGES)
        ]
        assert await home.dead_letters() == {}
        assert proxy.resets > SENDERS
        assert resent >= SENDERS
