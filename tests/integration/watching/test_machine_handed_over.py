"""A machine that goes to somebody else, or to nobody: its silence is no longer the first one's affair."""

import json
from datetime import datetime, timedelta
from typing import Final

import pytest

from tests.integration.watching.test_devices_that_say_nothing_or_lie import (
    START,
    VENOUS,
    Machine,
    machine,
)

__all__ = ["machine"]
OFFLINE: Final = b'{"schema":"hd.status/1","state":"offline"}'


async def use(
    machine: Machine, name: str, patient: str, since: datetime, until: datetime | None
) -> None:
    """Store a DeviceUseStatement: `patient` uses the machine in this time."""
    period = {"start": since.isoformat()}
    if until is not None:
        period["end"] = until.isoformat()
    async with machine.server.record.transaction(machine.tenant) as tx:
        if await tx.get("Patient", patient) is None:
            await tx.put({"resourceType": "Patient"}, id_=patient)
        await tx.put(
            {
                "resourceType": "DeviceUseStatement",
                "status": "active",
                "subject": {"reference": f"Patient/{patient}"},
                "device": {"reference": "Device/m1"},
                "timingPeriod": period,
            },
            id_=name,
        )


async def treat(machine: Machine, seconds: int) -> None:
    for _ in range(seconds):
        await machine.say({VENOUS: 160})
        assert await machine.seconds(1) == []


async def taken_away(machine: Machine) -> None:
    """End Ann's use of the machine now."""
    await use(machine, "use", "ann", START - timedelta(days=1), machine.server.clock())


async def test_a_machine_that_was_taken_away_and_falls_silent_rings_nobody(
    machine: Machine,
) -> None:
    await treat(machine, 5)
    await taken_away(machine)
    assert await machine.seconds(100) == []


async def test_what_it_said_before_and_arrives_after_it_was_taken_away_rings_nobody(
    machine: Machine,
) -> None:
    await treat(machine, 5)
    said = machine.message({VENOUS: 160})
    machine.server.ahead += timedelta(milliseconds=500)
    await taken_away(machine)
    machine.server.ahead += timedelta(milliseconds=500)
    await machine.deliver(said)
    assert await machine.seconds(100) == []
    await machine.deliver(OFFLINE, kind="status")
    assert await machine.alerts() == []


@pytest.mark.parametrize("speaks", [True, False], ids=["speaks on", "is cut off"])
async def test_an_end_that_was_known_before_ends_the_watch_all_the_same(
    machine: Machine, speaks: bool
) -> None:
    await use(machine, "use", "ann", START - timedelta(days=1), START + timedelta(seconds=10))
    await treat(machine, 8)
    machine.server.ahead += timedelta(seconds=4)
    if speaks:
        await machine.say({VENOUS: 160})
    else:
        await machine.deliver(OFFLINE, kind="status")
    assert await machine.seconds(100) == []


async def test_the_next_patient_is_watched_from_the_first_word_on(machine: Machine) -> None:
    await treat(machine, 5)
    await taken_away(machine)
    machine.server.ahead += timedelta(hours=1)
    await use(machine, "next", "bea", machine.server.clock(), None)
    assert await machine.seconds(100) == [], "it has said nothing in her home yet"
    await machine.say({VENOUS: 160})
    told = await machine.seconds(70)
    assert [(code, priority) for _, code, priority in told] == [
        ("device-silent", "PM"),
        ("device-silent", "PH"),
    ]
    assert await machine.query("SELECT DISTINCT patient FROM alert") == [("bea",)]


async def test_a_silence_that_was_told_of_the_first_is_told_anew_of_the_next(
    machine: Machine,
) -> None:
    await machine.say({VENOUS: 160})
    await machine.seconds(70)
    await taken_away(machine)
    await use(machine, "next", "bea", machine.server.clock(), None)
    assert await machine.seconds(30) == []
    await machine.deliver(json.dumps(ONLINE).encode(), kind="status")
    assert await machine.seconds(30) == [], "being there again is no treatment of hers"
    await machine.say({VENOUS: 160})
    await machine.seconds(70)
    found = await machine.query("SELECT patient, priority FROM alert ORDER BY raised")
    assert found == [("ann", "PH"), ("bea", "PH")]


ONLINE: Final = {"schema": "hd.status/1", "state": "online"}
