"""A machine's own limits become rules of whoever uses it, and only for so long."""

from decimal import Decimal

from fhirserver.kernel.readings import DeviceLimits, Limit
from fhirserver.kernel.resource import Json
from subscriptions.evaluation.part import Evaluation
from subscriptions.evaluation.rule_book import has_own_order
from tests.integration.evaluation.conftest import DEVICE_USE, Home, order

VENOUS = "158776"
BEATEN = ["raised PM 196670"]


async def announce(home: Home, low: int | None, boot: str = "b1") -> None:
    limit = Limit(VENOUS, "mm[Hg]", None if low is None else Decimal(low), None, "m1.158776", 2)
    told = DeviceLimits("m1", boot, home.now, () if low is None else (limit,))
    async with home.record.transaction(1) as tx:
        await home.evaluation.limits(tx, [told])


async def low_for_a_minute(home: Home, evaluation: Evaluation | None = None) -> list[str]:
    """Let the machine measure 100 for a minute and return what was told of it."""
    before = len(home.listener.causes)
    for _ in range(7):
        home.pass_time(10)
        async with home.record.transaction(1) as tx:
            await (evaluation or home.evaluation).readings(tx, [home.reading(VENOUS, 100)])
    return home.listener.causes[before:]


async def test_what_a_machine_limits_holds_for_whoever_uses_it(home: Home) -> None:
    await home.put(DEVICE_USE)
    await announce(home, 112)
    assert await low_for_a_minute(home, Evaluation(home.listener)) == BEATEN
    alert = home.listener.told[-1][1]
    assert alert.rule_version == "DeviceMetric/m1.158776/_history/2"
    await announce(home, 90)
    assert await low_for_a_minute(home) == ["condition-ended PM 196670"]


async def test_it_holds_for_nobody_who_does_not_use_it(home: Home) -> None:
    await announce(home, 112)
    assert await low_for_a_minute(home) == []
    await home.put(DEVICE_USE)
    assert await low_for_a_minute(home) == BEATEN


async def test_it_ends_with_the_use_of_the_machine(home: Home) -> None:
    await home.put(DEVICE_USE)
    await announce(home, 112)
    returned: Json = {**DEVICE_USE, "status": "completed"}
    returned["timingPeriod"] = {"start": "2026-08-01", "end": "2026-08-01T09:00:00Z"}
    await home.put(returned)
    assert await low_for_a_minute(home) == []


async def test_it_ends_with_a_boot_that_announces_nothing(home: Home) -> None:
    await home.put(DEVICE_USE)
    await announce(home, 112)
    await announce(home, None, "b2")
    assert await low_for_a_minute(home) == []
    assert await home.query("SELECT count(*) FROM rule_set WHERE patient <> ''") == [(0,)]
    assert await home.query("SELECT count(*) FROM device_limit") == [(0,)]


async def test_orders_and_machines_do_not_touch_each_other(home: Home) -> None:
    await home.put(DEVICE_USE, order(110))
    await announce(home, 112)
    await home.measure(home.reading("150021", 105))
    assert home.listener.told[0][1].rule_version == "ServiceRequest/limits/_history/1"
    await home.put(order(110, status="revoked"))
    assert await low_for_a_minute(home) == BEATEN


async def test_a_machine_is_no_order_of_a_clinician(home: Home) -> None:
    await home.put(DEVICE_USE)
    await announce(home, 112)
    async with home.record.transaction(1) as tx:
        assert not await has_own_order(tx, "ann")
    await home.put(order(110))
    async with home.record.transaction(1) as tx:
        assert await has_own_order(tx, "ann")
