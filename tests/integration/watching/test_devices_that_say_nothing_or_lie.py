"""A device that is silent, has a wrong clock, repeats itself or loses its thread: somebody is told."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.batch import Incoming
from adapters.mqtt.messages import Kind, Topic
from subscriptions.evaluation.every_second import WatchTime
from tests.integration.watching.conftest import Server

ADDRESS = "0A1B2CFFFE3D4E5F"
START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
VENOUS, SYSTOLIC, DIASTOLIC = "158776", "150021", "150022"


class Machine:
    """A machine that treats Ann, second by second."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.seq = 0
        self.skew = timedelta(0)
        self.watch = WatchTime(
            server.parts.observer,  # type: ignore[arg-type]  # the composite observer scans
            server.record.work,
            server.record.scan,
            server.clock,
            lambda: START - timedelta(hours=1),
        )

    @property
    def tenant(self) -> int:
        return self.server.names["home"]

    def message(self, values: Mapping[str, int], *, mode: str = "TX", seq: int = 0) -> bytes:
        now = self.server.clock()
        self.seq += 1
        body = {
            "schema": "hd.tel/1", "dev": ADDRESS, "boot": "b1", "seq": seq or self.seq, "mode": mode,
            "dev_time": (now + self.skew).isoformat(), "mono_ms": self.elapsed_ms,
            "s": [{"t": 0, "v": dict(values)}],
        }  # fmt: skip
        return json.dumps(body).encode()

    @property
    def elapsed_ms(self) -> int:
        return round(self.server.ahead.total_seconds() * 1000) + 5000

    async def deliver(self, *payloads: bytes, kind: Kind = "tel") -> None:
        batch = [
            Incoming(Topic("home", ADDRESS, kind), payload, self.server.clock())
            for payload in payloads
        ]
        await self.server.ingest.commit(self.tenant, batch)

    async def say(self, values: Mapping[str, int], *, mode: str = "TX") -> None:
        await self.deliver(self.message(values, mode=mode))

    async def seconds(self, count: int) -> list[tuple[int, str, str]]:
        """Let seconds pass, the server watching; return what was raised or raised higher, and when."""
        happened = []
        known = set(await self.alerts())
        for second in range(1, count + 1):
            self.server.ahead += timedelta(seconds=1)
            await self.watch()
            new = set(await self.alerts()) - known
            happened += [(second, code, priority) for code, priority in sorted(new)]
            known |= new
        return happened

    async def alerts(self) -> list[tuple[str, str]]:
        found = await self.query("SELECT code, priority FROM alert ORDER BY raised, code")
        return [(code, priority) for code, priority in found]

    async def query(self, sql: Any) -> list[tuple[Any, ...]]:
        async with self.server.record.transaction(self.tenant) as tx:
            return await tx.execute(sql, ())

    async def observations(self) -> int:
        number = self.server.record._definitions_of(1).type_number("Observation")
        return int((await self.query(f"SELECT count(*) FROM resource WHERE type = {number}"))[0][0])


@pytest.fixture
async def machine(server: Server) -> Machine:
    server.fixed = START
    await server.record.ensure_partitions()
    machine = Machine(server)
    async with server.record.transaction(machine.tenant) as tx:
        await tx.put({"resourceType": "Patient"}, id_="ann")
        identifier = {
            "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
            "value": "0A-1B-2C-FF-FE-3D-4E-5F",
        }
        await tx.put({"resourceType": "Device", "identifier": [identifier]}, id_="m1")
        await tx.put(
            {
                "resourceType": "DeviceUseStatement",
                "status": "active",
                "subject": {"reference": "Patient/ann"},
                "device": {"reference": "Device/m1"},
                "timingPeriod": {"start": "2026-07-01"},
            },
            id_="use",
        )
    await server.record.enroll_device(machine.tenant, "m1")
    return machine


