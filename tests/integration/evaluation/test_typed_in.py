"""A value somebody typed in calls people while monitoring is armed, and nobody otherwise."""

from datetime import timedelta

from fhirserver.kernel.resource import Json
from subscriptions.core.arming import Arming
from subscriptions.store import session_rows
from subscriptions.store.session_rows import ArmingRow
from tests.integration.evaluation.conftest import Home


async def arm(home: Home) -> None:
    async with home.record.transaction(1) as tx:
        armed = Arming("armed", home.now, home.now, ("RelatedPerson/bob",), None)
        await session_rows.save_arming(tx, "ann", ArmingRow(armed, None), None)


async def types(home: Home, systolic: int, *, minutes_ago: int = 0, **more: Json) -> None:
    measured = home.now - timedelta(minutes=minutes_ago)
    async with home.record.transaction(1) as tx:
        await tx.put(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "subject": {"reference": "Patient/ann"},
                "effectiveDateTime": measured.isoformat(),
                "valueQuantity": {"value": systolic, "unit": "mmHg"},
                **more,
            }
        )


def paging(home: Home) -> list[str]:
    return [f"{cause} {alert.priority}" for cause, alert in home.listener.told if alert.pages]


async def test_a_pressure_typed_in_while_armed_calls_people(home: Home) -> None:
    await types(home, 70)
    assert paging(home) == []
    await arm(home)
    home.pass_time(30)
    await types(home, 70)
    assert paging(home) == ["rang-again PH"]


async def test_a_second_reading_typed_in_counts(home: Home) -> None:
    await home.measure(home.reading("150021", 88))
    await arm(home)
    home.pass_time(60)
    await types(home, 87)
    assert paging(home) == ["raised PM", "priority-raised PH"]


async def test_old_values_and_those_of_devices_not_in_use_call_nobody_though_armed(
    home: Home,
) -> None:
    await arm(home)
    await types(home, 70, minutes_ago=6)
    await types(home, 70, device={"reference": "Device/m1"})
    await types(home, 70, device={"reference": "DeviceMetric/of-a-machine"})
    assert home.listener.told != []
    assert paging(home) == []
