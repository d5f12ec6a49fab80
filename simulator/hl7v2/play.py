"""One home whose devices speak HL7 v2 to a running server, in real time: a treatment under way, and what happens in it.

Needs what a demonstration leaves in `demo.json` (`base` and the administrator's token) to write and enrol the home, and
the port its server listens on for HL7 v2.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx
import orjson

from simulator.devices.identity import Identity, cuff, machine
from simulator.devices.messages import Message, Speaker
from simulator.enrolment import device_id, home_resources
from simulator.hl7v2.messages import Tongue
from simulator.hl7v2.mllp import Caller, UnansweredError
from simulator.home import CutLink, Home, Send, started_before
from simulator.physiology.person import person
from simulator.physiology.treatment import Treatment
from simulator.record import Record, RecordError
from simulator.scenarios import named

TICK_S: Final = 1.0
_ELAPSED_MIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is played: `scenario` begins `after_s` into the `seconds` it lasts, slow changes `scale` times faster."""

    name: str
    scenario: str
    after_s: float
    seconds: float
    scale: float
    cuff_every_s: float
    seed: int

    @property
    def hardware(self) -> list[Identity]:
        """Return the devices of the home."""
        chosen = [machine(self.name)]
        if self.cuff_every_s > 0:
            chosen.append(cuff(self.name, interval_s=self.cuff_every_s))
        return chosen


@dataclass(slots=True)
class Tally:
    """What became of the messages."""

    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    resent: int = 0

    @property
    def line(self) -> str:
        """Return it for a person."""
        return f"{self.accepted} accepted, {self.refused} refused, {self.unanswered} unanswered, {self.resent} sent again"


def a_home(order: Order, now: datetime, boot: str) -> Home:
    """Return a home in the middle of a treatment."""
    voices = [Speaker(one, boot) for one in order.hardware]
    return Home(
        order.name,
        Treatment.of(person(order.seed), order.seed, elapsed_min=_ELAPSED_MIN),
        voices[0],
        voices[1] if len(voices) > 1 else None,
        started=started_before(now, _ELAPSED_MIN),
        mono_ms=int(_ELAPSED_MIN * 60_000),
    )


class Device:
    """One device with a connection of its own: says one message after another, each until it is answered."""

    def __init__(
        self, identity: Identity, caller: Caller, tally: Tally, say: Callable[[str], None]
    ) -> None:
        self._tongue = Tongue(identity)
        self._caller = caller
        self._tally = tally
        self._say = say
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()

    def take(self, message: Message) -> None:
        """Say `message` when those before it are answered."""
        self._waiting.put_nowait(message)

    async def hang_up(self) -> None:
        """Lose the connection; the next message opens another."""
        await self._caller.hang_up()

    async def run(self) -> None:
        """Say whatever is taken, until cancelled."""
        while True:
            message = await self._waiting.get()
            await self._send(message)
            self._waiting.task_done()

    async def finish(self) -> None:
        """Wait until all that was taken is answered or given up."""
        await self._waiting.join()
        self._tally.resent += self._caller.resent
        await self._caller.hang_up()

    async def _send(self, message: Message) -> None:
        spoken = self._tongue.say(message)
        if spoken is None:
            return
        try:
            answer = await self._caller.send(spoken)
        except UnansweredError as error:
            self._tally.unanswered += 1
            self._say(str(error))
            return
        if not answer.is_accepted:
            self._tally.refused += 1
            self._say(answer.text.replace("\r", "\n"))
            return
        self._tally.accepted += 1
        if message.channel == "evt" and (body := message.body) is not None:
            self._say(f"{answer.code} {body['priority']} {body['event']} {body['phase']}")


async def play(
    place: tuple[str, int], order: Order, clock: Callable[[], datetime], say: Callable[[str], None]
) -> Tally:
    """Play `order` to the listener at `place`; return when everything was answered or given up."""
    home = a_home(order, clock(), secrets.token_hex(4))
    tally = Tally()
    devices = {
        one.identity.eui64: Device(one.identity, Caller(*place), tally, say)
        for one in home.speakers
    }
    for eui64, device in devices.items():
        device.take(home.birth(eui64, clock()))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    running = [asyncio.create_task(one.run()) for one in devices.values()]
    try:
        for tick in range(round(order.seconds / TICK_S)):
            await asyncio.sleep(max(0.0, begun + tick * TICK_S - loop.time()))
            if home.scenario is None and tick * TICK_S >= order.after_s:
                home.begin(named(order.scenario, scale=order.scale))
            for command in home.tick(TICK_S, clock()):
                if isinstance(command, Send):
                    devices[command.eui64].take(command.message)
                elif isinstance(command, CutLink):
                    await devices[command.eui64].hang_up()
        await asyncio.gather(*(one.finish() for one in devices.values()))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return tally


async def enrol(demo_json: Path, order: Order) -> None:
    """Write the home of `order` into the server of a demonstration and enrol its devices.

    Raises `RecordError`, httpx.HTTPError, OSError when there is no demonstration, KeyError when its file is none.
    """
    place = orjson.loads(demo_json.read_bytes())  # noqa: ASYNC240 - nothing else runs yet
    async with httpx.AsyncClient(timeout=60.0) as http:
        record = Record(http, place["base"], place["tokens"]["admin"])
        await record.write_together(home_resources(order.name, order.hardware))
        for one in order.hardware:
            await record.enroll(device_id(order.name, one))


EXPECTED: Final = (RecordError, httpx.HTTPError, OSError, KeyError, ValueError)
