"""kill -9 of every process of the server while devices stream and patients get into trouble.

Every acknowledged reading must be there exactly once afterwards, every alarm must have reached its
telephone and be recorded once, and an oracle that judges all stored readings again must find no
alert missed and none surplus. FHIR_KILL_SEED repeats a run.
"""

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from conformance.alarms.audit import audit
from conformance.history import (
    Owed,
    Told,
    Violation,
    check_alarms,
    check_readings,
    check_records,
)
from conformance.load import homes as setup
from conformance.load import processes
from conformance.load.device import Device, Habits
from conformance.load.household import Household
from conformance.load.messages import DIASTOLIC, FALLEN, SYSTOLIC, VENOUS_ACCESS, calm
from conformance.load.phone_log import PhoneLog
from conformance.load.tally import Tally
from conformance.load.verify import read_patient
from conformance.record import Record
from tests.e2e.conftest import RunningServer
from tests.patience import PATIENCE_SECONDS

# With the blood flow among them: whether a needle slipped is judged with it.
VALUES = 5
VENOUS = "158776"
SLIPPED: Mapping[str, int | float] = {VENOUS: 130}
# What a rule of change has to remember, sent in one message as after a connection that was lost.
HISTORY_SECONDS = 240
BETWEEN_MESSAGES_S = 0.4
RECOVERY_SECONDS = 300.0
DRAIN_SECONDS = 300.0
KINDS = 6
KILLS = 20
HOMES = 12


