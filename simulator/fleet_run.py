"""Many homes at a running server: enrols them, lets them treat from a few processes and reports.

Needs what a demonstration leaves in `demo.json`: `base`, `mqtt` and the administrator's token. The
first process enrols and adds up; each further one takes its part on standard input and says its
tally every few seconds on standard output.
"""

import asyncio
import secrets
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import httpx
import orjson

from simulator.course import Course
from simulator.devices.identity import Identity
from simulator.devices.messages import Speaker
from simulator.enrolment import enrol
from simulator.fleet import Fleet, Voice
from simulator.fleet_order import FleetOrder, Part, Share, Tally, dealt
from simulator.home import Home, started_before
from simulator.physiology.person import person
from simulator.physiology.treatment import Treatment
from simulator.record import Record, RecordError
from simulator.scenarios import named
from simulator.transports.buffer import StoreAndForward
from simulator.transports.connection import Broker
from simulator.transports.gateway import Gateway
from simulator.transports.mqtt import Link

REPORT_EVERY_S: Final = 5.0
SETTLE_S: Final = 15.0
# A server on a busy machine takes its time for fifty homes; what it does not do at all is said.
ENROLLED_WITHIN_S: Final = 300.0
_ELAPSED_MIN: Final = 60.0


def now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


async def run_fleet(demo_json: Path, order: FleetOrder, say: Callable[[str], None]) -> int:
    """Run the order; returns 0 when every message was answered, 1 when some still wait.

    Returns 2 where there is no demonstration to run at, or its server does not take the homes.
    """
    if not demo_json.exists():  # noqa: ASYNC240 - nothing else runs yet
        say(f"{demo_json} is not there: start the demonstration first (make run)")
        return 2
    place = orjson.loads(demo_json.read_bytes())  # noqa: ASYNC240 - as above
    async with httpx.AsyncClient(timeout=ENROLLED_WITHIN_S) as http:
        record = Record(http, place["base"], place["tokens"]["admin"])
        say(f"enrolling {order.devices} homes")
        try:
            shares = await enrol(record, order, say)
        except (httpx.HTTPError, RecordError) as error:
            say(f"cannot enrol: {str(error) or type(error).__name__}")
            return 2
    parts = dealt(place["mqtt"], order, shares)
    say(f"connecting from {len(parts)} processes")
    tallies = [Tally()] * len(parts)

    def told(index: int, tally: Tally) -> None:
        tallies[index] = tally

    reporting = asyncio.create_task(_report(tallies, say))
    try:
        answered = await asyncio.gather(
            *(_in_a_process(part, index, told) for index, part in enumerate(parts))
        )
    finally:
        reporting.cancel()
    say(sum(tallies, Tally()).line)
    return 0 if all(code == 0 for code in answered) else 1


