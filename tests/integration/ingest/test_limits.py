"""What a machine announces of its own limits: on DeviceMetrics, and told to whoever judges readings."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.wire import fhir_json
from tests.integration.ingest.test_ingest import ADMIN, BIRTH, Home, clock, evt, home, witness
from tests.integration.store.conftest import Witness

__all__ = ["clock", "home", "witness"]

METRIC = "machine.158776"


def born(limits: Any = None, boot: str = "b1", **more: Any) -> tuple[str, dict[str, Any]]:
    venous = {"unit": "mm[Hg]"} | ({} if limits is None else {"limits": limits})
    return "birth", {**BIRTH, "boot": boot, "metrics": {"158776": venous}, **more}


async def metric(home: Home) -> dict[str, Any]:
    stored = await home.record.read(ADMIN, "DeviceMetric", METRIC)
    return fhir_json.read(stored.content)


async def test_a_birth_says_what_the_machine_gives_alarms_about(
    home: Home, witness: Witness
) -> None:
    (told,) = witness.limited
    assert (told.device, told.boot, told.announced) == ("machine", "b1", home.clock.now)
    (limit,) = told.limits
    assert (limit.code, limit.low, limit.high) == ("158776", Decimal(122), Decimal(262))
    assert (limit.metric, limit.version) == (METRIC, 1)
    (extension,) = (await metric(home))["extension"]
    assert [part["url"] for part in extension["extension"]] == ["low", "high", "type"]


async def test_a_later_birth_replaces_them_and_the_same_again_writes_nothing(
    home: Home, witness: Witness
) -> None:
    home.clock.now += timedelta(minutes=30)
    await home.say(born({"low": 110, "high": 250}))
    await home.say(born({"low": 110, "high": 250}))
    assert [(one.announced, one.limits[0].version) for one in witness.limited[1:]] == [
        (home.clock.now, 2),
        (home.clock.now, 2),
    ]
    assert (await home.record.read(ADMIN, "DeviceMetric", METRIC)).version == 2


@pytest.mark.parametrize("metrics", [{"158776": {"unit": "mm[Hg]"}}, {}])
async def test_a_boot_without_limits_has_none(
    home: Home, witness: Witness, metrics: dict[str, Any]
) -> None:
    home.clock.now += timedelta(hours=1)
    await home.say(born(boot="b2", metrics=metrics))
    assert (witness.limited[-1].boot, witness.limited[-1].limits) == ("b2", ())
    assert "extension" not in await metric(home)
    told = len(witness.limited)
    home.clock.now += timedelta(hours=1)
    await home.say(born(boot="b3"))
    assert len(witness.limited) == told


async def test_of_several_births_in_a_batch_the_last_counts(home: Home, witness: Witness) -> None:
    await home.say(born({"low": 100}), born({"low": 90}))
    assert [one.limits[0].low for one in witness.limited[1:]] == [Decimal(90)]


async def test_an_alarm_is_a_simulators_though_its_birth_is_of_the_same_moment(
    home: Home, witness: Witness
) -> None:
    await home.say(evt(1, "198260", boot="b2"), born(boot="b2", sim=True))
    assert [one.simulated for one in witness.events] == [True]
