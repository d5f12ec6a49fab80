"""A gateway that is lost: after a moment every machine behind it that treats somebody is silent."""

from dataclasses import replace

import pytest

from fhirserver.kernel.readings import Mode
from subscriptions.store import silence_rows
from tests.integration.evaluation.conftest import DEVICE_USE, Home

SILENT = ["raised PM device-silent"]


async def treating(home: Home, mode: Mode = "TX") -> None:
    await home.put(DEVICE_USE)
    await home.contact(home.sign(mode=mode))
    home.pass_time(1)


async def gateway(home: Home, *, online: bool = False) -> None:
    await home.contact(replace(home.sign(mode=None), online=online, by_gateway=True))


async def scanned(home: Home, seconds: float) -> list[str]:
    home.pass_time(seconds)
    await home.scan()
    return home.listener.causes


async def test_it_is_told_after_a_moment_and_ends_when_the_machine_is_heard(home: Home) -> None:
    await treating(home)
    await gateway(home)
    assert await scanned(home, 4) == []
    assert await scanned(home, 1) == SILENT
    assert await scanned(home, 1) == SILENT
    await home.contact(home.sign())
    assert home.listener.causes == [*SILENT, "condition-ended PM device-silent"]
    assert await scanned(home, 10) == [*SILENT, "condition-ended PM device-silent"]


async def test_a_gateway_that_is_back_at_once_rings_nobody(home: Home) -> None:
    await treating(home)
    await gateway(home)
    home.pass_time(2)
    await gateway(home, online=True)
    assert await scanned(home, 5) == []
    assert await scanned(home, 14) == SILENT, "but what a machine does not say counts on"


async def test_a_machine_that_speaks_is_there_whatever_its_gateway_says(home: Home) -> None:
    await treating(home)
    await gateway(home)
    home.pass_time(1)
    await home.contact(home.sign())
    assert await scanned(home, 6) == []


@pytest.mark.parametrize("mode", ["IDL", "POSTTX"])
async def test_a_machine_at_rest_is_not_missed(home: Home, mode: Mode) -> None:
    await treating(home, mode)
    await gateway(home)
    assert await scanned(home, 60) == []


async def test_machines_at_rest_do_not_hide_one_in_treatment(home: Home) -> None:
    await home.put(DEVICE_USE)
    resting = [replace(home.sign(mode="IDL"), device=f"idle-{one}") for one in range(3)]
    await home.contact(*resting)
    home.pass_time(5)
    await home.contact(home.sign())
    home.pass_time(30)
    async with home.record.transaction(1) as tx:
        found = await silence_rows.due(tx, home.now.replace(year=2020), 2)
    assert [watched.device for watched in found] == ["m1"]