async def _report(tallies: list[Tally], say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    at, acknowledged = loop.time(), 0
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        total = sum(tallies, Tally())
        passed = loop.time() - at
        rate = (total.acknowledged - acknowledged) / passed
        at, acknowledged = at + passed, total.acknowledged
        say(f"{rate:8.1f} messages/s acknowledged; {total.line}")


async def _in_a_process(part: Part, index: int, told: Callable[[int, Tally], None]) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        "fleet-part",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(orjson.dumps(part.written()) + b"\n")
        await process.stdin.drain()
        while line := await process.stdout.readline():
            told(index, Tally(**orjson.loads(line)))
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def run_part(part: Part, say: Callable[[str], None]) -> int:
    """Let the homes of one part treat; `say` takes a tally as JSON; returns as `run_fleet`."""
    order = part.order
    fleet = Fleet(now, step_s=min(1.0, 1.0 / order.rate))
    add_homes(fleet, part)
    telling = asyncio.create_task(_tell(fleet, say))
    try:
        await fleet.open(within_s=order.connect_within_s)
        disturbing = asyncio.create_task(_disturb(fleet, order))
        try:
            await fleet.run(order.seconds)
            answered = await _settle(fleet)
        finally:
            disturbing.cancel()
        say(orjson.dumps(asdict(tally(fleet))).decode())
    finally:
        telling.cancel()
        await fleet.close()
    return 0 if answered else 1


def add_homes(fleet: Fleet, part: Part) -> None:
    """Build the homes of `part` and their voices."""
    host, _, port = part.broker.rpartition(":")
    broker = Broker(host, int(port))
    boot = secrets.token_hex(4)
    for share in part.shares:
        hub = _gateway(broker, share, boot)
        for index, name in share.homes:
            hardware = part.order.hardware(name)
            speakers = [Speaker(one, boot) for one in hardware]
            voices: dict[str, Voice] = {}
            for speaker in speakers:
                eui64 = speaker.identity.eui64
                buffer = StoreAndForward(boot)
                if hub is None:
                    voices[eui64] = Link(broker, share.own[eui64], speaker, buffer)
                else:
                    voices[eui64] = hub.spoke(eui64, speaker, buffer)
            home = _home(part.order, index, name, speakers)
            course = Course(home, home.treatment.prescription.minutes)
            fleet.add(home, voices, after_s=_start(part.order, index), course=course)


def _gateway(broker: Broker, share: Share, boot: str) -> Gateway | None:
    if share.credential is None:
        return None
    address = share.credential.device
    voice = Identity(address, "gateway", "Simulated Gateways", "SIM-GW 1", "G", 0.0)
    return Gateway(broker, share.credential, Speaker(voice, boot))


def _home(order: FleetOrder, index: int, name: str, speakers: list[Speaker]) -> Home:
    seed = order.seed + index
    elapsed_min = 0.0 if order.start_within_s else _ELAPSED_MIN
    treatment = Treatment.of(person(seed), seed, elapsed_min=elapsed_min)
    started = started_before(now(), elapsed_min)
    if order.start_within_s:
        started += timedelta(seconds=_start(order, index))
    home = Home(
        name,
        treatment,
        speakers[0],
        speakers[1] if len(speakers) > 1 else None,
        started=started,
        mono_ms=int(elapsed_min * 60_000),
        mode="TX" if elapsed_min else "PRETX",
    )
    # Ten thousand machines do not speak in the same second.
    home.speak_in(Random(f"{seed}/phase").uniform(0.0, speakers[0].identity.interval_s))
    return home


def _start(order: FleetOrder, index: int) -> float:
    return Random(f"{order.seed}/{index}/start").uniform(0.0, order.start_within_s)


def tally(fleet: Fleet) -> Tally:
    """Return what became of every message so far."""
    links = fleet.links
    buffers = [link.buffer for link in links]
    return Tally(
        devices=len(links),
        connected=sum(link.connected.is_set() for link in links),
        connections=len(fleet.connections),
        said=sum(connection.published for connection in fleet.connections),
        acknowledged=sum(sum(one.acknowledged.values()) for one in buffers),
        rejected=sum(sum(one.rejected.values()) for one in buffers),
        waiting=sum(len(one) for one in buffers),
        resent=sum(one.resent for one in buffers),
        lost=sum(sum(one.overflowed.values()) for one in buffers),
        skipped=round(fleet.skipped * fleet.step_s),
    )


async def _tell(fleet: Fleet, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        say(orjson.dumps(asdict(tally(fleet))).decode())


async def _disturb(fleet: Fleet, order: FleetOrder) -> None:
    await asyncio.sleep(order.scenario_after_s)
    numbers = {name: index for index, name in enumerate(order.names)}
    for home in fleet.homes:
        scenario = order.scenario_of(numbers[home.name])
        if scenario is not None:
            home.begin(named(scenario, scale=order.scale))


async def _settle(fleet: Fleet) -> bool:
    """Wait until every message is answered; False when some still wait after `SETTLE_S`."""
    for _ in range(int(SETTLE_S / 0.1)):
        if not any(len(link.buffer) for link in fleet.links):
            return True
        await asyncio.sleep(0.1)
    return False