@dataclass
class Ordeal:
    """Devices that stream, and a hand that kills, by dice thrown with `seed`."""

    server: RunningServer
    seed: int
    tally: Tally = field(default_factory=Tally)
    devices: list[Device] = field(default_factory=list)
    homes: list[Household] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    # What a device measures from now on, by its number, where that is not the usual.
    lasting: dict[int, Mapping[str, int | float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.begun = time.monotonic()
        self.tell(f"seed {self.seed}: FHIR_KILL_SEED={self.seed} repeats this run")

    def tell(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    async def survive(self, count: int, victims: Sequence[str]) -> list[Violation]:
        """Let `count` devices stream while `victims` are killed one after another."""
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as http:
            record = Record(http, self.server.base, self.server.token)
            phones = PhoneLog(http, self.server.phone)
            await self._settle(record, phones, count)
            running = [asyncio.ensure_future(device.run()) for device in self.devices]
            running += [asyncio.ensure_future(self._stream(place)) for place in range(count)]
            repeating = asyncio.ensure_future(self._repeat())
            try:
                await self._acknowledged_again()
                for number, victim in enumerate(victims):
                    await self._kill_near_an_alarm(number, victim)
                for task in running[count:]:
                    task.cancel()
                await self._drain()
                await self._telephones(phones)
            except BaseException:
                self.tell(f"the end of the server's log:\n{self.server.process.last_words()}")
                raise
            finally:
                for task in (*running, repeating):
                    task.cancel()
                await asyncio.gather(*running, repeating, return_exceptions=True)
            return await self._violations(record, phones)

    async def _settle(self, record: Record, phones: PhoneLog, count: int) -> None:
        self.homes = [Household(f"kill{self.seed % 10**6}", number) for number in range(count)]
        credentials = await setup.settle(record, self.homes)
        webhook = f"{self.server.url}/telephony/{credentials[0].tenant}/sms"
        await setup.reach(record, phones, self.homes, webhook)
        self.devices = [
            Device(
                self.server.mqtt,
                credentials[home.number],
                f"boot-{self.seed}",
                home.patient,
                self.tally,
                Habits(values=VALUES, resend_after_s=3.0),
            )
            for home in self.homes
        ]
        self.tell(f"{count} homes are written, their telephones proven")

    async def _stream(self, place: int) -> None:
        device = self.devices[place]
        dice = random.Random(f"{self.seed}/{device.patient}")
        device.measure(samples=HISTORY_SECONDS, spread_ms=HISTORY_SECONDS * 1000)
        while True:
            await asyncio.sleep(BETWEEN_MESSAGES_S * (0.5 + dice.random()))
            device.measure(self.lasting.get(place))

    async def _upset(self, number: int) -> None:
        """Let another patient's readings go wrong, each patient's once, in one of four ways.

        A second time would be a new alert or not as somebody has answered, which no reading says.
        """
        if number >= len(self.devices):
            return
        place = (number + len(self.devices) // 2) % len(self.devices)
        device = self.devices[place]
        match number % 4:
            case 0:
                self.lasting[place] = SLIPPED
            case 1:
                device.measure(FALLEN)
            case 2:
                for systolic in (88, 87):
                    device.measure({SYSTOLIC: systolic, DIASTOLIC: 60})
                    await asyncio.sleep(self.dice.uniform(0.1, 1.0))
            case 3:
                device.measure({VENOUS: 900})

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for device in self.devices:
                device.repeat()

    async def _kill_near_an_alarm(self, number: int, victim: str) -> None:
        await asyncio.sleep(self.dice.uniform(0.2, 1.5))
        before_s = self.dice.uniform(-0.3, 0.3)
        troubles = asyncio.gather(self._alarm(number, max(0.0, -before_s)), self._upset(number))
        await asyncio.sleep(max(0.0, before_s))
        await self._kill(victim)
        await troubles
        await self._recovered(victim)

    async def _alarm(self, number: int, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        position = number % len(self.devices)
        if number < len(self.devices):
            self.owed.append(Owed(number, self.homes[position].telephone, time.time()))
            self.devices[position].alarm(VENOUS_ACCESS, "PH")

    async def _kill(self, victim: str) -> None:
        found = await self._running(victim)
        self.tell(f"kill -9 {victim} ({found.pid})")
        if victim == "supervisor":
            self.server.process.kill()
        else:
            found.kill()

    async def _running(self, victim: str) -> psutil.Process:
        """Return the process to kill; one that was killed a moment ago is waited for."""
        async with asyncio.timeout(RECOVERY_SECONDS):
            while True:
                everything = processes.of_data(self.server.data, self.server.process.pid)
                found = processes.matching(everything, victim)
                if victim == processes.POSTGRES:
                    postmaster = processes.postmaster(everything)
                    found = [] if postmaster is None else [postmaster]
                if found:
                    return found[0]
                await asyncio.sleep(0.1)

    async def _recovered(self, victim: str) -> None:
        if victim == "supervisor":
            await asyncio.sleep(self.dice.uniform(0.0, 2.0))
            self.server.process.start()
        begun = time.monotonic()
        await asyncio.to_thread(self.server.process.wait_ready, RECOVERY_SECONDS)
        await self._acknowledged_again()
        self.tell(f"{victim} is back: everybody heard after {time.monotonic() - begun:.1f} s")

    async def _acknowledged_again(self) -> None:
        """Wait until every device has something acknowledged that it said from now on."""
        now = {device.voice.device: device.readings for device in self.devices}
        async with asyncio.timeout(RECOVERY_SECONDS):
            while any(  # noqa: ASYNC110 - many devices, looked at together
                max(self.tally.acknowledged_readings[name], default=0) <= said
                for name, said in now.items()
            ):
                await asyncio.sleep(0.05)

    async def _drain(self) -> None:
        async with asyncio.timeout(DRAIN_SECONDS):
            while any(device.waiting for device in self.devices):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        self.tell(f"everything is acknowledged: {self.tally.messages} messages")

    async def _telephones(self, phones: PhoneLog) -> None:
        begun = time.monotonic()
        while self._unsaid(phones) and time.monotonic() - begun < DRAIN_SECONDS:
            await phones.read()
            await asyncio.sleep(0.1)
        self.tell(f"{len(self.owed)} alarms, {len(self._unsaid(phones))} unsaid")

    def _unsaid(self, phones: PhoneLog) -> list[Violation]:
        told = [Told(one.telephone, one.at) for one in phones.heard if one.is_alarm]
        return check_alarms(self.owed, told)

    async def _violations(self, record: Record, phones: PhoneLog) -> list[Violation]:
        violations = self._unsaid(phones)
        for device in self.devices:
            name = device.voice.device
            acknowledged = self.tally.acknowledged_readings[name]
            sent = frozenset(range(1, device.readings + 1))
            found = await read_patient(record, device.patient)
            violations += check_readings(device.patient, sent, acknowledged, found.readings)
            # A message is stored whole or not at all: each of its values is there as often.
            violations += [
                Violation("lost", f"{device.patient}, code {code}", count, 0)
                for code in calm(1, VALUES)
                if (count := found.by_code.get(code, 0)) != len(found.readings)
            ]
        owed = {self.homes[one.number].patient: one.number for one in self.owed}
        flags = {patient: await _flags(record, patient) for patient in owed}
        deviations = await audit(record, [home.patient for home in self.homes], self.tell)
        wrong = [Violation("alarm-unrecorded", str(one), 0, 0) for one in deviations]
        return violations + check_records(owed, flags) + wrong


async def _flags(record: Record, patient: str) -> int:
    return sum(
        [
            any(coding["code"] == VENOUS_ACCESS for coding in flag["code"]["coding"])
            async for flag in record.search("Flag", {"patient": patient})
        ]
    )


def _seed() -> int:
    return int(os.environ.get("FHIR_KILL_SEED") or random.SystemRandom().getrandbits(32))


def _kinds(server: RunningServer) -> list[str]:
    """Return what there is to kill: supervisor, workers, database, broker."""
    everything = processes.of_data(server.data, server.process.pid)
    kinds = {_purpose(one) for one in everything}
    assert len(kinds) >= KINDS, kinds
    return sorted(kinds)


def _purpose(one: psutil.Process) -> str:
    return processes.purpose(one.name(), one.cmdline())


async def test_every_process_killed_and_no_alert_missed_or_surplus(
    mortal_server: RunningServer,
) -> None:
    ordeal = Ordeal(mortal_server, _seed())
    kinds = _kinds(mortal_server)
    # Whoever takes long to come back is killed once, those who hear and judge again and again.
    often = [kind for kind in kinds if "ingest" in kind or "engine" in kind]
    victims = kinds + [ordeal.dice.choice(often) for _ in range(KILLS - len(kinds))]
    ordeal.dice.shuffle(victims)
    assert await ordeal.survive(HOMES, victims) == []
    assert len(ordeal.owed) == HOMES


@pytest.mark.slow
async def test_processes_killed_again_and_again(mortal_server: RunningServer) -> None:
    ordeal = Ordeal(mortal_server, _seed())
    victims = [ordeal.dice.choice(_kinds(mortal_server)) for _ in range(40)]
    assert await ordeal.survive(40, victims) == []
    assert len(ordeal.owed) == len(victims)
