"""Devices that fall silent, against a real database: who is watched, when it is told, and when it is nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, LiteralString

import pytest
from psycopg import AsyncConnection

from subscriptions.evaluation.every_second import WatchTime
from tests.conftest import Database
from tests.integration.evaluation.conftest import DEVICE_USE, SYSTOLIC, Home


async def test_silence_in_treatment_is_told_twice_and_ends_with_a_sign_of_life(home: Home) -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign())
    home.pass_time(19)
    assert await home.scan() == 0
    home.pass_time(1.5)
    assert await home.scan() == 1
    home.pass_time(45)
    assert await home.scan() == 1
    assert await home.scan() == 0
    await home.contact(home.sign())
    assert home.listener.causes == [
        "raised PM device-silent",
        "priority-raised PH device-silent",
        "condition-ended PH device-silent",
    ]


async def test_a_last_will_in_treatment_is_told_at_once(home: Home) -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign())
    home.pass_time(3)
    await home.contact(home.sign(online=False, mode=None, patient=None))
    assert home.listener.causes == ["raised PM device-silent"]


@pytest.mark.parametrize("mode", ["IDL", "PRETX", None])
async def test_outside_treatment_and_from_a_cuff_silence_is_nothing(
    home: Home, mode: str | None
) -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign(mode=mode))  # type: ignore[arg-type]
    await home.contact(home.sign(online=False, mode=None))
    home.pass_time(300)
    assert await home.scan() == 0


async def test_a_device_nobody_uses_is_not_watched(home: Home) -> None:
    await home.contact(home.sign(patient=None))
    home.pass_time(300)
    assert await home.scan() == 0


async def test_the_servers_own_absence_is_not_the_devices(home: Home) -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign())
    home.pass_time(300)
    assert await home.scan(listening_since=home.now) == 0


async def test_a_returned_device_is_no_longer_watched(home: Home) -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign())
    await home.put(
        {
            **DEVICE_USE,
            "status": "completed",
            "timingPeriod": {"start": "2026-07-01", "end": "2026-07-31"},
        }
    )
    home.pass_time(300)
    assert await home.scan() == 0


async def test_every_second_every_tenant_is_watched_by_the_worker_role(
    home: Home, database: Database
) -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign())
    await home.measure(home.reading(SYSTOLIC, 88))
    home.pass_time(121)
    worker = await AsyncConnection.connect(database.dsn_as("fhir_worker"), autocommit=True)
    async with worker:

        async def execute(sql: LiteralString, args: Sequence[Any]) -> list[tuple[Any, ...]]:
            return await (await worker.execute(sql, args)).fetchall()

        tick = WatchTime(
            home.evaluation,
            home.record.transaction,
            execute,
            home.clock,
            lambda: home.now - timedelta(hours=1),
        )
        await tick()
        await tick()
    assert home.listener.causes[1:] == ["priority-raised PH 196670", "raised PH device-silent"]
