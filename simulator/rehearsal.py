"""Many homes at a running server: enrols 1 to 1000 machines, lets them treat and reports.

Needs what a demonstration leaves in `demo.json`: `base`, `mqtt` and the administrator's token.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import orjson

from simulator import resources
from simulator.devices.identity import Identity, cuff, machine
from simulator.devices.messages import Speaker
from simulator.fleet import Fleet
from simulator.home import Home, started_before
from simulator.physiology.treatment import Treatment
from simulator.record import Record
from simulator.scenarios import named
from simulator.transports.buffer import StoreAndForward
from simulator.transports.mqtt import Broker, Credential, Link

ENROLLED_AT_ONCE: Final = 8
REPORT_EVERY_S: Final = 5.0
SETTLE_S: Final = 15.0
_ELAPSED_MIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class HomesOrder:
    """How many machines at which rate (messages/s of each), for how long, and what happens when."""

    devices: int
    rate: float
    seconds: float | None
    scenario: str
    scenario_after_s: float
    affected: int
    scale: float
    cuff_every_s: float
    seed: int


def now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


def _hardware(name: str, order: HomesOrder) -> list[Identity]:
    chosen = [machine(name, interval_s=1.0 / order.rate)]
    if order.cuff_every_s > 0:
        chosen.append(cuff(name, interval_s=order.cuff_every_s))
    return chosen


async def _enrol(record: Record, name: str, order: HomesOrder) -> dict[str, Credential]:
    """Write one home's patient and devices; return credentials by EUI-64."""
    patient_id = f"sim-patient-{name}"
    await record.ensure(
        resources.patient(
            patient_id, "Sim", name.capitalize(), "unknown", "1960-01-01", "en", "+12025550199"
        )
    )
    found: dict[str, Credential] = {}
    for hardware in _hardware(name, order):
        device_id = f"sim-{hardware.kind}-{name}"
        await record.ensure(resources.device(device_id, hardware))
        await record.ensure(resources.in_use(f"{device_id}-use", patient_id, device_id))
        answer = await record.enroll(device_id)
        found[hardware.eui64] = Credential(
            answer["username"], answer["password"], answer["tenant"], answer["device"]
        )
    return found


async def _enrol_all(
    record: Record, names: list[str], order: HomesOrder
) -> dict[str, dict[str, Credential]]:
    limit = asyncio.Semaphore(ENROLLED_AT_ONCE)

    async def one(name: str) -> tuple[str, dict[str, Credential]]:
        async with limit:
            return name, await _enrol(record, name, order)

    return dict(await asyncio.gather(*(one(name) for name in names)))


async def _report(fleet: Fleet, say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    last_at, last_acknowledged = loop.time(), 0
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        acknowledged = sum(sum(link.buffer.acknowledged.values()) for link in fleet.links)
        at = loop.time()
        rate = (acknowledged - last_acknowledged) / (at - last_at)
        last_at, last_acknowledged = at, acknowledged
        say(f"{rate:8.1f} messages/s acknowledged; {summary(fleet)}")


def summary(fleet: Fleet) -> str:
    """Return what became of every message so far, in one line."""
    links = fleet.links
    connected = sum(link.connected.is_set() for link in links)
    acknowledged = sum(sum(link.buffer.acknowledged.values()) for link in links)
    rejected = sum(sum(link.buffer.rejected.values()) for link in links)
    lost = sum(sum(link.buffer.overflowed.values()) for link in links)
    waiting = sum(len(link.buffer) for link in links)
    resent = sum(link.buffer.resent for link in links)
    return (
        f"{connected}/{len(links)} connected, {acknowledged} acknowledged, {rejected} rejected, "
        f"{waiting} waiting, {resent} sent again, {lost} lost by overflow"
    )


async def run_homes(demo_json: Path, order: HomesOrder, say: Callable[[str], None]) -> int:
    """Run the order; returns 0 when every message was answered, 1 when some still wait."""
    if not demo_json.exists():  # noqa: ASYNC240 - nothing else runs yet
        say(f"{demo_json} is not there: start the demonstration first (make run)")
        return 2
    place = orjson.loads(demo_json.read_bytes())  # noqa: ASYNC240 - as above
    host, _, port = place["mqtt"].rpartition(":")
    broker = Broker(host, int(port))
    names = [f"home{index:04d}" for index in range(order.devices)]
    async with httpx.AsyncClient(timeout=30.0) as http:
        record = Record(http, place["base"], place["tokens"]["admin"])
        say(f"enrolling {order.devices} homes")
        credentials = await _enrol_all(record, names, order)
    fleet = Fleet(now, step_s=min(1.0, 1.0 / order.rate))
    boot = secrets.token_hex(4)
    for index, name in enumerate(names):
        speakers = [Speaker(hardware, boot) for hardware in _hardware(name, order)]
        links = {
            speaker.identity.eui64: Link(
                broker,
                credentials[name][speaker.identity.eui64],
                speaker,
                StoreAndForward(boot),
                on_control=fleet.control_payload if index == 0 and speaker is speakers[0] else None,
            )
            for speaker in speakers
        }
        home = Home(
            name,
            Treatment(order.seed + index, elapsed_min=_ELAPSED_MIN),
            speakers[0],
            speakers[1] if len(speakers) > 1 else None,
            started=started_before(now(), _ELAPSED_MIN),
            mono_ms=int(_ELAPSED_MIN * 60_000),
        )
        fleet.add(home, links)
    say("connecting")
    await fleet.open()
    reporting = asyncio.create_task(_report(fleet, say))
    disturbing = asyncio.create_task(_disturb(fleet, order))
    try:
        await fleet.run(order.seconds)
        answered = await _settle(fleet)
    finally:
        reporting.cancel()
        disturbing.cancel()
        await fleet.close()
    say(summary(fleet))
    return 0 if answered else 1


async def _disturb(fleet: Fleet, order: HomesOrder) -> None:
    await asyncio.sleep(order.scenario_after_s)
    for home in fleet.homes[: order.affected]:
        home.begin(named(order.scenario, scale=order.scale))


async def _settle(fleet: Fleet) -> bool:
    """Wait until every message is answered; False when some still wait after `SETTLE_S`."""
    for _ in range(int(SETTLE_S / 0.1)):
        if not any(len(link.buffer) for link in fleet.links):
            return True
        for link in fleet.links:
            link.beat()
        await asyncio.sleep(0.1)
    return False
