"""Faults of devices become alerts, and the absence of news ends them."""

from fhirserver import definitions
from fhirserver.kernel.readings import DeviceFault, FaultKind
from tests.integration.evaluation.conftest import Home

ADDRESS = "0A1B2CFFFE3D4E5F"


async def fault(
    home: Home, kind: FaultKind, amount: int, *, device: str | None = "m1", patient: str = "ann"
) -> None:
    told = DeviceFault(
        device, ADDRESS, patient if device else None, kind, amount, home.now, simulated=False
    )
    async with home.record.transaction(1) as tx:
        await home.evaluation.faults(tx, [told])


async def test_missing_readings_ring_after_half_a_minute_and_end_when_they_came(
    home: Home,
) -> None:
    await fault(home, "gap-tel", 25)
    home.pass_time(29)
    await home.scan()
    assert home.listener.causes == []
    home.pass_time(2)
    await home.scan()
    await home.scan()
    assert home.listener.causes == ["raised PM readings-missing"]
    await fault(home, "gap-tel", 0)
    assert home.listener.causes[1:] == ["condition-ended PM readings-missing"]
    assert await home.query("SELECT * FROM device_trouble") == []


async def test_a_replay_within_half_a_minute_rings_nobody(home: Home) -> None:
    await fault(home, "gap-tel", 25)
    home.pass_time(20)
    await fault(home, "gap-tel", 0)
    home.pass_time(60)
    assert await home.scan() == 0
    assert home.listener.causes == []


async def test_a_wrong_clock_and_refused_data_stand_on_the_list_and_have_no_flag(
    home: Home,
) -> None:
    await fault(home, "clock", 90)
    await fault(home, "data", 1)
    await fault(home, "data", 1)
    assert home.listener.causes == ["raised PL clock-wrong", "raised PL data-quality"]
    assert [alert.pages for _, alert in home.listener.told] == [False, False]
    assert await home.query("SELECT 1 FROM alert WHERE flag IS NOT NULL") == []
    await fault(home, "clock", 0)
    home.pass_time(601)
    await home.scan()
    assert home.listener.causes[2:] == [
        "condition-ended PL clock-wrong",
        "condition-ended PL data-quality",
    ]


async def test_an_alarm_of_a_device_nobody_knows_asks_the_operator_once_an_hour(
    home: Home,
) -> None:
    async def asked() -> int:
        number = definitions.load().type_number("Task")
        return len(await home.query("SELECT 1 FROM resource WHERE type = %s", (number,)))

    for seconds in (0, 60, 3000):
        home.pass_time(seconds)
        await fault(home, "event", 1, device=None)
        assert await asked() == 1
    assert home.listener.causes == []
    home.pass_time(600)
    await home.scan()
    await fault(home, "event", 1, device=None)
    assert await asked() == 2
