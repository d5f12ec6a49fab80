"""Messages of an interface have no numbers: taken in a transaction of its own, they become what MQTT's become."""

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.batch import Batch, Incoming
from adapters.hl7v2.device.birth import described
from adapters.hl7v2.device.reported import BOOT
from adapters.hl7v2.routing import Interpreted
from adapters.mqtt.messages import Birth, Message, Topic
from fhirserver.validation import validate
from tests.integration.ingest.test_ingest import ADDRESS, Home, clock, evt, home, tel, witness
from tests.unit.adapters.hl7v2.machine_messages import (
    ALARM,
    MMHG,
    facets,
    header,
    mode,
    obx,
    read_machine,
    venous,
)

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
SENT = "20260801090000+0000"


async def take(home: Home, found: Interpreted) -> Batch:
    """Store what a message of HL7 v2 says of devices, as a listener does."""
    (report,) = found.devices

    def incoming(kind: str) -> Incoming:
        topic = Topic("home", report.address, kind)  # type: ignore[arg-type]  # one of its kinds
        return Incoming(topic, b"raw", home.clock.now, "hl7v2")

    async with home.record.telemetry(1) as tx:
        before = (await tx.births({(report.address, BOOT)})).get((report.address, BOOT), {})
        content = described(before, report)
        decoded: list[tuple[Incoming, Message]] = []
        if content is not None:
            decoded.append((incoming("birth"), Birth(report.address, BOOT, None, content)))
        decoded += [(incoming("tel"), one) for one in report.telemetry]
        decoded += [(incoming("evt"), one) for one in report.events]
        state = await home.ingest.take(tx, decoded)
    home.ingest.settled(1, state)
    return state


def snapshot(*lines: str, **options: Any) -> Interpreted:
    return read_machine([mode(), *lines], head=header(sent=SENT), obr=_now(MACHINE_NOW), **options)


def _now(obr: str) -> str:
    return obr.replace("20260801093005+0000", SENT)


MACHINE_NOW = f"OBR|1||therapy^SIM_HD^{ADDRESS}^EUI-64|70929^^MDC|||20260801093005+0000"
PRESSURE = (
    obx("150021^MDC_PRESS_BLD_NONINV_SYS^MDC", "120", unit=MMHG),
    obx("150022^MDC_PRESS_BLD_NONINV_DIA^MDC", "75", unit=MMHG),
)


def without_identity(resource: dict[str, Any]) -> dict[str, Any]:
    meta = {
        key: value
        for key, value in resource.get("meta", {}).items()
        if key not in ("versionId", "lastUpdated")
    }
    return {**{key: value for key, value in resource.items() if key != "id"}, "meta": meta}


async def test_a_snapshot_becomes_the_same_observations_as_a_message_over_mqtt(home: Home) -> None:
    values = {"158776": 162, "150021": 120, "150022": 75}
    await home.say(tel(1, values, session="therapy"))
    over_mqtt = [without_identity(one) for one in await home.observations()]
    assert len(over_mqtt) == 2
    home.witness.values.clear()
    state = await take(home, snapshot(venous(), *PRESSURE))
    found = await home.observations()
    made = [one for one in found if one["id"] in {made.id for made in state.made}]
    assert len(made) == 2
    assert all(without_identity(one) in over_mqtt for one in made)
    assert all(validate(one) == [] for one in made)
    assert [(one.code, one.age, one.mode) for one in home.witness.values] == [
        ("158776", 0.0, "TX"), ("150021", 0.0, "TX"), ("150022", 0.0, "TX"),
    ]  # fmt: skip


async def test_nothing_is_missing_where_nothing_is_numbered(home: Home) -> None:
    for value in ("1", "2"):
        await take(home, snapshot(venous(value)))
    assert len(await home.observations()) == 2
    async with home.record.transaction(1) as tx:
        rows = await tx.execute(
            "SELECT committed::text FROM device_stream WHERE boot = %s", (BOOT,)
        )
        assert [one for (one,) in rows] == ["{}"]
        assert await tx.execute("SELECT 1 FROM device_fault") == []


async def test_what_is_known_of_the_machine_is_stored_when_it_changes(home: Home) -> None:
    for limits in ("122-262", "122-262", "100-262", ""):
        await take(home, snapshot(venous(limits=limits)))
    told = [[(one.low, one.high) for one in limits.limits] for limits in home.witness.limited[1:]]
    assert told == [[(Decimal(122), Decimal(262))], [(Decimal(100), Decimal(262))], []]
    (promised,) = {one.every for one in home.witness.alive if one.every is not None}
    assert promised == 30.0


async def test_what_the_device_says_of_a_value_stands_beside_it(home: Home) -> None:
    await take(home, snapshot(venous(status="QUES"), obx("158744^^MDC", "", status="INV")))
    found = {one["code"]["coding"][0]["code"]: one for one in await home.observations()}
    (status,) = found["158776"]["interpretation"]
    assert [one["code"] for one in status["coding"]] == ["questionable"]
    assert found["158744"]["dataAbsentReason"]["coding"][0]["code"] == "error"
    # R4's own list of interpretations is extensible, and the guides for devices extend it: a warning at most.
    problems = [problem for one in found.values() for problem in validate(one)]
    assert {(one.severity, one.expression) for one in problems} <= {
        ("warning", "Observation.interpretation[0].coding")
    }


async def test_a_run_sheet_is_history(home: Home) -> None:
    home.clock.now += timedelta(hours=3)
    state = await take(home, snapshot(venous(), historic=True))
    (reading,) = home.witness.values
    assert (reading.effective, reading.age) == (datetime(2026, 8, 1, 9, tzinfo=UTC), 3 * 3600.0)
    assert len(state.made) == 1
    assert home.witness.troubles == []


async def test_an_alarm_is_what_it_is_over_mqtt(home: Home) -> None:
    more = {"source": "158776", "value": 15, "unit": "mm[Hg]"}
    await home.say(evt(1, "196670", alarm_id="196670:158776", **more))
    await take(home, read_machine(facets(), obr=_now(ALARM), head=header("ORU^R40", sent=SENT)))
    over_mqtt, over_hl7 = home.witness.events
    assert dataclasses.replace(over_hl7, received=over_mqtt.received) == over_mqtt


async def test_a_device_that_is_not_ours_is_a_dead_letter_of_its_door(home: Home) -> None:
    found = read_machine([venous()], obr=MACHINE_NOW.replace(ADDRESS, "FFFFFFFFFFFFFFFF"))
    state = await take(home, found)
    assert {(one.door, one.source, one.reason) for one in state.letters} == {
        ("hl7v2", "FFFFFFFFFFFFFFFF", "unknown-device")
    }