async def test_a_machine_that_falls_silent_in_treatment_is_pm_and_then_ph(
    machine: Machine,
) -> None:
    for _ in range(7):
        await machine.say({VENOUS: 160})
        assert await machine.seconds(1) == []
    told = await machine.seconds(90)
    assert [(code, priority) for _, code, priority in told] == [
        ("device-silent", "PM"),
        ("device-silent", "PH"),
    ]
    (first, _, _), (second, _, _) = told
    # One of the seconds had passed already.
    assert 15 <= first + 1 <= 30
    assert 60 <= second + 1 <= 90


async def test_a_machine_that_said_it_sends_seldom_is_given_time(machine: Machine) -> None:
    birth = {"schema": "hd.birth/1", "dev": ADDRESS, "boot": "b1", "interval_s": 15, "metrics": {}}
    await machine.deliver(json.dumps(birth).encode(), kind="birth")
    await machine.say({VENOUS: 160})
    told = await machine.seconds(100)
    assert [(code, priority) for _, code, priority in told] == [
        ("device-silent", "PM"),
        ("device-silent", "PH"),
    ]
    assert (45, 90) <= (told[0][0], told[1][0]) <= (47, 92)


async def test_a_last_will_is_told_at_once_and_being_idle_never(machine: Machine) -> None:
    await machine.say({VENOUS: 160}, mode="IDL")
    assert await machine.seconds(120) == []
    await machine.deliver(b'{"schema":"hd.status/1","state":"offline"}', kind="status")
    assert await machine.alerts() == []
    await machine.say({VENOUS: 160})
    await machine.deliver(b'{"schema":"hd.status/1","state":"offline"}', kind="status")
    assert await machine.alerts() == [("device-silent", "PM")]


async def test_a_machine_that_only_babbles_is_silent(machine: Machine) -> None:
    await machine.say({VENOUS: 160})
    for _ in range(25):
        await machine.deliver(b"{")
        await machine.seconds(1)
    assert set(await machine.alerts()) == {("device-silent", "PM"), ("data-quality", "PL")}


@pytest.mark.parametrize(
    "skew",
    [timedelta(seconds=90), timedelta(hours=-1), START.replace(year=1970) - START],
    ids=["90 s ahead", "an hour behind", "1970"],
)
async def test_a_wrong_clock_is_told_mapped_and_hides_no_alarm(
    machine: Machine, skew: timedelta
) -> None:
    await machine.say({VENOUS: 160})
    machine.skew = skew
    await machine.seconds(1)
    await machine.say({SYSTOLIC: 60, DIASTOLIC: 40})
    assert await machine.alerts() == [("196670", "PH"), ("clock-wrong", "PL")]
    ((onset, delayed, pages),) = await machine.query(
        "SELECT onset, delayed, pages FROM alert WHERE priority = 'PH'"
    )
    # The time on the record is the true one, not the clock's and not a "now" made up for it.
    assert abs(onset - (START + timedelta(seconds=1))) < timedelta(seconds=1)
    assert (delayed, pages) == (False, True)
    machine.skew = timedelta(0)
    await machine.seconds(1)
    await machine.say({VENOUS: 160})
    ended = await machine.query("SELECT condition FROM alert WHERE code = 'clock-wrong'")
    assert ended == [("absent",)]


async def test_repeated_and_reordered_messages_say_nothing_twice(machine: Machine) -> None:
    sent = []
    for second in range(12):
        sent.append(machine.message({VENOUS: 160 if second != 6 else 161}))
        machine.server.ahead += timedelta(seconds=1)
    shuffled = [sent[i] for i in (1, 0, 3, 2, 2, 5, 4, 7, 6, 6, 9, 8, 11, 10)]
    await machine.deliver(*shuffled[:5])
    await machine.deliver(*shuffled[3:])
    # A gateway that reconnects sends everything again.
    await machine.deliver(*sent)
    assert await machine.observations() == 12
    assert await machine.seconds(1) == []
    assert await machine.alerts() == []


async def test_what_is_lost_for_good_is_told(machine: Machine) -> None:
    await machine.say({VENOUS: 160})
    machine.seq += 15
    told = []
    for second in range(35):
        await machine.say({VENOUS: 160})
        told += [(second, code, priority) for _, code, priority in await machine.seconds(1)]
    assert told == [(29, "readings-missing", "PM")]
